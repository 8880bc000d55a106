"""``minicontainer commit``: a new image from a container's changes."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.explaining import Explained, explain_option


@verb(
    "commit",
    usage="[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    help="Create a new image from a container's changes",
)
@option("-a", "--author", metavar="string", default="", help='Author, as "Ada Lovelace <ada@example.org>"')
@option("-c", "--change", "changes", metavar="list", multiple=True, help="Apply a Dockerfile instruction")
@explain_option
@option("-m", "--message", metavar="string", default="", help="Commit message")
@option(
    "-p", "--pause", metavar="bool", default=True, type=bool, bare="true", help="Pause it meanwhile (true)"
)
@click.argument("container")
@click.argument("name", required=False)
@click.pass_context
def command(
    ctx: click.Context,
    container: str,
    name: str | None,
    author: str,
    changes: tuple[str, ...],
    explain: str | None,
    message: str,
    pause: bool,
) -> None:
    """Print the new image's id."""
    import contextlib

    from minicontainer.cli.progress import Progress
    from minicontainer.engine.commit import commit

    told = Explained(explain, whole=True)
    with told, contextlib.ExitStack() as stack:
        # The story has standard error to itself.
        bar = stack.enter_context(Progress(f"committing {container}")) if told.mode is None else None
        image = commit(
            engine_of(ctx),
            container,
            name,
            author=author,
            message=message,
            instructions=list(changes),
            pause=pause,
            progress=bar,
        )
    click.echo(image.id)
