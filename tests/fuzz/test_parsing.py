"""What only reads: for any input, a value or one of our errors with one line that can be shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer import cgroups
from minicontainer.errors import InvalidConfig, MinicontainerError
from minicontainer.libcontainer import hooks, mounts, seccomp, sysctl, validate
from minicontainer.libcontainer import process as program
from minicontainer.oci import jsontext
from minicontainer.oci.document import load, to_builtins
from minicontainer.oci.runtime import Linux, Process, Resources, Seccomp, Spec, load_spec
from minicontainer.runtime import create, delete, events, exec, kill, run, update
from minicontainer.runtime import main as command
from minicontainer.runtime.flags import parse
from tests.fuzz.conftest import examples
from tests.fuzz.mutation import PROCESS, RESOURCES, SECCOMP, full_config, mutated, text_of, texts, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONFIG = full_config()


def attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """What it gives, or None for an error that a user may see."""
    try:
        return action(*arguments)
    except (MinicontainerError, OSError) as error:
        told = str(error)
    assert told.encode(errors="backslashreplace")
    return None


# -- JSON


@examples(200, 400)
@given(values)
def test_json_there_and_back(value: Any) -> None:
    assert jsontext.loads(json.dumps(value)) == value
    assert json.loads(jsontext.dumps(value)) == value


@examples(300, 1000)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
def test_what_is_no_json(data: bytes) -> None:
    attempt(load, Spec, data, "config.json")


@examples(200, 300)
@given(mutated(CONFIG), st.data())
def test_json_cut_and_spoiled(document: Any, data: st.DataObject) -> None:
    text = text_of(document)
    place = data.draw(st.integers(0, len(text)))
    attempt(load, Spec, text[:place] + data.draw(st.binary(max_size=3)) + text[place + 1 :], "config.json")
    attempt(load, Spec, text[:place], "config.json")


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"process":', '{"linux":{"resources":['])
def test_json_without_a_bottom(opening: str) -> None:
    with pytest.raises(InvalidConfig):
        load_spec(opening.encode() * 100_000)


# -- config.json and its parts


@examples(400, 300)
@given(mutated(CONFIG, most=5))
def test_config_json(document: Any) -> None:
    spec = attempt(load_spec, text_of(document))
    if spec is None:
        return
    to_builtins(spec)
    attempt(validate.check, spec)
    if spec.hooks is not None:
        attempt(hooks.check, spec.hooks)
    for mount in spec.mounts:
        attempt(mounts.Options, mount.options)
    for name in spec.linux.sysctl if spec.linux else ():
        attempt(sysctl.file_of, name, spec.linux)


@examples(300, 300)
@given(mutated(PROCESS, most=4))
def test_process_json(document: Any) -> None:
    config = attempt(load, Process, text_of(document), "process.json")
    if config is not None:
        attempt(validate.check_process, config)
        attempt(program.environment, config)


@examples(150, 80)
@given(mutated(SECCOMP, most=4))
def test_seccomp(document: Any) -> None:
    profile = attempt(load, Seccomp, text_of(document), "seccomp")
    if profile is not None:
        program = attempt(seccomp.compile_profile, profile)
        assert program is None or len(program) % 8 == 0


@examples(300, 300)
@given(mutated(RESOURCES, most=4))
def test_resources(document: Any) -> None:
    resources = attempt(load, Resources, text_of(document), "resources")
    if resources is not None:
        attempt(cgroups.manager("/fuzz").check, resources)


@examples(200, 1000)
@given(st.lists(texts, max_size=5))
def test_options_of_mounts(words: list[str]) -> None:
    attempt(mounts.Options, words)


@examples(100, 1000)
@given(texts)
def test_sysctl(name: str) -> None:
    attempt(sysctl.file_of, name, Linux())


# -- command lines

numbers = st.integers().map(str) | st.sampled_from(
    ["1k", "2g", "1.5g", "-1", "0", "1e3", "0x10", "9" * 5000, "00000000000000000", "\uff11", "\u00b2"]
)


@examples(300, 1000)
@given(numbers | texts)
def test_words(word: str) -> None:
    attempt(update.number, word, "memory")
    attempt(kill.parse_signal, word)
    attempt(events.duration, word)


@examples(200, 600)
@given(st.dictionaries(st.sampled_from(sorted(update.LIMITS)), numbers | texts, max_size=4))
def test_flags_of_update(given: dict[str, str]) -> None:
    words = [f"--{name}={word}" for name, word in given.items()]
    found = attempt(lambda: update.from_flags(parse(update.FLAGS, words)[0]))
    if found is not None:
        attempt(cgroups.manager("/fuzz").check, found)


VERBS = {"create": create, "run": run, "exec": exec, "delete": delete, "kill": kill, "update": update}
FLAGS = [f"--{name}" if len(name) > 1 else f"-{name}" for verb in VERBS.values() for flag in verb.FLAGS
         for name in flag.names]  # fmt: skip


@examples(300, 1000)
@given(st.sampled_from([*VERBS]), st.lists(st.sampled_from(FLAGS) | texts | numbers, max_size=6))
def test_command_lines(verb: str, words: list[str]) -> None:
    attempt(parse, VERBS[verb].FLAGS, words)
    attempt(parse, command.FLAGS, words)


def test_a_huge_document() -> None:
    document = full_config()
    document["process"]["env"] = [f"A{number}={'x' * 100}" for number in range(20_000)]
    document["unknown"] = "y" * 5_000_000
    process = load_spec(text_of(document)).process
    assert process is not None
    assert len(process.env) == 20_000
