"""``minicontainer cp``: copy files between a container and the host."""

from __future__ import annotations

import os
import stat
import sys

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.engine.engine import Engine

STREAM = "-"


@verb(
    "cp",
    usage="[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
    help="Copy files between a container and the host; - is a tar archive on standard input or output",
)
@flag("-a", "--archive", help="Make the container's user the owner of what is copied into it")
@flag("-L", "--follow-link", help="Follow a link in SRC_PATH")
@option("-q", "--quiet", metavar="bool", default=None, type=bool, bare="true", help="No progress output")
@click.argument("source")
@click.argument("target")
@click.pass_context
def command(ctx: click.Context, /, source: str, target: str, quiet: bool | None, **flags: bool) -> None:
    """Copy, in the direction that the names tell."""
    for what, name in (("source", source), ("destination", target)):
        if not name:
            raise UsageError(f"{what} can not be empty")
    (from_container, from_path), (to_container, to_path) = split(source), split(target)
    if from_container and to_container:
        raise UsageError("copying between containers is not supported")
    if not from_container and not to_container:
        raise UsageError("must specify at least one container source")
    quiet = not os.isatty(2) if quiet is None else quiet
    if from_container:
        _out(engine_of(ctx), from_container, from_path, to_path, flags, quiet=quiet)
    else:
        _in(engine_of(ctx), from_path, to_container, to_path, flags, quiet=quiet)


def split(argument: str) -> tuple[str, str]:
    """(container, path); the container is empty for a path of the host.

    Colons are allowed in those behind a slash or a dot: ``./a:b``, ``/a:b``.
    """
    container, colon, path = argument.partition(":")
    if argument.startswith("/") or not colon or container.startswith("."):
        return "", argument
    return container, path


class _Told:
    """The progress bar, and what is said at the end; or nothing."""

    def __init__(self, label: str, target: str, *, quiet: bool) -> None:
        from minicontainer.cli.progress import Progress

        self.bar = None if quiet else Progress(label)
        self.target = target

    def __call__(self, amount: int) -> None:
        if self.bar is not None:
            self.bar(amount)

    def __enter__(self) -> _Told:
        if self.bar is not None:
            self.bar.__enter__()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self.bar is None:
            return
        self.bar.__exit__(kind, error, trace)
        if error is None:
            from minicontainer.cli.units import human_size

            click.echo(f"Successfully copied {human_size(self.bar.done)} to {self.target}", err=True)


def _out(
    engine: Engine, container: str, path: str, target: str, flags: dict[str, bool], *, quiet: bool
) -> None:
    from minicontainer.engine import copying
    from minicontainer.engine.view import View

    follow = flags["follow_link"]
    if target != STREAM:
        _check_output(target)
    with View(engine, container) as view:
        if target == STREAM:
            copying.archive(view, path, 1, follow=follow)
            return
        with _Told(f"copying from {container}", os.path.abspath(target), quiet=quiet) as told:
            copying.copy_out(view, path, target, follow=follow, told=told)


def _in(
    engine: Engine, path: str, container: str, target: str, flags: dict[str, bool], *, quiet: bool
) -> None:
    from minicontainer.engine import copying
    from minicontainer.engine.view import View

    as_user, stream = flags["archive"], path == STREAM
    told = _Told(f"copying to {container}", f"{container}:{target}", quiet=quiet or stream)
    with View(engine, container) as view, told:
        if stream:
            copying.extract(view, sys.stdin.buffer, target, as_user=as_user, told=told)
        else:
            copying.copy_in(view, path, target, follow=flags["follow_link"], as_user=as_user, told=told)


def _check_output(path: str) -> None:
    """It must be a folder, a regular file, or a new name in a folder."""
    folder = os.path.dirname(os.path.normpath(path)) or "."
    if not os.path.exists(folder):
        shown = os.path.abspath(folder)
        raise NotFound(f'invalid output path: directory "{shown}" does not exist')
    if os.path.exists(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            kind = "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "an irregular file"
            raise UsageError(
                f'invalid output path: "{os.path.abspath(path)}" must be a directory or a regular file: '
                f"got {kind}"
            )
