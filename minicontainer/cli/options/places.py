"""What a container's file system has besides its image: binds, tmpfs; and whether it may change."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import flag
from minicontainer.cli.options import many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPTIONS = (
    many("--mount", type=types.MOUNT, help="Attach a file system"),
    flag("--read-only", help="Mount the root file system read-only"),
    many("--tmpfs", type=types.TMPFS, help="Mount a tmpfs"),
    many("-v", "--volume", type=types.VOLUME, help="Bind a folder: SOURCE:TARGET[:ro]"),
)


def host(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of HostConfig.  Raises UsageError for two mounts at one place."""
    from minicontainer.cli.mounts import check_targets

    # Of --tmpfs the last one for a place counts, as with Docker; any other pair is a mistake.
    tmpfs = {bind.target: bind for bind in flags["tmpfs"]}
    mounts = [*flags["volume"], *flags["mount"], *tmpfs.values()]
    check_targets(mounts)
    return {"mounts": mounts, "read_only": flags["read_only"]}
