"""``logs``: what a program wrote."""

from __future__ import annotations

import gzip
import json
import os
import re
import time

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


def written(mc: Runner, script: str) -> str:
    """The name of an ended container that ran ``script``."""
    mc("run", "--name", "wrote", "--network", "none", "busybox", "sh", "-c", script)
    return "wrote"


def test_both_streams_each_to_its_own(mc: Runner) -> None:
    result = mc("logs", written(mc, "echo out; echo err >&2; printf unfinished"))
    assert (result.code, result.out, result.err) == (0, "out\nunfinished", "err\n")


def test_tail(mc: Runner) -> None:
    name = written(mc, "seq 100")
    assert mc.ok("logs", "--tail", "2", name) == "99\n100"
    assert mc.ok("logs", "-n", "0", name) == ""
    assert len(mc.ok("logs", "-n", "1000", name).splitlines()) == 100
    assert mc.ok("logs", "--tail", "all", name) == mc.ok("logs", name)


def test_timestamps(mc: Runner) -> None:
    name = written(mc, "echo one; echo two")
    lines = mc.ok("logs", "-t", name).splitlines()
    assert [re.fullmatch(rf"{STAMP} (\w+)", line)[1] for line in lines] == ["one", "two"]  # type: ignore[index]
    assert lines == sorted(lines)


def test_long_lines_and_bytes_that_are_no_text(mc: Runner) -> None:
    name = written(mc, "head -c 100000 /dev/zero | tr '\\0' x; echo; printf '\\377\\376 end\\n'")
    shown = mc("logs", name).raw
    assert shown.startswith(b"x" * 100000 + b"\n")
    assert shown.endswith(b" end\n")


def test_follow_until_the_end(mc: Runner) -> None:
    container = mc.ok(
        "run", "-d", "--network", "none", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"
    )
    assert mc.ok("logs", "-f", container) == "1\n2\n3"


def test_follow_shows_lines_as_they_come(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "echo first; sleep 60")
    following = mc.start("logs", "-f", container)
    assert following.stdout is not None
    assert following.stdout.readline() == b"first\n"
    mc.ok("kill", container)
    out, err = following.communicate(timeout=60)
    assert (out, err, following.returncode) == (b"", b"", 0)


def test_container_that_never_started_has_none(mc: Runner) -> None:
    mc("run", "--name", "never", "--network", "none", "busybox", "nosuch")
    assert mc.ok("logs", "never") == ""


def test_log_of_a_loud_program_is_whole(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "seq", "100000")
    until(lambda: mc.state(container) == "exited 0", "it ends")
    assert mc.ok("logs", container).split() == [str(n) for n in range(1, 100001)]


# -- since, until, details, drivers


def test_since_and_until(mc: Runner) -> None:
    name = written(mc, "echo one; sleep 0.3; echo two; sleep 0.3; echo three")
    stamps = [line.split()[0] for line in mc.ok("logs", "-t", name).splitlines()]
    assert mc.ok("logs", "--since", stamps[1], name) == "two\nthree"
    assert mc.ok("logs", "--until", stamps[1], name) == "one\ntwo"
    assert mc.ok("logs", "--since", stamps[1], "--until", stamps[1], name) == "two"
    assert mc.ok("logs", "--tail", "2", "--until", stamps[1], name) == "two"
    assert mc.ok("logs", "--since", "10m", name) == "one\ntwo\nthree"
    assert mc.ok("logs", "--until", "10m", name) == ""
    wrong = mc("logs", "--since", "yesterday", name)
    assert (wrong.code, 'invalid value for "since"' in wrong.err) == (1, True)


def test_follow_until(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "echo first; sleep 60")
    until(lambda: mc.ok("logs", container) == "first", "it has written")
    assert mc.ok("logs", "-f", "--until", f"{time.time() + 1:.3f}", container) == "first"


def test_details(mc: Runner) -> None:
    options = (
        "-l",
        "colour=light red",
        "-e",
        "SIZE=3",
        "--log-opt",
        "labels=colour,none",
        "--log-opt",
        "env=SIZE",
    )
    mc("run", "--name", "wrote", "--network", "none", *options, "busybox", "echo", "text")
    assert mc.ok("logs", "wrote") == "text"
    assert mc.ok("logs", "--details", "wrote") == "SIZE=3,colour=light+red text"
    form = "{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config.env}}"
    assert mc.state("wrote", form) == "json-file SIZE"


