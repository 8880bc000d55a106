"""Wrong flags and arguments of every kind, each refused as refusals.py says."""

from __future__ import annotations

import pytest

from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

PLAIN = ("run", "--network", "none")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        # images
        (["nosuch", "true"], "make rootfs"),
        (["busybox:nosuch", "true"], "minicontainer import"),
        (["BusyBox", "true"], "must be lowercase"),
        (["busybox:a:b", "true"], "invalid reference format"),
        (["", "true"], "invalid reference format"),
        (["../../etc", "true"], "invalid reference format"),
        (["sha256:" + "0" * 64, "true"], "no such image"),
        # names
        (["--name", "a b", "busybox"], "Invalid container name"),
        (["--name", "-x", "busybox"], "Invalid container name"),
        (["--name", "x/../y", "busybox"], "Invalid container name"),
        (["--name", "x" * 300, "busybox"], "name"),
        (["-h", "no such host", "busybox"], "invalid host name"),
        # flags
        (["--nosuch", "busybox"], "unknown flag: --nosuch"),
        (["-y", "busybox"], "unknown shorthand flag: 'y' in -y"),
        (["--rm=perhaps", "busybox"], "neither true nor false"),
        # memory, processors, processes
        (["-m", "5z", "busybox"], "invalid suffix"),
        (["-m", "much", "busybox"], "invalid size"),
        (["-m", "-1m", "busybox"], "invalid size"),
        (["-m", "1m", "busybox"], "Minimum memory limit allowed is 6MB"),
        (["-m", "64m", "--memory-swap", "32m", "busybox"], "should be larger than memory limit"),
        (["--memory-swap", "64m", "busybox"], "always set the Memory limit"),
        (["--cpus", "many", "busybox"], "as a rational number"),
        (["--cpus", "4096", "busybox"], "Range of CPUs"),
        (["--cpuset-cpus", "4096", "busybox"], "not available"),
        (["--cpuset-cpus", "1-0", "busybox"], "invalid format"),
        (["--pids-limit", "x", "busybox"], "--pids-limit"),
        (["--oom-score-adj", "1001", "busybox"], "range for oom score adj"),
        (["--device-read-bps", "/dev/null:1m", "busybox"], "not a block device"),
        (["--device-read-bps", "nonsense", "busybox"], "bad format: nonsense"),
        # capabilities, limits, signals, options
        (["--cap-add", "NOSUCH", "busybox"], "NOSUCH"),
        (["--cap-drop", "NOSUCH", "busybox"], "NOSUCH"),
        (["--ulimit", "nosuch=1", "busybox"], "invalid ulimit type"),
        (["--ulimit", "nofile=2:1", "busybox"], "less than or equal to hard limit"),
        (["--stop-signal", "NOSUCH", "busybox"], "Invalid signal"),
        (["--security-opt", "seccomp=/nowhere", "busybox"], "opening seccomp profile (/nowhere) failed"),
        (["--security-opt", "seccomp=/dev/null", "busybox"], "seccomp profile (/dev/null)"),
        (["--security-opt", "seccomp=", "busybox"], "seccomp="),
        (["--explain=loudly", "busybox"], "not one of brief, full, sh, json"),
        # mounts
        (["-v", "named:/data", "busybox"], "named volumes come in later work"),
        (["-v", "/data", "busybox"], "later work"),
        (["-v", "/a:b", "busybox"], "must be absolute"),
        (["-v", "/a:/", "busybox"], "destination can't be '/'"),
        (["-v", "/a:/b:odd", "busybox"], "invalid mode"),
        (["-v", "/tmp:/x", "--tmpfs", "/x", "busybox"], "Duplicate mount point"),
        (["--mount", "type=volume,src=x,dst=/y", "busybox"], "later work"),
        (["--mount", "type=bind,src=/no/such,dst=/y", "busybox"], "does not exist: /no/such"),
        (["--mount", "nonsense", "busybox"], "must be a key=value pair"),
        (["--tmpfs", "/t:nosuch", "busybox"], "invalid tmpfs option"),
        # networks and ports
        (["--network", "nosuch", "busybox"], "network nosuch not found"),
        (["--network", "container:x", "busybox"], "later work"),
        (["-p", "80", "busybox"], "later work"),
        (["-p", "99999:80", "busybox"], "later work"),
        (["-p", "nonsense", "busybox"], "later work"),
        # working folder, environment
        (["-w", "relative", "busybox"], "needs to be an absolute path"),
        (["-e", "=x", "busybox"], "invalid environment variable"),
        (["--env-file", "/no/such", "busybox"], "/no/such: No such file"),
        (["--env-file", "/etc", "busybox"], "/etc: Is a directory"),
        # no program, no terminal
        (["--entrypoint", "", "busybox"], "no command specified"),
    ],
)  # fmt: skip
def test_run_refuses_before_anything_is_made(mc: Runner, arguments: list[str], said: str) -> None:
    refused(mc, *PLAIN, *arguments, code=125, said=said)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-u", "nosuch", "busybox", "true"], 125, "unable to find user nosuch"),
        (["-u", "root:nosuch", "busybox", "true"], 125, "unable to find group nosuch"),
        (["-u", "4294967296", "busybox", "true"], 125, "outside the range"),
        (["-w", "/etc/passwd", "busybox", "true"], 125, "/etc/passwd"),
        (["busybox", "nosuch"], 127, "executable file not found in $PATH"),
        (["busybox", "/no/such"], 127, "/no/such"),
        (["busybox", ""], 127, "exec"),
        (["busybox", "/etc"], 126, "is a directory"),
        (["busybox", "/etc/passwd"], 126, "permission denied"),
        (["-v", "/etc/passwd:/etc", "busybox", "true"], 125, "/etc"),
        (["-v", "/etc:/etc/passwd", "busybox", "true"], 125, "/etc/passwd"),
        (["--ulimit", "nofile=1048577:99999999999", "busybox", "true"], 125, "RLIMIT_NOFILE"),
    ],
)
def test_run_fails_inside(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    """As in Docker, a container is made first: --rm removes it, else it stays, created and never started."""
    refused(mc, "run", "--network", "none", "--rm", *arguments, code=code, said=said)
    assert mc("run", "--network", "none", "--name", "stays", *arguments).code == code
    assert mc.state("stays") == f"created {code}"


def test_scripts_that_cannot_be_run(mc: Runner) -> None:
    script = (
        "printf '#!/no/such\\n' > /no-interpreter; printf '\\0\\1' > /no-format; printf 'x' > /unreadable;"
        "printf '#!/bin/sh\\nexit 5\\n' > /script; chmod 755 /no-interpreter /no-format /script;"
        "chmod 111 /unreadable"
    )
    mc.ok("run", "--name", "base", "--network", "none", "busybox", "sh", "-c", script)
    mc.ok("commit", "base", "scripts")
    assert mc(*PLAIN, "--rm", "scripts", "/script").code == 5
    refused(
        mc,
        *PLAIN,
        "--rm",
        "scripts",
        "/no-interpreter",
        code=127,
        said="its interpreter or loader is missing",
    )
    refused(mc, *PLAIN, "--rm", "scripts", "/no-format", code=126, said="exec format error")
    result = mc(*PLAIN, "--rm", "-u", "nobody", "scripts", "/unreadable")
    assert result.code in (126, 127)
    assert result.err.count("\n") == 1


def test_no_terminal(mc: Runner) -> None:
    refused(mc, *PLAIN, "-it", "busybox", code=1, said="the input device is not a TTY")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"A B=1", "contains whitespaces"), (b"=1", "no variable name"), (b"\xff=1", "not UTF-8"),
        (b"A=\0", "invalid environment variable"),
    ],
)  # fmt: skip
def test_environment_file_names_the_line(mc: Runner, tmp_path: Path, line: bytes, said: str) -> None:
    (tmp_path / "env").write_bytes(b"GOOD=1\n" + line + b"\n")
    refused(mc, *PLAIN, "--env-file", str(tmp_path / "env"), "busybox", code=125, said="line 2")
    refused(mc, *PLAIN, "--env-file", str(tmp_path / "env"), "busybox", code=125, said=said)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch"], 1, "unknown command"),
        (["--nosuch"], 125, "unknown flag"),
        (["run"], 1, "requires at least 1 argument"),
        (["exec", "x"], 1, "requires at least 2 arguments"),
        (["ps", "extra"], 1, "accepts no arguments"),
        (["ps", "--filter", "nosuch=1"], 1, "Invalid filter 'nosuch'"),
        (["ps", "--filter", "nonsense"], 125, "bad format of filter"),
        (["ps", "--filter", "status=nosuch"], 1, "Invalid filter 'status=nosuch'"),
        (["ps", "--format", "{{"], 1, "template parsing error"),
        (["rm"], 1, "requires at least 1 argument"),
        (["rm", ""], 1, "value is empty"),
        (["rm", "nosuch"], 1, "No such container: nosuch"),
        (["rm", "../../images"], 1, "No such container: ../../images"),
        (["inspect", ".names"], 1, "no such object"),
        (["stop", "-t", "soon", "nosuch"], 125, "--time"),
        (["kill", "-s", "NOSUCH", "nosuch"], 1, "Invalid signal"),
        (["logs", "nosuch"], 1, "No such container: nosuch"),
        (["logs", "--tail", "x", "nosuch"], 1, "--tail"),
        (["inspect", "nosuch"], 1, "no such object: nosuch"),
        (["rmi", "nosuch"], 1, "no such image: nosuch"),
        (["rmi", "BAD"], 1, "must be lowercase"),
        (["commit", "nosuch"], 1, "No such container: nosuch"),
        (["import", "/no/such", "x"], 1, "/no/such"),
        (["import", "/etc", "x"], 1, "folder"),
        (["import", "/etc/passwd", "x"], 1, "not a tar archive"),
        (["import", "http://example.org/x.tar", "x"], 1, "fetch it first"),
    ],
)
def test_other_verbs(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, *arguments, code=code, said=said)
