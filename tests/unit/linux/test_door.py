"""The door: what a step tells its listeners, and what its errors carry."""

from __future__ import annotations

import os

import pytest

from minicontainer.linux import door, mount
from minicontainer.linux.door import Call, because, flags, quote, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MODE_A = 1
MODE_B = 2


@step(
    "example(2)",
    why="the general reason",
    shell=lambda a: f"example {quote(a['path'])}",
    show={"mode": flags("MODE_", __name__)},
    watch=lambda a: [("file", a["path"])],
)
def example(path: str, mode: int = MODE_A, *, fail: bool = False) -> int:
    """A call that changes nothing."""
    if fail:
        raise OSError(1, "no", path)
    return 7


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.before_calls: list[Call] = []
        self.after_calls: list[Call] = []
        self.refuse: OSError | None = None

    def before(self, call: Call) -> None:
        self.before_calls.append(call)
        if self.refuse is not None:
            raise self.refuse

    def after(self, call: Call) -> None:
        self.after_calls.append(call)


@pytest.fixture
def heard() -> Iterator[Heard]:
    listener = Heard()
    door.listeners.append(listener)
    yield listener
    door.listeners.remove(listener)


def test_without_a_listener_it_is_the_call() -> None:
    assert example("/p") == 7
    assert example.__name__ == "example"
    assert example.__doc__ == "A call that changes nothing."


def test_a_listener_hears_arguments_defaults_result_and_time(heard: Heard) -> None:
    example("/a b", mode=MODE_A | MODE_B | 8)
    (call,) = heard.after_calls
    assert heard.before_calls == [call]
    assert call.step.decode(call.arguments) == {"path": "/a b", "mode": "MODE_A|MODE_B|0x8", "fail": "False"}
    assert call.step.shell(call.arguments) == "example '/a b'"
    assert call.step.watch is not None
    assert call.step.watch(call.arguments) == [("file", "/a b")]
    assert (call.result, call.error, call.pid, call.step.man) == (7, None, os.getpid(), "example(2)")
    assert call.duration_ns >= 0


def test_the_reason_is_the_next_steps_only(heard: Heard) -> None:
    because("a special reason")
    example("/a")
    example("/b")
    assert [call.why for call in heard.after_calls] == ["a special reason", "the general reason"]


def test_an_error_is_heard_and_carries_the_step(heard: Heard) -> None:
    with pytest.raises(PermissionError) as caught:
        example("/p", fail=True)
    assert heard.after_calls[0].error is caught.value
    assert vars(caught.value)["step"] == {
        "name": "example",
        "man": "example(2)",
        "args": {"path": "/p", "mode": "MODE_A", "fail": "True"},
    }


def test_a_listener_can_fail_a_step_before_it_is_made(heard: Heard) -> None:
    heard.refuse = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space") as caught:
        mount.umount2("/never/called")
    assert vars(caught.value)["step"]["name"] == "umount2"
    assert heard.after_calls[0].error is heard.refuse


def test_only_the_process_that_made_the_call_reports_it(heard: Heard) -> None:
    from minicontainer.linux import process

    reader, writer = os.pipe()
    pid = process.fork()
    if pid == 0:
        os.write(writer, b"%d" % len(heard.after_calls))
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 10) == b"0"
    assert [call.result for call in heard.after_calls] == [pid]
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("text", ["", "plain/path-1.2", "a b", "it's", "$HOME", "a\nb", "*", "ü"])
def test_a_quoted_word_is_one_word_of_the_shell(text: str) -> None:
    import subprocess

    out = subprocess.run(["sh", "-c", f"printf %s {quote(text)}"], capture_output=True, check=True).stdout
    assert out.decode() == text


def test_every_step_is_known_by_file_and_name() -> None:
    assert door.steps["mount.pivot_root"].man == "pivot_root(2)"
