"""Reading mountinfo and /proc/cgroups."""

from __future__ import annotations

import pytest

from minicontainer.cgroups import PARENT, manager
from minicontainer.cgroups.host import Hierarchies, hierarchies
from minicontainer.cgroups.v1.driver import V1Manager
from minicontainer.cgroups.v2.driver import V2Manager
from minicontainer.errors import InvalidConfig, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

KNOWN = """\
#subsys_name\thierarchy\tnum_cgroups\tenabled
cpu\t1\t2\t1
memory\t4\t14\t1
net_prio\t0\t2\t1
blkio\t0\t2\t1
perf_event\t0\t2\t0
hugetlb\t9\t2\t1
"""


def read(folder: Path, *lines: str, controllers: str = "") -> Hierarchies:
    """Hierarchies of these mountinfo lines; ``{here}`` in them is ``folder``, a cgroup2 mount."""
    (folder / "cgroup.controllers").write_text(controllers + "\n")
    table, known = folder / "mountinfo", folder / "cgroups"
    table.write_text("".join(line.format(here=folder) + "\n" for line in lines))
    known.write_text(KNOWN)
    return hierarchies(str(table), str(known))


MEMORY = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory"
CPU = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct,release_agent=/x"
FREEZER = "37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer"
SYSTEMD = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd"
NET_CLS = "50 31 0:50 / /sys/fs/cgroup/net_cls rw - cgroup net_cls rw,net_cls"
UNIFIED = "41 31 0:38 / {here} rw,relatime - cgroup2 cgroup2 rw,nsdelegate"
EXT4 = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw"


def test_v1_controllers_are_found_by_mount_option(tmp_path: Path) -> None:
    found = read(tmp_path, EXT4, MEMORY, CPU, SYSTEMD)
    assert found.bound == {
        "memory": "/sys/fs/cgroup/memory",
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
    }
    assert found.named == {"systemd": "/sys/fs/cgroup/systemd"}
    assert (found.version, found.unified) == ("v1", None)


def test_v2(tmp_path: Path) -> None:
    found = read(tmp_path, EXT4, UNIFIED, controllers="cpu io memory")
    assert (found.version, found.unified, found.bound) == ("v2", str(tmp_path), {})
    assert found.unified_controllers == {"cpu", "io", "memory"}


def test_hybrid(tmp_path: Path) -> None:
    assert read(tmp_path, MEMORY, UNIFIED, controllers="hugetlb").version == "hybrid"


def test_escaped_names(tmp_path: Path) -> None:
    line = r"35 31 0:32 / /my\040groups\134x rw - cgroup cgroup rw,memory"
    assert read(tmp_path, line).bound == {"memory": "/my groups\\x"}


def test_the_mount_that_shows_the_whole_hierarchy_is_preferred(tmp_path: Path) -> None:
    part = "60 1 0:32 /docker/1 /mnt/part rw - cgroup cgroup rw,memory"
    other = "61 1 0:32 / /mnt/later rw - cgroup cgroup rw,memory"
    assert read(tmp_path, part, MEMORY, other).bound == {"memory": "/sys/fs/cgroup/memory"}
    assert read(tmp_path, part).bound == {"memory": "/mnt/part"}


@pytest.mark.parametrize(
    "line", [MEMORY.replace("rw,relatime", "ro"), MEMORY.replace("rw,memory", "ro,memory")]
)
def test_read_only_mounts_are_known(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, line).read_only == {"/sys/fs/cgroup/memory"}


@pytest.mark.parametrize(
    ("controller", "where"),
    [
        ("memory", "bound to cgroup v1 at /sys/fs/cgroup/memory"),
        ("pids", "bound to cgroup v2 at {here}"),
        ("perf_event", "disabled on the kernel's command line"),
        ("hugetlb", "bound to a cgroup v1 hierarchy that is not mounted here"),
        ("io", "not handed down to {here}"),
        ("rdma", "not in this kernel"),
    ],
)
def test_where_a_controller_is(tmp_path: Path, controller: str, where: str) -> None:
    found = read(tmp_path, MEMORY, UNIFIED, controllers="pids")
    assert found.where(controller).startswith(where.format(here=tmp_path))


def test_where_without_v2(tmp_path: Path) -> None:
    assert read(tmp_path, MEMORY).where("net_prio") == "in this kernel but mounted nowhere"


def test_a_kernel_without_v1_has_no_list_of_controllers(tmp_path: Path) -> None:
    found = read(tmp_path, UNIFIED)
    found.known = str(tmp_path / "nothing")
    assert found.where("memory") == "not in this kernel"


def test_the_driver_follows_the_freezer(tmp_path: Path) -> None:
    assert isinstance(manager("/x", read(tmp_path, FREEZER, MEMORY, UNIFIED)), V1Manager)
    assert isinstance(manager("/x", read(tmp_path, UNIFIED, controllers="memory")), V2Manager)


def test_one_v1_controller_does_not_make_a_v1_host(tmp_path: Path) -> None:
    found = read(tmp_path, NET_CLS, UNIFIED, controllers="memory pids")
    assert found.version == "hybrid"
    assert isinstance(manager("/x", found), V2Manager)


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="no usable cgroup file system is mounted"):
        manager("/x", read(tmp_path, EXT4))


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/minicontainer/a", "/minicontainer/a"),
        ("//a/./b/", "/a/b"),
        ("a", f"{PARENT}/a"),
        ("a/b", f"{PARENT}/a/b"),
    ],
)
def test_paths(tmp_path: Path, given: str, path: str) -> None:
    assert manager(given, read(tmp_path, UNIFIED)).path == path


@pytest.mark.parametrize("path", ["", "/", "/../etc", "a/../../b", "/./"])
def test_paths_that_climb_or_name_nothing(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidConfig, match="cgroup path"):
        manager(path, read(tmp_path, UNIFIED))
