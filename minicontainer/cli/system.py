"""``minicontainer system``: the verbs of the whole installation."""

from __future__ import annotations

from minicontainer.cli.command import Verb
from minicontainer.cli.groups import group

VERBS = (Verb("check", "minicontainer.cli.system_check", "Say whether the kernel and the state agree"),)

command = group("system", "Manage minicontainer", VERBS)
