"""keyctl(2) against the kernel."""

from __future__ import annotations

import os

import pytest

from minicontainer.linux import keyring, libc
from tests.kernel.linux.child import in_child

KEYCTL_GET_KEYRING_ID = 0
KEY_SPEC_SESSION_KEYRING = -3


def session() -> int:
    return libc.syscall(libc.number("keyctl"), KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1)


@pytest.mark.skipif(not os.path.exists("/proc/keys"), reason="this kernel has no keys")
def test_a_new_session_keyring_is_another_one_and_this_process_s_alone() -> None:
    def work() -> list[object]:
        before = session()
        keyring.join_session_keyring()
        return [before != session(), session() == session()]

    before = session()
    assert in_child(work) == [True, True]
    assert session() == before
