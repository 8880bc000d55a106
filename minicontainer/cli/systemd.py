"""The unit that has systemd start containers at boot, and stop them at shutdown.

::

    start ── system resume ──► monitors, in the unit's control group; their containers have others
    stop ─── system suspend ─► stops them, each in its own time; it returns when all have ended

systemd ends what a stopped unit leaves in its group (systemd.kill(5)).  Monitors must not be ended so: their
containers would die with them, without a stop signal.  After `suspend` none is left; if it failed,
KillMode=process leaves them to the end of the shutdown.
"""

from __future__ import annotations

import os
import sys

UNIT = """\
[Unit]
Description=Containers of minicontainer that restart
Wants=network-online.target
After=network-online.target
RequiresMountsFor={places}

[Service]
Type=oneshot
RemainAfterExit=yes
# Its exit status tells that a container did not start.  The others run, and are to be stopped: hence the "-".
ExecStart=-{resume}
ExecStop={suspend}
TimeoutStopSec=5min
# The monitors are processes of this unit: they end with their containers, and are not to be killed.
KillMode=process
# A container that lacks memory is no reason to stop all others.
OOMPolicy=continue
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def unit(root: str, run_root: str) -> str:
    """The text of the unit, for the command that was called and these folders."""
    words = [*_own(), "--root", root, "--run-root", run_root, "system"]
    return UNIT.format(
        places=_line([root]),
        resume=_line([*words, "resume"]),
        suspend=_line([*words, "suspend"]),
    )


def _own() -> list[str]:
    """The words that start this command again, absolute."""
    launcher = sys._xoptions.get("launcher")
    if launcher:
        return [str(launcher)]
    called = sys.argv[0]
    if os.path.basename(called) == "minicontainer" and os.access(called, os.X_OK):
        return [os.path.abspath(called)]
    return [sys.executable, "-m", "minicontainer"]


def _line(words: list[str]) -> str:
    return " ".join(quoted(word) for word in words)


def quoted(word: str) -> str:
    """A word of a command line of systemd's: systemd.service(5), "Command lines"; systemd.unit(5),
    "Specifiers"."""
    word = word.replace("%", "%%").replace("$", "$$")
    if word and not set(word) & set(" \t\n\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
