"""A file of the tests' own over one of the host's, in the tests' namespaces."""

from __future__ import annotations

import contextlib
import os
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.host import Host


@contextlib.contextmanager
def over(host: Host, path: str, shown: str) -> Iterator[None]:
    """``shown`` is mounted over ``path``; where that is missing, over one in a copy of its folder."""
    with contextlib.ExitStack() as stack:
        if host.sh(f"test -e {path} || echo missing"):
            folder, name = os.path.split(path)
            copy = f"{stack.enter_context(tempfile.TemporaryDirectory())}/{name}-missing"
            host.sh(f"cp -a {folder} {copy} && touch {copy}/{name} && mount --bind {copy} {folder}")
            stack.callback(host.sh, f"umount {folder}")
        host.sh(f"mount --bind {shown} {path}")
        stack.callback(host.sh, f"umount {path}")
        yield