def test_without_a_log(mc: Runner) -> None:
    result = mc(
        "run", "--name", "silent", "--log-driver", "none", "--network", "none", "busybox", "echo", "hi"
    )
    assert result.out == "hi\n"
    assert not os.path.exists(f"{mc.root}/containers/{mc.state('silent', '{{.Id}}')}/log.json")
    refused = mc("logs", "silent")
    assert (refused.code, refused.err) == (
        1,
        "minicontainer: configured logging driver does not support reading\n",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--log-driver", "cloud"), "log driver cloud"),
        (("--log-opt", "max-file=0"), "max-file cannot be less than 1"),
        (("--log-opt", "max-size=much"), "invalid size: 'much'"),
        (("--log-opt", "colour=red"), "unknown log opt 'colour' for json-file log driver"),
        (("--log-opt", "compress=true"), "compress cannot be true when max-file is less than 2"),
        (("--log-opt", "tag={{.Nosuch}}"), "log-opt tag"),
        (("--log-opt", "mode=non-blocking"), "logging mode non-blocking"),
        (("--log-opt", "max-size"), "invalid logging opts format: max-size"),
    ],
)
def test_wrong_options(mc: Runner, options: tuple[str, str], message: str) -> None:
    result = mc("run", *options, "busybox", "true")
    assert result.code == 125
    assert message in result.err
    assert mc.ok("ps", "-aq") == ""


# -- rotation


def test_rotation(mc: Runner) -> None:
    limits = ("--log-opt", "max-size=4k", "--log-opt", "max-file=3")
    mc("run", "--name", "wrote", "--network", "none", *limits, "busybox", "seq", "1000")
    folder = f"{mc.root}/containers/{mc.state('wrote', '{{.Id}}')}"
    files = sorted(name for name in os.listdir(folder) if name.startswith("log.json"))
    assert files == ["log.json", "log.json.1", "log.json.2"]
    assert all(os.stat(f"{folder}/{name}").st_size < 4200 for name in files)
    lines = [int(text) for text in mc.ok("logs", "wrote").split()]
    assert 80 < len(lines) < 300
    assert lines == [*range(lines[0], 1001)]
    assert mc.ok("logs", "--tail", "60", "wrote").split() == [str(n) for n in range(941, 1001)]


def test_rotated_files_are_compressed(mc: Runner) -> None:
    limits = ("--log-opt", "max-size=4k", "--log-opt", "max-file=3", "--log-opt", "compress=true")
    mc("run", "--name", "wrote", "--network", "none", *limits, "busybox", "seq", "1000")
    folder = f"{mc.root}/containers/{mc.state('wrote', '{{.Id}}')}"
    files = sorted(name for name in os.listdir(folder) if name.startswith("log.json"))
    assert files == ["log.json", "log.json.1.gz", "log.json.2.gz"]
    with gzip.open(f"{folder}/log.json.1.gz") as file:
        assert all(json.loads(line)["stream"] == "stdout" for line in file)
    lines = [int(text) for text in mc.ok("logs", "wrote").split()]
    assert 80 < len(lines) < 300
    assert lines == [*range(lines[0], 1001)]
    assert mc.ok("logs", "--tail", "60", "wrote").split() == [str(n) for n in range(941, 1001)]


def test_a_tag_and_what_is_found_in_names(mc: Runner) -> None:
    options = {"tag": "{{.Name}}/{{.ImageName}}", "labels-regex": "^tier", "env-regex": "LEVEL$"}
    flags = [word for name, value in options.items() for word in ("--log-opt", f"{name}={value}")]
    words = ("-l", "tier.one=web", "-l", "other=x", "-e", "LOG_LEVEL=3", "--network", "none", "busybox")
    mc.ok("run", "--name", "tagged", *flags, *words, "echo", "text")
    assert mc.ok("logs", "--details", "tagged") == "LOG_LEVEL=3,tag=tagged%2Fbusybox,tier.one=web text"


@pytest.mark.parametrize("compress", ["false", "true"])
def test_a_follower_sees_every_line_across_rotations(mc: Runner, compress: str) -> None:
    limits = ("--log-opt", "max-size=3k", "--log-opt", "max-file=200", "--log-opt", f"compress={compress}")
    script = "for i in $(seq 40); do seq $((i * 100 - 99)) $((i * 100)); sleep 0.02; done"
    container = mc.ok("run", "-d", "--network", "none", *limits, "busybox", "sh", "-c", script)
    assert mc.ok("logs", "-f", container).split() == [str(n) for n in range(1, 4001)]


def test_a_second_run_is_added_to_the_first(mc: Runner) -> None:
    name = written(mc, "echo ran; printf unfinished")
    mc.ok("start", "-a", name)
    assert mc.ok("logs", name) == "ran\nunfinishedran\nunfinished"


# -- a monitor that is killed


def test_lines_that_were_shown_survive_the_monitor(mc: Runner) -> None:
    script = "i=0; while :; do i=$((i+1)); echo $i; done"
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", script)
    client = mc.start("attach", container)
    assert client.stdout is not None
    shown = [client.stdout.readline() for _ in range(2000)]
    mc.host.kill(mc.monitor(container))
    shown += client.stdout.readlines()
    client.communicate(timeout=60)
    whole = [int(line) for line in shown if line.endswith(b"\n")]
    logged = [int(text) for text in mc.ok("logs", container).split()]
    assert logged == [*range(1, len(logged) + 1)]
    assert set(whole) <= set(logged)
