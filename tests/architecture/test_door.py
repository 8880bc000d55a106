"""Nothing outside the door calls libc, writes a control file or opens a netlink socket."""

from __future__ import annotations

import ast
import glob
import importlib
import os
import re

import pytest

from tests.architecture import rules

PACKAGE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "minicontainer"))
NETLINK = "network/netlink.py"

# What the rules take for a break-in and is none, each with its reason.  An entry that no longer
# matches anything fails, so the list only ever says what is true.
EXEMPT: dict[tuple[str, str], str] = {
    ("explain/link.py", "fcntl.ioctl"): "SIOCGIF* only ask what an interface is",
    ("image/unpack.py", "os.mknod"): "a member of a layer, in the store's own folder: content, as a file is",
    ("libcontainer/reaper.py", "os.kill"): "passes a signal on, when whoever listened has long gone",
    ("engine/top.py", "imports subprocess"): "ps(1) only reads",
    ("runtime/ps.py", "imports subprocess"): "ps(1) only reads",
    ("storage/overlay.py", "os.mknod"): "a whiteout: overlayfs's mark, in the store's own folder",
    ("storage/probe.py", "os.mknod"): "a whiteout in a folder made to try it",
    ("storage/tree.py", "os.mknod"): "a copy of a layer's member, in the store's own folder",
}

# Functions of linux/ that reach the kernel without changing it, so that no listener is told.
READERS: dict[tuple[str, str], str] = {
    ("linux/bpf.py", "prog_get_fd_by_id"): "opens what is there already",
    ("linux/bpf.py", "prog_query"): "asks",
    ("linux/capabilities.py", "current"): "asks",
    ("linux/limits.py", "getrlimit"): "asks",
    ("linux/openat2.py", "openat2"): "opens a file, as open(2) does",
    ("linux/procfs.py", "is_procfs"): "fstatfs(2) only asks",
    ("linux/pidfd.py", "pidfd_getfd"): "copies a descriptor, as dup(2) does",
    ("linux/probe.py", "missing"): "asks with arguments that every kernel refuses",
    ("linux/seccomp.py", "action_available"): "asks",
    ("linux/seccomp.py", "has_flag"): "asks with a program that no kernel can read",
    ("linux/seccomp.py", "notification_sizes"): "asks",
    ("linux/signals.py", "send"): "for pidfd_send_signal(), whose step it is",
    ("linux/terminal.py", "get_size"): "TIOCGWINSZ asks",
    ("linux/terminal.py", "open_ptmx"): "opens a file; what it then changes goes through unlock()",
}

# The door itself, and what only calls on behalf of the wrappers.
PLUMBING = {"linux/__init__.py", "linux/door.py", "linux/libc.py", "linux/faults.py"}


def sources(pattern: str = "**") -> list[str]:
    """Paths of the package's files, relative to it."""
    return sorted(glob.glob(f"{pattern}/*.py", root_dir=PACKAGE, recursive=True))


def read(path: str) -> str:
    with open(os.path.join(PACKAGE, path), encoding="utf-8") as file:
        return file.read()


def is_door(path: str) -> bool:
    return path.startswith("linux/") or path == NETLINK


OUTSIDE = [path for path in sources() if not is_door(path)]
DOOR = [path for path in sources() if is_door(path) and path not in PLUMBING]


@pytest.mark.parametrize("path", OUTSIDE)
def test_the_kernel_is_changed_through_the_door_only(path: str) -> None:
    found = rules.break_ins(read(path))
    assert [line for line in found if (path, line.partition(": ")[2]) not in EXEMPT] == []


def test_every_exemption_is_used() -> None:
    used = {(path, line.partition(": ")[2]) for path in OUTSIDE for line in rules.break_ins(read(path))}
    assert set(EXEMPT) - used == set()


@pytest.mark.parametrize("path", DOOR)
def test_every_wrapper_is_a_step(path: str) -> None:
    undeclared = {
        wrapper.name: sorted(wrapper.native())
        for wrapper in rules.wrappers(read(path))
        if wrapper.native() and wrapper.decorator is None and (path, wrapper.name) not in READERS
    }
    assert undeclared == {}


def test_every_reader_is_one() -> None:
    undeclared = {
        (path, wrapper.name)
        for path in DOOR
        for wrapper in rules.wrappers(read(path))
        if wrapper.native() and wrapper.decorator is None
    }
    assert set(READERS) - undeclared == set()


