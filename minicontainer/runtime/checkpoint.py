"""checkpoint: a container's processes to image files, by criu where it is installed.

criu is a program of its own (libcontainer/criu.py); what it must be told is libcontainer/checkpoint.py's::

    checkpoint   dump into --image-path     the container is gone, unless --leave-running or --pre-dump
    restore      restore.py
"""

from __future__ import annotations

import os

from minicontainer.errors import UsageError
from minicontainer.libcontainer import checkpoint
from minicontainer.libcontainer.container import Container
from minicontainer.runtime.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID"
# criu's own, under its names (criu(8)), of checkpoint and restore alike.
CRIU_FLAGS = [
    Flag("tcp-established", "switch", "allow open tcp connections"),
    Flag("ext-unix-sk", "switch", "allow external unix sockets"),
    Flag("shell-job", "switch", "allow shell jobs"),
    Flag("file-locks", "switch", "handle file locks"),
    Flag("auto-dedup", "switch", "enable auto deduplication of memory images"),
    Flag("lazy-pages", "switch", "use userfaultfd to lazily restore memory pages"),
]
SHARED_FLAGS = [
    Flag("image-path", "text", "the folder of criu's image files (./checkpoint)"),
    Flag("work-path", "text", "the folder of criu's work files and logs (that of the images)"),
    Flag("manage-cgroups-mode", "text", "how control groups are restored: soft, full, strict, ignore (soft)"),
    Flag("empty-ns", "list", "a namespace that is created empty; only network, which always is"),
    *CRIU_FLAGS,
]
FLAGS = [
    *SHARED_FLAGS,
    Flag("parent-path", "text", "the folder of an earlier pre-dump, relative to --image-path"),
    Flag("leave-running", "switch", "leave the container running"),
    Flag("pre-dump", "switch", "dump the memory only, and leave the container running"),
    Flag("page-server", "text", "ADDRESS:PORT of a criu page server"),
    Flag("status-fd", "number", "a descriptor that gets a zero byte once lazy pages can be served", -1),
    Flag("tcp-skip-in-flight", "switch", "leave out tcp connections that are being made"),
    Flag("link-remap", "switch", "allow open files that were removed"),
]


def main(context: Context) -> int:
    """0."""
    flags = context.flags
    container = Container.load(context.container_id(), context.root)
    options = asked(context)
    options.leave_running = flags["leave_running"]
    options.pre_dump = flags["pre_dump"]
    options.parent = _parent(options.images, flags["parent_path"])
    options.status_fd = _status_fd(flags["status_fd"])
    options.passed["tcp_skip_in_flight"] = flags["tcp_skip_in_flight"]
    options.passed["link_remap"] = flags["link_remap"]
    if flags["page_server"]:
        options.passed["ps"] = _page_server(flags["page_server"])
    checkpoint.checkpoint(container, options)
    return 0


def asked(context: Context) -> checkpoint.Options:
    """What `SHARED_FLAGS` ask for.  Raises UsageError, and Unsupported without criu."""
    flags = context.flags
    wrong = next((name for name in flags["empty_ns"] if name != "network"), None)
    if wrong is not None:
        raise UsageError(f"--empty-ns {wrong}: only network")
    passed: dict[str, Any] = {flag.key: flags[flag.key] for flag in CRIU_FLAGS}
    images = flags["image_path"] or os.path.join(os.getcwd(), "checkpoint")
    return checkpoint.Options(
        context.options["criu"], images, flags["work_path"], flags["manage_cgroups_mode"], passed
    )


def _parent(images: str, parent: str) -> str:
    if parent.startswith("/"):
        raise UsageError("--parent-path must be relative to --image-path")
    if parent and not os.path.isdir(os.path.join(images, parent)):
        raise UsageError(f"--parent-path: {os.path.join(images, parent)} is not a folder")
    return parent


def _page_server(text: str) -> tuple[str, int]:
    address, colon, port = text.rpartition(":")
    if not (address and colon and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise UsageError(f"--page-server {text!r}: not ADDRESS:PORT")
    return address.strip("[]"), int(port)


def _status_fd(fd: int) -> int:
    if fd >= 0 and not os.path.lexists(f"/proc/self/fd/{fd}"):
        raise UsageError(f"--status-fd: descriptor {fd} is not open")
    return fd
