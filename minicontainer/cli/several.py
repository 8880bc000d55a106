"""One operation on several names: what can be done is done, and the exit status tells of the rest."""

from __future__ import annotations

import click

from minicontainer.errors import MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def each(names: Iterable[str], operation: Callable[[str], object]) -> None:
    """Call ``operation`` with each name, and print the name when it was done (and is not False).

    An error is one line on standard error; after all names, it becomes exit status 1.
    """
    failed = False
    for name in names:
        try:
            done = operation(name)
        except MinicontainerError as error:
            failed = True
            click.echo(f"minicontainer: {error}", err=True)
        except OSError as error:
            from minicontainer import explain

            failed = True
            click.echo(f"minicontainer: {explain.describe(error)}", err=True)
        else:
            if done is not False:
                click.echo(name)
    if failed:
        raise click.exceptions.Exit(1)
