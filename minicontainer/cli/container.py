"""``minicontainer container``: the verbs of containers, by Docker's longer names."""

from __future__ import annotations

from minicontainer.cli.command import Verb
from minicontainer.cli.groups import group
from minicontainer.cli.main import VERBS

NAMES = frozenset(
    [
        "attach", "commit", "cp", "create", "diff", "exec", "export", "kill", "logs", "pause", "port",
        "rename", "restart", "rm", "run", "start", "stats", "stop", "top", "unpause", "update", "wait",
    ]
)  # fmt: skip
OWN = (
    Verb("inspect", "minicontainer.cli.inspecting", "Show what is known of containers"),
    Verb("ls", "minicontainer.cli.ps", "List containers"),
    Verb("prune", "minicontainer.cli.pruning", "Remove all stopped containers"),
)

command = group(
    "container",
    "Manage containers",
    sorted([*(verb for verb in VERBS if verb.name in NAMES), *OWN], key=lambda verb: verb.name),
)
