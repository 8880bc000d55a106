"""A file of the tests' own over one of the host's, in the tests' namespaces."""

from __future__ import annotations

import contextlib
import os

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.host import Host


@contextlib.contextmanager
def over(host: Host, path: str, shown: str) -> Iterator[None]:
    """``shown`` is mounted over ``path``; where that is missing, it is missing again afterwards."""
    missing = not os.path.exists(path)
    if missing:
        if not os.access(os.path.dirname(path), os.W_OK):
            pytest.skip(f"{path} is missing, and cannot be made")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    try:
        host.sh(f"mount --bind {shown} {path}")
        try:
            yield
        finally:
            host.sh(f"umount {path}")
    finally:
        if missing:
            os.unlink(path)
