"""``minicontainer import``: an image from a root file system in a tar archive."""

from __future__ import annotations

import os
import sys

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


@verb(
    "import",
    usage="[OPTIONS] FILE|- [REPOSITORY[:TAG]]",
    help="Make an image of a root file system (tar; plain, gzip, zstd)",
)
@option("-c", "--change", "changes", metavar="list", multiple=True, help="Apply a Dockerfile instruction")
@option("-m", "--message", metavar="string", default="", help="A message for the image's history")
@click.argument("file")
@click.argument("name", required=False)
@click.pass_context
def command(ctx: click.Context, file: str, name: str | None, changes: tuple[str, ...], message: str) -> None:
    """Stream the archive into the store, and print the new image's id."""
    from minicontainer.cli.progress import Progress
    from minicontainer.engine import events

    engine = engine_of(ctx)
    with _open(file) as stream:
        size = os.fstat(stream.fileno()).st_size or None
        with Progress(f"importing {name or file}", size) as progress:

            def told(done: int) -> None:
                progress(done - progress.done)

            image = engine.images.import_tar(
                stream,
                name,
                changes=list(changes),
                message=message or f"Imported from {'-' if file == '-' else os.path.basename(file)}",
                progress=told,
            )
    events.of_image(engine.folders, "import", image.id)
    click.echo(image.id)


def _open(file: str) -> BinaryIO:
    if file == "-":
        return sys.stdin.buffer
    if file.startswith(("http://", "https://")):
        raise Unsupported(f"import {file}: fetch it first; only files and standard input are imported")
    if os.path.isdir(file):
        raise Unsupported(
            f"import {file}: it is a folder; give a tar archive of it: tar -C {file} -c . | ..."
        )
    try:
        return open(file, "rb")
    except FileNotFoundError:
        raise NotFound(f"no such file: {file}") from None
