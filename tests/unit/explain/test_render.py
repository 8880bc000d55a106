"""The four forms of the story, on records made by hand."""

from __future__ import annotations

import json
import subprocess

import pytest

from minicontainer.explain.record import Change, Lost, StepRecord
from minicontainer.explain.render import RENDERERS, Brief, Full, Json, Renderer, Script


def record(**fields: object) -> StepRecord:
    given: dict[str, object] = {
        "process": "init", "pid": 7, "step": "mount", "man": "mount(2)", "seq": 3,
        "args": {"source": "proc", "target": "/proc", "data": ""}, "shell": "mount -t proc proc /proc",
        "why": "processes are files", "duration_us": 12,
    }  # fmt: skip
    return StepRecord(**(given | fields))  # type: ignore[arg-type]


def test_brief_is_one_line_without_empty_arguments() -> None:
    assert Brief(False).line(record()) == "  3 init     mount(source=proc, target=/proc) = ok\n"


def test_brief_names_the_errno() -> None:
    assert Brief(False).line(record(errno="EPERM")).endswith(" = -1 EPERM\n")


def test_brief_gives_no_result_to_a_call_that_does_not_return() -> None:
    line = Brief(False).line(record(step="execve", args={"path": "/bin/sh"}, duration_us=None))
    assert line == "  3 init     execve(path=/bin/sh)\n"


def test_full_says_why_what_changed_and_how_long() -> None:
    change = Change("mount", "/proc", None, "36 35 0:40 / /proc")
    text = Full(False).line(record(changed=[change]))
    assert "why      processes are files" in text
    assert "mount /proc: nothing -> 36 35 0:40 / /proc" in text
    assert "12 µs" in text


def test_full_shows_only_what_differs_in_a_long_change() -> None:
    before = "\n".join(str(number) for number in range(40))
    text = Full(False).line(record(changed=[Change("file", "cgroup.procs", before, before + "\n99")]))
    assert "  + 99" in text
    assert "  - " not in text


def test_full_adds_a_hint_to_a_refusal() -> None:
    refused = record(step="pivot_root", man="pivot_root(2)", args={"new_root": "/x"}, errno="EINVAL")
    assert "findmnt -o TARGET,PROPAGATION" in Full(False).line(refused)


@pytest.mark.parametrize("form", [Brief, Full, Script])
def test_control_characters_of_hostile_names_reach_no_terminal(form: type[Renderer]) -> None:
    hostile = record(args={"target": "/\033[2J"}, shell="mount /\033[2J", why="\r\033]0;x\a")
    text = form(False).line(hostile)
    assert "\033" not in text
    assert "\r" not in text
    assert "\\x1b[2J" in text


def test_script_is_valid_shell_and_comments_out_what_was_refused() -> None:
    script = Script(False)
    text = script.opening() + script.line(record()) + script.line(record(errno="EPERM", shell="umount /x"))
    text += script.line(Lost("a\nb")) + script.closing()
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    assert "\nmount -t proc proc /proc\n" in text
    assert "\n# refused, EPERM: umount /x\n" in text
    assert text.count("### in init (pid 7)") == 1


def test_json_has_the_documented_fields_in_order() -> None:
    made = json.loads(Json(False).line(record(changed=[Change("file", "/a", "0", "1")])))
    assert list(made) == [
        "schema", "seq", "process", "pid", "step", "man", "args", "shell", "why", "result", "errno",
        "duration_us", "changed",
    ]  # fmt: skip
    assert made["changed"] == [{"what": "file", "key": "/a", "before": "0", "after": "1"}]
    assert made["schema"] == 1


def test_json_says_when_a_process_is_lost() -> None:
    assert json.loads(Json(False).line(Lost("gone"))) == {"schema": 1, "lost": "gone"}


@pytest.mark.parametrize("mode", RENDERERS)
def test_lines_of_a_terminal_end_in_cr_lf_but_json(mode: str) -> None:
    text = RENDERERS[mode](False, "\r\n").line(record())
    assert text.endswith("\n")
    assert text.endswith("\r\n") == (mode != "json")
    assert text.count("\n") == text.count("\r\n") or mode == "json"


def test_colour_only_when_asked_for() -> None:
    assert "\033[" in Brief(True).line(record())
    assert "\033[" not in Brief(False).line(record())
