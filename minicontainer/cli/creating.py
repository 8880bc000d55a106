"""What `run` and `create` share: the options that say what a container is, and the container they make.

::

    options/*.py   OPTIONS ──► @container_options   on the verb
                   values  ──► container_of         of what was given: a `records.Container`

The verb's own options (``--detach``, ``--sig-proxy``) say what the command does, and stay with it.
"""

from __future__ import annotations

import os

from minicontainer.cli.echo import echo
from minicontainer.cli.options import isolation, life, limits, network, places, program
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.engine.records import Container

OPTIONS = (
    *program.OPTIONS,
    *life.OPTIONS,
    *limits.OPTIONS,
    *isolation.OPTIONS,
    *places.OPTIONS,
    *network.OPTIONS,
)


def container_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of both verbs."""
    for add in reversed(OPTIONS):
        function = add(function)
    return function


def container_of(image: str, words: tuple[str, ...], flags: dict[str, Any]) -> Container:
    """What the options ask for, to be given to `Engine.create`.  Raises UsageError."""
    from minicontainer.engine.limits import check
    from minicontainer.engine.records import Config, Container, HostConfig

    config = Config(
        image=image,
        cmd=list(words),
        **program.config(flags),
        **life.config(flags),
        **network.config(flags),
    )
    host = HostConfig(
        **program.host(flags),
        **life.host(flags),
        **limits.host(flags),
        **isolation.host(flags),
        **places.host(flags),
        **network.host(flags),
    )
    check(host)
    for line in limits.warnings(host):
        echo(f"WARNING: {line}", err=True)
    return Container(
        id="",
        name=flags["name"] or "",
        created=0.0,
        image_id="",
        chain=[],
        driver="",
        config=config,
        host=host,
    )


class IdFile:
    """``--cidfile``: a file that must not exist before, and not be there after a creation that failed."""

    def __init__(self, path: str | None) -> None:
        self.path = path

    def __enter__(self) -> IdFile:
        if self.path:
            try:
                self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                raise UsageError(
                    "container ID file found, make sure the other container isn't running or delete "
                    f"{self.path}"
                ) from None
        return self

    def write(self, container_id: str) -> None:
        """Keep the file, with the id."""
        if self.path:
            os.write(self.fd, container_id.encode())
            self.path = None
            os.close(self.fd)

    def __exit__(self, *_: object) -> None:
        if self.path:
            os.close(self.fd)
            os.unlink(self.path)
