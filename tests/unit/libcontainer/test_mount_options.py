"""Mount options as flags of mount(2) and attributes of mount_setattr(2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import Unsupported
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


@pytest.mark.parametrize("option", mounts.LATER)
def test_what_is_not_supported_is_named(option: str) -> None:
    with pytest.raises(Unsupported, match=option):
        Options([option])


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
