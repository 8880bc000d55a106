"""The options that say what a container is, by subject; `creating.py` puts them on `run` and `create`.

==============  =============================================================================
program.py      what runs, as whom, with what environment, terminal and streams
life.py         name, labels, restart, health, removal, logging
limits.py       processor, memory, block devices, processes
isolation.py    namespaces, capabilities, devices, security options
places.py       mounts
network.py      network, names, resolvers
==============  =============================================================================

Each file has ``OPTIONS``, and ``config(flags)`` or ``host(flags)``: the fields of `records.Config` and
`records.HostConfig` that these are.  What a flag is called where it is a value (``--cpus`` is
``nano_cpus``) is written down there and nowhere else.
"""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.cli.command import Parsed

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def one(*names: str, type: Parsed = types.STRING, help: str, default: Any = None) -> Decorator:
    """Decorator: an option that is given once; the last of several holds."""
    return option(*names, metavar=type.name, type=type, default=default, help=help)


def number(*names: str, type: Parsed = types.INTEGER, help: str) -> Decorator:
    """Decorator: the same where 0 is as if it was not given."""
    return one(*names, type=type, help=help, default=0)


def many(*names: str, type: Parsed, help: str) -> Decorator:
    """Decorator: an option that may be given several times."""
    return option(*names, metavar=type.name, type=type, multiple=True, help=help)
