"""``minicontainer system``: the verbs of the whole installation."""

from __future__ import annotations

from minicontainer.cli.command import Verb
from minicontainer.cli.groups import group

VERBS = (
    Verb("check", "minicontainer.cli.system_check", "Say whether the kernel and the state agree"),
    Verb("df", "minicontainer.cli.system_df", "Show disk usage"),
    Verb("events", "minicontainer.cli.events", "Get real time events of containers and images"),
    Verb("info", "minicontainer.cli.info", "Show facts about this host and its containers"),
    Verb("prune", "minicontainer.cli.system_prune", "Remove unused data"),
    Verb("resume", "minicontainer.cli.system_resume", "Start what restart policies say, after a boot"),
    Verb("suspend", "minicontainer.cli.system_suspend", "Stop all containers, for a later resume"),
)

command = group("system", "Manage minicontainer", VERBS)