@pytest.mark.parametrize("path", DOOR)
def test_a_step_speaks_of_its_own_arguments(path: str) -> None:
    """A misspelt a['...'] would raise KeyError only when somebody listens."""
    for wrapper in rules.wrappers(read(path)):
        for keyword in ("shell", "watch"):
            assert wrapper.keys_used(keyword) <= wrapper.parameters(), f"{wrapper.name}: {keyword}"
        decoders = wrapper.keyword("show")
        if isinstance(decoders, ast.Dict):
            keys = {key.value for key in decoders.keys if isinstance(key, ast.Constant)}
            assert keys <= wrapper.parameters() | {"return"}, f"{wrapper.name}: show"


@pytest.mark.parametrize("path", DOOR)
def test_a_step_is_told_in_full(path: str) -> None:
    """A manual page, a reason in one line without a full stop, and a shell command."""
    importlib.import_module("minicontainer." + path.removesuffix(".py").replace("/", "."))
    from minicontainer.linux import door

    name = os.path.basename(path).removesuffix(".py")
    declared = {wrapper.name for wrapper in rules.wrappers(read(path)) if wrapper.decorator}
    assert {f"{name}.{step}" for step in declared} <= door.steps.keys()
    for step in declared:
        told = door.steps[f"{name}.{step}"]
        assert re.fullmatch(r"[\w.-]+\([1-8](const|head|type)?\)", told.man), (
            f"{step}: {told.man} is no manual page"
        )
        assert told.why, f"{step} has no reason"
        assert "\n" not in told.why
        assert not told.why.endswith("."), f"{step}: {told.why}"
        assert callable(told.shell)
        assert told.decoders.keys() <= {*told.parameters, "return"}


def test_pyroute2_is_imported_in_one_module_and_only_when_needed() -> None:
    """It costs more than everything else together."""
    for path in sources():
        tree = ast.parse(read(path))
        at_start = {
            name for statement in tree.body for node, name in rules.imported(statement) if node in tree.body
        }
        everywhere = {name for _, name in rules.imported(tree)}
        users = {name for name in everywhere if name.partition(".")[0] == "pyroute2"}
        assert not users or path == NETLINK, path
        assert not users & at_start, f"{path} imports pyroute2 when it is itself imported"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import ctypes", "imports ctypes"),
        ("def f():\n    from ctypes import CDLL", "imports ctypes"),
        ("import prctl", "imports prctl"),
        ("import subprocess", "imports subprocess"),
        ("from pyroute2.iproute import linux", "imports pyroute2.iproute"),
        ("import os\nos.fork()", "os.fork"),
        ("import os as system\nsystem.kill(1, 9)", "os.kill"),
        ("from os import setsid\nsetsid()", "os.setsid"),
        ("import os\ncall = os.execve", "os.execve"),
        ("import socket\nsocket.socket(socket.AF_NETLINK)", "socket.AF_NETLINK"),
        ("import fcntl\nfcntl.ioctl(0, 1)", "fcntl.ioctl"),
        ("open('/proc/sys/net/ipv4/ip_forward', 'w')", "writes /proc/sys/net/ipv4/ip_forward"),
        ("with open(f'/proc/{pid}/uid_map', mode='wb') as f: pass", "writes /proc/"),
        ("import os\nos.open('/sys/fs/cgroup/x', os.O_WRONLY | os.O_CLOEXEC)", "writes /sys/fs/cgroup/x"),
        ("import os\nos.mkdir(os.path.join('/sys', 'fs'))", "writes /sys/"),
        ("from minicontainer.util import files\nfiles.write_atomic('/proc/' + x, b'')", "writes /proc/"),
    ],
)
def test_the_rules_see(source: str, what: str) -> None:
    assert [line.partition(": ")[2] for line in rules.break_ins(source)] == [what]


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.getpid(); os.waitpid(1, 0); os.mkdir('x')",
        "open('/proc/self/status')",
        "import os\nos.open('/sys/fs/cgroup/x', os.O_RDONLY)",
        "import os\nopen(os.path.join('/proc', 'stat'), 'rb')",
        "def kill(): pass\nkill()",
        "from minicontainer.linux import process\nprocess.kill(1, 9)",
    ],
)
def test_the_rules_let_pass(source: str) -> None:
    assert rules.break_ins(source) == []


def test_the_rules_see_an_undeclared_wrapper() -> None:
    source = """
from minicontainer.linux.libc import function, syscall
_mount = function("mount")
def mount(): _helper()
def _helper(): _mount(1)
@step("umount2(2)", why="x", shell=lambda a: a["x"] + a["y"])
def umount(x): syscall(SYS_UMOUNT)
"""
    mount, umount = rules.wrappers(source)
    assert (mount.native(), mount.decorator) == ({"libc.mount"}, None)
    assert umount.native() == {"syscall.SYS_UMOUNT"}
    assert umount.keys_used("shell") - umount.parameters() == {"y"}
