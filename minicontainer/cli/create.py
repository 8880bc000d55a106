"""``minicontainer create``: make a container of an image, which `start` starts."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.creating import container_of, container_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@verb(
    "create",
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    leave_rest=True,
    help="Create a new container, without starting it",
)
@container_options
@click.argument("image")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, /, image: str, words: tuple[str, ...], **flags: Any) -> None:
    """Create it, and print its id."""
    engine = engine_of(ctx)
    asked = container_of(image, words, {**flags, "detach": False})
    click.echo(engine.create(engine.images.resolve(image), asked).id)
