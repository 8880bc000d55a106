"""Mount options as flags of mount(2) and attributes of mount_setattr(2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.libcontainer import mounts
from minicontainer.libcontainer.mounts import Options, attributes
from minicontainer.linux import mount as m
from minicontainer.linux import mountfd as fd

OPPOSITES = [
    ("ro", "rw"), ("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"), ("noatime", "atime"),
    ("nodiratime", "diratime"), ("sync", "async"), ("nosymfollow", "symfollow"), ("mand", "nomand"),
    ("relatime", "norelatime"), ("strictatime", "nostrictatime"), ("lazytime", "nolazytime"),
    ("silent", "loud"),
]  # fmt: skip


@pytest.mark.parametrize(("on", "off"), OPPOSITES)
def test_the_later_of_two_opposites_counts(on: str, off: str) -> None:
    bit = mounts.FLAGS[on][0]
    assert Options([off, on]).flags & bit
    assert not Options([off, on]).cleared & bit
    assert not Options([on, off]).flags & bit
    assert Options([on, off]).cleared & bit


@given(st.lists(st.sampled_from(sorted(mounts.FLAGS))))
def test_no_bit_is_both_set_and_cleared(options: list[str]) -> None:
    found = Options(options)
    assert found.flags & found.cleared == 0
    assert found.data == ""


def test_what_is_unknown_is_the_file_system_s() -> None:
    found = Options(["ro", "size=1m", "mode=755", "noexec", "lowerdir=/a:/b"])
    assert found.flags == m.MS_RDONLY | m.MS_NOEXEC
    assert found.data == "size=1m,mode=755,lowerdir=/a:/b"


@pytest.mark.parametrize(
    ("option", "flags"), [("bind", m.MS_BIND), ("rbind", m.MS_BIND | m.MS_REC), ("defaults", 0)]
)
def test_binds(option: str, flags: int) -> None:
    found = Options([option])
    assert found.flags == flags
    assert found.bind == bool(flags)


def test_propagations_are_calls_of_their_own_in_their_order() -> None:
    found = Options(["rslave", "ro", "shared"])
    assert found.propagation == [m.MS_SLAVE | m.MS_REC, m.MS_SHARED]
    assert found.flags == m.MS_RDONLY


def test_recursive_attributes() -> None:
    found = Options(["rro", "rnoexec", "rsuid"])
    assert found.flags == 0
    assert attributes(found.recursive_set, found.recursive_clear) == (
        fd.MOUNT_ATTR_RDONLY | fd.MOUNT_ATTR_NOEXEC,
        fd.MOUNT_ATTR_NOSUID,
    )


def test_what_becomes_no_flag() -> None:
    found = Options(["bind", "ridmap", "tmpcopyup", "size=1m"])
    assert (found.idmap, found.copy_up, found.flags, found.data) == ("ridmap", True, m.MS_BIND, "size=1m")
    assert Options(["ridmap", "idmap"]).idmap == "idmap"
    assert not Options(["bind"]).idmap


def test_data_that_is_given_stays() -> None:
    assert mounts.with_defaults("mode=700,size=1m", mode="755", uid="7") == "mode=700,size=1m,uid=7"
    assert mounts.with_defaults("", mode="755") == "mode=755"


def test_a_label_goes_to_what_can_take_it() -> None:
    assert mounts.labelled("size=1m", "a:b:c:s0:c1,c2", "tmpfs") == 'size=1m,context="a:b:c:s0:c1,c2"'
    assert mounts.labelled("", "a:b:c:s0", "devpts") == 'context="a:b:c:s0"'
    assert mounts.labelled("", "a:b:c:s0", "proc") == ""


@pytest.mark.parametrize("off", [m.MS_NOATIME, m.MS_STRICTATIME, m.MS_RELATIME])
def test_an_atime_mode_that_is_taken_back_leaves_the_kernel_s_default(off: int) -> None:
    assert attributes(0, off) == (0, fd.MOUNT_ATTR__ATIME)


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (m.MS_NOATIME, fd.MOUNT_ATTR_NOATIME),
        (m.MS_STRICTATIME, fd.MOUNT_ATTR_STRICTATIME),
        (m.MS_RELATIME, 0),
    ],
)
def test_a_new_atime_mode_clears_the_old_one(on: int, expected: int) -> None:
    assert attributes(on, 0) == (expected, fd.MOUNT_ATTR__ATIME)


def test_the_atime_mode_is_left_alone_unless_asked_for() -> None:
    assert attributes(m.MS_RDONLY, m.MS_NOSUID) == (fd.MOUNT_ATTR_RDONLY, fd.MOUNT_ATTR_NOSUID)


def test_every_recursive_option_has_its_plain_one() -> None:
    assert {name[1:] for name in mounts.RECURSIVE} <= mounts.FLAGS.keys()
    assert {"rro", "rrw", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rrelatime"} <= mounts.RECURSIVE.keys()
