"""Who a process is and what it may do: credentials, capabilities, prctl, limits, personality, names."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from minicontainer.linux import (
    capabilities,
    credentials,
    device,
    limits,
    namespaces,
    personality,
    prctl,
    uts,
)
from tests.kernel.linux.child import in_child, own_mounts, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

NET_RAW = capabilities.NUMBERS["CAP_NET_RAW"]
CHOWN = capabilities.NUMBERS["CAP_CHOWN"]


def test_user_group_and_groups_are_all_changed() -> None:
    def work() -> list[str]:
        credentials.setgroups([7, 9])
        credentials.setresgid(1001)
        credentials.setresuid(1002)
        return [status("Uid"), status("Gid"), status("Groups")]

    assert in_child(work) == ["1002\t1002\t1002\t1002", "1001\t1001\t1001\t1001", "7 9"]


def test_groups_can_be_emptied() -> None:
    def work() -> str:
        credentials.setgroups([])
        return status("Groups")

    assert in_child(work) == ""


def test_a_user_may_not_become_root_again() -> None:
    def work() -> None:
        credentials.setresuid(1000)
        credentials.setresuid(0)

    with pytest.raises(PermissionError) as caught:
        in_child(work)
    assert caught.value.step["name"] == "setresuid"  # type: ignore[attr-defined]


def test_umask_and_owner(tmp_path: Path) -> None:
    def work() -> list[int]:
        credentials.umask(0o027)
        fd = os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY, 0o666)
        credentials.fchown(fd, 1234, -1)
        found = os.fstat(fd)
        return [stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid]

    assert in_child(work) == [0o640, 1234, os.getgid()]


def test_the_names_are_the_kernel_s() -> None:
    assert capabilities.last() < len(capabilities.NAMES)
    bits = capabilities.mask(["CAP_CHOWN", "CAP_NET_RAW"])
    assert bits == 1 << CHOWN | 1 << NET_RAW
    assert capabilities.names(bits) == ["CAP_CHOWN", "CAP_NET_RAW"]


def test_a_capability_leaves_the_bounding_set_for_good() -> None:
    def work() -> list[int]:
        before = capabilities.current()["bounding"]
        capabilities.drop_bounding(NET_RAW)
        return [before, capabilities.current()["bounding"]]

    before, after = in_child(work)
    assert after == before & ~(1 << NET_RAW)
    assert after != before


def test_capset_sets_three_sets_exactly() -> None:
    def work() -> dict[str, int]:
        capabilities.capset(1 << CHOWN, 1 << CHOWN | 1 << NET_RAW, 1 << NET_RAW)
        return capabilities.current()

    found = in_child(work)
    assert found["effective"] == 1 << CHOWN
    assert found["permitted"] == 1 << CHOWN | 1 << NET_RAW
    assert found["inheritable"] == 1 << NET_RAW


def test_capset_cannot_add() -> None:
    def work() -> None:
        capabilities.capset(0, 0, 0)
        capabilities.capset(1 << CHOWN, 1 << CHOWN, 0)

    with pytest.raises(PermissionError) as caught:
        in_child(work)
    assert caught.value.step["man"] == "capset(2)"  # type: ignore[attr-defined]


def test_the_ambient_set_is_raised_and_cleared() -> None:
    def work() -> list[int]:
        held = 1 << CHOWN | 1 << NET_RAW
        capabilities.capset(held, held, held)
        capabilities.raise_ambient(NET_RAW)
        raised = capabilities.current()["ambient"]
        capabilities.clear_ambient()
        return [raised, capabilities.current()["ambient"]]

    assert in_child(work) == [1 << NET_RAW, 0]


def test_ambient_needs_inheritable() -> None:
    def work() -> None:
        capabilities.capset(1 << CHOWN, 1 << CHOWN, 0)
        capabilities.raise_ambient(CHOWN)

    with pytest.raises(PermissionError) as caught:
        in_child(work)
    assert caught.value.filename == "CAP_CHOWN"


def test_keepcaps_holds_the_permitted_set_over_a_change_of_user() -> None:
    def work(keep: bool) -> int:
        prctl.set_keepcaps(keep)
        credentials.setresuid(1000)
        return capabilities.current()["permitted"]

    assert in_child(lambda: work(False)) == 0
    assert in_child(lambda: work(True)) != 0


def test_no_new_privs_is_set_and_inherited() -> None:
    def work() -> list[str]:
        before = status("NoNewPrivs")
        prctl.set_no_new_privs()
        child = in_child(lambda: status("NoNewPrivs"))
        return [before, child]

    assert in_child(work)[1] == "1"


def test_limits() -> None:
    def work() -> list[object]:
        limits.setrlimit("RLIMIT_NOFILE", 100, 200)
        limits.setrlimit("RLIMIT_CORE", 0, limits.getrlimit("RLIMIT_CORE")[1])
        with open("/proc/self/limits") as table:
            line = next(line for line in table if line.startswith("Max open files"))
        return [line.split()[3:5], limits.getrlimit("RLIMIT_NOFILE")]

    assert in_child(work) == [["100", "200"], [100, 200]]


@pytest.mark.parametrize(
    ("soft", "hard", "code"), [(200, 100, errno.EINVAL), (1 << 40, 1 << 40, errno.EPERM)]
)
def test_limits_that_the_kernel_refuses(soft: int, hard: int, code: int) -> None:
    # Beyond fs.nr_open nobody may go, whatever the capabilities.
    with pytest.raises(OSError, match="RLIMIT_NOFILE") as caught:
        in_child(lambda: limits.setrlimit("RLIMIT_NOFILE", soft, hard))
    assert caught.value.errno == code


def test_every_limit_of_getrlimit_has_its_name() -> None:
    assert {"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_MEMLOCK"} <= (
        limits.RLIMITS.keys()
    )


def test_personality_changes_what_uname_says() -> None:
    def work() -> list[str]:
        personality.personality(personality.PER_LINUX32)
        thirty_two = os.uname().machine
        personality.personality(personality.PER_LINUX)
        return [thirty_two, os.uname().machine]

    found = in_child(work)
    assert found[1] == os.uname().machine
    if found[1] == "x86_64" and found[0] == "x86_64":
        pytest.skip("this kernel shows 32-bit programs no other machine")
    assert found[0] in ("i686", "armv8l", found[1])


@pytest.mark.needs("uts namespace")
def test_names_of_a_uts_namespace() -> None:
    def work() -> list[str]:
        namespaces.unshare(namespaces.FLAGS["uts"])
        uts.sethostname("höst")
        uts.setdomainname("example.org")
        with open("/proc/sys/kernel/domainname") as file:
            return [os.uname().nodename, file.read().strip()]

    here = os.uname().nodename
    assert in_child(work) == ["höst", "example.org"]
    assert os.uname().nodename == here


@pytest.mark.needs("uts namespace")
@pytest.mark.parametrize("call", [uts.sethostname, uts.setdomainname])
def test_a_name_has_64_bytes_at_most(call: object) -> None:
    def work(length: int) -> None:
        namespaces.unshare(namespaces.FLAGS["uts"])
        call("n" * length)  # type: ignore[operator]

    in_child(lambda: work(64))
    with pytest.raises(OSError, match="Invalid argument"):
        in_child(lambda: work(65))


@pytest.mark.needs("capability:mknod")
@pytest.mark.parametrize(
    ("kind", "is_kind", "numbers"),
    [("c", stat.S_ISCHR, (1, 3)), ("b", stat.S_ISBLK, (7, 4095)), ("p", stat.S_ISFIFO, (0, 0)),
     ("u", stat.S_ISCHR, (1, 5))],
)  # fmt: skip
def test_a_node_has_its_type_number_and_mode_less_the_umask(
    kind: str, is_kind: object, numbers: tuple[int, int], tmp_path: Path
) -> None:
    from minicontainer.linux import mount

    def work() -> list[object]:
        # Also where the temporary folder is mounted nodev: making is allowed, opening is not tried.
        own_mounts()
        mount.mount("none", str(tmp_path), "tmpfs")
        os.umask(0o027)
        path = tmp_path / "node"
        device.mknod(str(path), device.TYPES[kind] | 0o666, *numbers)
        found = os.stat(path)
        number = (os.major(found.st_rdev), os.minor(found.st_rdev))
        return [is_kind(found.st_mode), stat.S_IMODE(found.st_mode), number]  # type: ignore[operator]

    assert in_child(work) == [True, 0o640, list(numbers)]
