"""``minicontainer create``: make a container of an image, which `start` starts."""

from __future__ import annotations

from minicontainer.cli.command import argument, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.creating import IdFile, container_of, container_options
from minicontainer.cli.echo import echo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.cli.context import Context


@verb(
    "create",
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    leave_rest=True,
    help="Create a new container, without starting it",
)
@container_options
@argument("image")
@argument("words", nargs=-1)
@pass_context
def command(ctx: Context, /, image: str, words: tuple[str, ...], **flags: Any) -> None:
    """Create it, and print its id."""
    engine = engine_of(ctx)
    asked = container_of(image, words, {**flags, "detach": False})
    with IdFile(flags["cidfile"]) as file:
        made = engine.create(engine.images.resolve(image), asked)
        file.write(made.id)
    echo(made.id)
