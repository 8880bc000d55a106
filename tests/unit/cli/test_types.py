"""The types of options name their parsers, which are imported when there is something to read."""

from __future__ import annotations

import contextlib

import pytest

from minicontainer.cli import types
from minicontainer.cli.command import Parsed
from minicontainer.errors import MinicontainerError

PARSED = {name: found for name, found in vars(types).items() if isinstance(found, Parsed)}


@pytest.mark.parametrize("name", PARSED)
def test_every_parser_is_there(name: str) -> None:
    """A name that does not exist would be an AttributeError, or an ImportError."""
    with contextlib.suppress(MinicontainerError):
        PARSED[name].read("=,:/ no value of anything")


def test_a_type_reads_by_its_parser() -> None:
    assert types.CPUS.read("0.5") == 500_000_000
    assert types.IPC.read("container:web") == "container:web"
    with pytest.raises(MinicontainerError, match="invalid ipc mode: web"):
        types.IPC.read("web")
