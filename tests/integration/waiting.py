"""Containers that wait to be restarted, held there for as long as a test looks at them."""

from __future__ import annotations

import fcntl
import json
import os
import signal

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.integration.runner import Runner

FAILS = "echo said; exit 3"


def restarting(mc: Runner, script: str = FAILS, *options: str, policy: str = "always") -> str:
    """The id of a new container with a restart policy; without a network, unless ``options`` name one."""
    network = [] if "--network" in options else ["--network", "none"]
    words = ["run", "-d", "--restart", policy, *network, *options, "busybox", "sh", "-c", script]
    return mc.ok(*words)


def status(mc: Runner, container: str) -> dict[str, Any]:
    """status.json, as it is."""
    with open(f"{mc.root}/containers/{container}/status.json") as file:
        found: dict[str, Any] = json.load(file)
    return found


def held(mc: Runner, container: str) -> int:
    """Its monitor, stopped (SIGSTOP) while it waits: it goes on waiting until it is sent SIGCONT."""
    found: int = until(lambda: _hold(mc, container), "it waits to be restarted", timeout=60)
    return found


def _hold(mc: Runner, container: str) -> int:
    before = status(mc, container)
    if before["state"] != "restarting":
        return 0
    monitor: int = before["monitor"]
    mc.host.kill(monitor, signal.SIGSTOP)
    until(lambda: ") T " in mc.host.sh(f"cat /proc/{monitor}/stat"), "it has stopped")
    if status(mc, container) == before and _free(f"{mc.run_root}/locks/{container}"):
        return monitor
    mc.host.kill(monitor, signal.SIGCONT)
    return 0


def _free(lock: str) -> bool:
    fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def let_go(mc: Runner, monitor: int) -> None:
    """Let it go on."""
    mc.host.kill(monitor, signal.SIGCONT)
