"""``minicontainer export``: a container's file system as a tar archive."""

from __future__ import annotations

import os

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import NotFound, UsageError


@verb("export", usage="[OPTIONS] CONTAINER", help="Export a container's file system as a tar archive")
@option("-o", "--output", metavar="string", default="", help="Write to a file, instead of standard output")
@click.argument("container")
@click.pass_context
def command(ctx: click.Context, container: str, output: str) -> None:
    """Write the archive; a file appears only when it is whole."""
    from minicontainer.engine.export import export

    engine = engine_of(ctx)
    if not output:
        if os.isatty(1):
            raise UsageError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        export(engine, container, 1)
        return
    folder = os.path.dirname(os.path.abspath(output))
    if os.path.isdir(output):
        raise UsageError(f"failed to export container: invalid output path: {output} is a directory")
    if not os.path.isdir(folder):
        raise NotFound(
            f'failed to export container: invalid output path: directory "{folder}" does not exist'
        )
    if os.path.exists(output) and not os.path.isfile(output):  # a pipe, a terminal: not to be replaced
        fd = os.open(output, os.O_WRONLY | os.O_CLOEXEC)
        try:
            export(engine, container, fd)
        finally:
            os.close(fd)
        return
    temporary = os.path.join(folder, f".tmp-{os.path.basename(output)}-{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        export(engine, container, fd)
        os.rename(temporary, output)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
