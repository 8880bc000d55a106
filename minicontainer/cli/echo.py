"""Lines for people and scripts, as click.echo writes them, in a command that runs without click."""

from __future__ import annotations

import sys


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Write ``text`` to standard output, or error, at once."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{text}\n" if nl else str(text))
    stream.flush()
