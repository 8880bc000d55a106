"""``minicontainer container``: the verbs of containers, by Docker's longer names."""

from __future__ import annotations

from minicontainer.cli.command import Verb
from minicontainer.cli.groups import group
from minicontainer.cli.main import VERBS

NAMES = frozenset(
    [
        "attach", "commit", "cp", "create", "diff", "exec", "export", "kill", "logs", "pause", "port",
        "rename", "restart", "run", "start", "stats", "stop", "top", "unpause", "update", "wait",
    ]
)  # fmt: skip
OWN = (
    Verb("inspect", "minicontainer.cli.inspecting", "Show what is known of containers"),
    Verb("ls", "minicontainer.cli.ps", "List containers", ("ps", "list")),
    Verb("prune", "minicontainer.cli.container_prune", "Remove all stopped containers"),
    Verb("rm", "minicontainer.cli.rm", "Remove one or more containers", ("remove",)),
)

command = group(
    "container",
    "Manage containers",
    sorted([*(verb for verb in VERBS if verb.name in NAMES), *OWN], key=lambda verb: verb.name),
)
