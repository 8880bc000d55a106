"""What an error says to people, and that its table is about calls that exist."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from minicontainer import explain
from minicontainer.errors import UsageError
from minicontainer.explain import causes


def refused(code: int, name: str, man: str, **args: str) -> OSError:
    error = OSError(code, os.strerror(code))
    error.step = {"name": name, "man": man, "args": args}  # type: ignore[attr-defined]
    return error


def test_a_refused_pivot_root_points_at_propagation() -> None:
    line = explain.describe(refused(errno.EINVAL, "pivot_root", "pivot_root(2)", new_root="/r", put_old="/r"))
    assert line.startswith("pivot_root /r: Invalid argument (EINVAL); usually: ")
    assert "shared" in line
    assert "findmnt -o TARGET,PROPAGATION; mountpoint /r;" in line


def test_special_rows_stand_before_general_ones() -> None:
    overlay = {"fstype": "overlay", "target": "/m", "flags": "0"}
    assert "upper" in explain.describe(refused(errno.EINVAL, "mount", "mount(2)", **overlay))
    proc = {"fstype": "proc", "source": "proc", "target": "/proc", "flags": "MS_NOSUID"}
    line = explain.describe(refused(errno.EPERM, "mount", "mount(2)", **proc))
    assert line.startswith("mount proc on /proc: Operation not permitted (EPERM); usually: a user namespace")


def test_a_control_file_is_told_by_its_name() -> None:
    path = "/sys/fs/cgroup/a/cgroup.procs"
    line = explain.describe(refused(errno.EBUSY, "write_control", "write(2)", path=path, data="1"))
    assert line.startswith(f"write '1' to {path}: ")
    assert "no internal processes" in line


def test_an_error_without_a_step_names_its_path() -> None:
    line = explain.describe(OSError(errno.ENOSPC, "No space left on device", "/var/x"))
    assert line.startswith("/var/x: No space left on device (ENOSPC); usually: the disk is full")
    assert "df -h /var/x" in line
    assert explain.describe(OSError(errno.ENOENT, "No such file or directory", "/a")) == (
        "/a: No such file or directory (ENOENT)"
    )


def test_an_error_without_an_errno_is_still_one_line() -> None:
    assert explain.describe(TimeoutError("timed\nout")) == "timed out"


def test_the_table_is_large_and_names_real_errnos() -> None:
    assert len({row[:2] for row in causes.ROWS}) >= 50
    unknown = [row[1] for row in causes.ROWS if not hasattr(errno, row[1])]
    assert unknown == []


def test_no_row_hides_behind_an_earlier_one() -> None:
    seen: set[tuple[str, str]] = set()
    for row in causes.ROWS:
        assert row[:2] not in seen, row
        if len(row) == 4:
            seen.add(row[:2])


@pytest.mark.parametrize("row", causes.ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_every_row_is_one_line(row: causes.Row) -> None:
    assert "\n" not in row[2] + row[3]
    assert row[2].strip() == row[2]
    assert row[3]


def test_every_call_has_a_manual_page_or_is_a_step() -> None:
    from minicontainer.linux import (
        capabilities,
        control,
        credentials,
        device,
        door,
        limits,
        mount,
        mountfd,
        namespaces,
        netdevice,
        personality,
        pidfd,
        prctl,
        process,
        uts,
    )

    for module in (
        capabilities, control, credentials, device, limits, mount, mountfd, namespaces, netdevice,
        personality, pidfd, prctl, process, uts,
    ):  # fmt: skip
        assert module.__doc__
    known = {step.name for step in door.steps.values()}
    known |= {step.man.partition("(")[0] for step in door.steps.values()}
    strange = {row[0] for row in causes.ROWS if not row[0].startswith(("write:", "*"))} - known
    # Calls of parts that these modules do not import, each with a manual page.
    assert strange <= {"clone", "prlimit", "seccomp", "openat2", "bpf", "rtnetlink", "nft"}


def test_from_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINICONTAINER_EXPLAIN", raising=False)
    assert explain.from_option(None) is None
    assert explain.from_option("") == "brief"
    assert explain.from_option("json") == "json"
    with pytest.raises(UsageError, match="--explain: 'loud' is not one of brief, full, sh, json"):
        explain.from_option("loud")
    monkeypatch.setenv("MINICONTAINER_EXPLAIN", "full")
    assert explain.from_option(None) == "full"
    assert explain.from_option("sh") == "sh"
    monkeypatch.setenv("MINICONTAINER_EXPLAIN", "0")
    assert explain.from_option(None) is None
    monkeypatch.setenv("MINICONTAINER_EXPLAIN", "x")
    with pytest.raises(UsageError, match="MINICONTAINER_EXPLAIN"):
        explain.from_option(None)


def test_importing_explain_imports_no_heavy_module() -> None:
    code = "import sys, minicontainer.explain; print(*[m for m in sys.modules if m in sys.argv])"
    heavy = ["socket", "json", "typing", "msgspec", "subprocess", "re", "minicontainer.explain.hints"]
    ran = subprocess.run([*_python(), "-S", "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def _python() -> list[str]:
    import sys

    return [sys.executable]
