"""The story that the library tells of a run of its own steps, against what strace saw of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import truth

pytestmark = pytest.mark.needs("mount namespace", "pid namespace", "command:strace")

RUN = """
import os, sys
from minicontainer import explain
from minicontainer.linux import capabilities, door, mount, namespaces, prctl, process, uts

story = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
narration = explain.start("json", story)
monitor = process.fork()
if monitor == 0:
    door.i_am("monitor")
    namespaces.unshare(process.CLONE_NEWNS)
    mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
    pid, fd = process.clone3(process.CLONE_NEWNS | process.CLONE_NEWUTS | process.CLONE_NEWPID)
    if pid == 0:
        door.i_am("init")
        uts.sethostname("box")
        mount.mount("tmpfs", "/mnt", "tmpfs", mount.MS_NOSUID)
        try:
            mount.pivot_root("/mnt", "/")
        except OSError:
            mount.umount2("/mnt")
        capabilities.drop_bounding(3)
        prctl.set_no_new_privs()
        if "untold" in sys.argv:
            door.listeners.clear()
            uts.sethostname("secret")
        process.execve("/bin/sh", ["sh", "-c", "true; (true)"], {})
    process.wait(pid)
    namespaces.setns(os.open("/proc/self/ns/uts", os.O_RDONLY))
    os._exit(0)
process.wait(monitor)
narration.finish()
"""


def trace(folder: str, *arguments: str) -> dict[str, list[truth.Asked]]:
    seen, story = f"{folder}/seen", f"{folder}/story"
    subprocess.run(
        [*truth.STRACE, "-o", seen, sys.executable, "-c", RUN, story, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    with open(seen) as strace, open(story) as ours:
        asked, told = truth.asked(strace.read()), truth.told(ours.read())
    assert sum(told.values()) >= 9
    return truth.difference(asked, told)


def test_each_has_what_the_other_has(tmp_path: os.PathLike[str]) -> None:
    assert trace(os.fspath(tmp_path)) == {"not told": [], "not asked": []}


def test_what_passes_by_the_narrator_is_found(tmp_path: os.PathLike[str]) -> None:
    difference = trace(os.fspath(tmp_path), "untold")
    assert [(call, errno) for _, call, errno in difference["not told"]] == [("sethostname", "")]
    assert difference["not asked"] == []
