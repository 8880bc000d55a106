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


def told(form: Renderer, *records: StepRecord) -> str:
    """What the form says of the records and no others."""
    return "".join(form.line(one) for one in records) + form.flush()


def test_brief_is_one_line_without_empty_arguments() -> None:
    assert told(Brief(False), record()) == "  3 init     mount(source=proc, target=/proc) = ok\n"


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
    text = told(form(False), hostile)
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
    text = told(RENDERERS[mode](False, "\r\n"), record())
    assert text.endswith("\n")
    assert text.endswith("\r\n") == (mode != "json")
    assert text.count("\n") == text.count("\r\n") or mode == "json"


def test_colour_only_when_asked_for() -> None:
    assert "\033[" in told(Brief(True), record())
    assert "\033[" not in told(Brief(False), record())


def test_brief_leaves_out_flags_that_are_none_and_keeps_other_zeros() -> None:
    assert told(Brief(False), record(args={"flags": "0", "uid": "0"})) == "  3 init     mount(uid=0) = ok\n"


def test_brief_tells_a_run_of_one_step_in_one_line() -> None:
    devices = [f"c 1:{minor} rwm" for minor in (3, 5, 7)]
    steps = [
        record(seq=seq, step="write_control", args={"path": "/devices.allow", "data": data})
        for seq, data in enumerate(devices, 3)
    ]
    assert told(Brief(False), *steps, record(seq=6)) == (
        "  3 init     write_control(path=/devices.allow, data=c 1:{3, 5, 7} rwm) = ok"
        " (3 steps, to 5)\n"
        "  6 init     mount(source=proc, target=/proc) = ok\n"
    )


@pytest.mark.parametrize("form", [Full, Script, Json])
def test_the_others_tell_every_step(form: type[Renderer]) -> None:
    steps = [record(seq=seq, args={"number": str(seq)}, shell=f"drop {seq}") for seq in range(3, 9)]
    assert sum(told(form(False), *steps).count(f"drop {seq}") for seq in range(3, 9)) == 6
