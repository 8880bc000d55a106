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
# minicontainer system resume --unit > {folder}/minicontainer.service
# {enable} minicontainer
[Unit]
Description=Containers of minicontainer that restart
{network}RequiresMountsFor={places}

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
WantedBy={target}
"""
SYSTEM = {
    "folder": "/etc/systemd/system",
    "enable": "systemctl enable",
    "network": "Wants=network-online.target\nAfter=network-online.target\n",
    "target": "multi-user.target",
}
# An ordinary user's manager knows nothing of the network, and ends with the last session but for lingering.
USER = {
    "folder": "~/.config/systemd/user",
    "enable": "loginctl enable-linger; systemctl --user enable",
    "network": "",
    "target": "default.target",
}


def unit(root: str, run_root: str, *, user: bool) -> str:
    """The text of the unit, for the command that was called and these folders; of systemd --user's."""
    words = [*_own(), "--root", root, "--run-root", run_root, "system"]
    return UNIT.format(
        **(USER if user else SYSTEM),
        places=quoted(root),
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
    return " ".join(quoted(word.replace("$", "$$")) for word in words)


def quoted(word: str) -> str:
    """A word of a unit (systemd.syntax(7), "Quoting"; systemd.unit(5), "Specifiers").

    In a command line, a dollar stands for itself when it is written twice (systemd.service(5)).
    """
    word = word.replace("%", "%%")
    if word and not set(word) & set(" \t\n\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
