"""``minicontainer inspect``: everything known of containers and images, as JSON."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import MinicontainerError, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.cli.template import Template
    from minicontainer.engine.engine import Engine

# Of containers and of images, as Docker's types say it (omitempty).
OMITTED = {"State": ("Health",), "Config": ("Healthcheck", "StopTimeout")}
# Of both too: the maps, whose keys are no fields.
MAPS = {
    "Config": ("Labels", "Volumes", "ExposedPorts"),
    "HostConfig": ("Annotations", "PortBindings", "Sysctls", "Tmpfs"),
    "NetworkSettings": ("Networks", "Ports"),
}


@verb("inspect", usage="[OPTIONS] NAME|ID [NAME|ID...]", help="Show what is known of containers and images")
@option("-f", "--format", "form", metavar="string", default=None, help="A Go template, or json")
@flag("-s", "--size", help="Show the sizes of containers")
@option("--type", "kind", metavar="string", default="", help="container or image")
@click.argument("names", nargs=-1, required=True)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], form: str | None, kind: str, size: bool) -> None:
    """Print an array with a document for each name, or what a template makes of each."""
    import msgspec

    if kind not in ("", "container", "image"):
        raise UsageError(f'"{kind}" is not a valid value for --type: there are container and image')
    template = _template(form)
    engine = engine_of(ctx)
    documents, failed = [], False
    for name in names:
        try:
            documents.append(_document(engine, name, kind, size=size))
        except MinicontainerError as error:
            failed = True
            click.echo(f"minicontainer: {error}", err=True)
    if template is None:
        click.echo(msgspec.json.format(msgspec.json.encode(documents), indent=4).decode())
    else:
        for document in documents:
            click.echo(template.render(_with_nil(document)))
    if failed:
        raise click.exceptions.Exit(1)


def _with_nil(document: dict[str, Any]) -> dict[str, Any]:
    """What JSON leaves out where there is none, a template finds, and finds empty."""
    from minicontainer.cli.template.evaluate import Omitting

    found = dict(document)
    for part in {*OMITTED, *MAPS} & found.keys():
        maps = {
            name: Omitting(found[part][name], None) for name in MAPS.get(part, ()) if found[part].get(name)
        }
        found[part] = Omitting(found[part] | maps, OMITTED.get(part, ()))
    return found


def _template(form: str | None) -> Template | None:
    if form is None:
        return None
    from minicontainer.cli.template import Template, TemplateError

    try:
        return Template("{{json .}}" if form == "json" else form)
    except TemplateError as error:
        error.exit_code = 64  # Docker's for this verb
        raise


def _document(engine: Engine, name: str, kind: str, *, size: bool) -> dict[str, Any]:
    from minicontainer.engine import inspect

    if kind != "image":
        try:
            found = engine.find(name)
            return inspect.container(engine, found) | (inspect.sizes(engine, found) if size else {})
        except NotFound as error:
            if kind == "container" or "multiple" in str(error):
                raise
    try:
        return inspect.image(engine.images.resolve(name), engine.driver().name)
    except (NotFound, UsageError):
        raise NotFound(f"no such {kind or 'object'}: {name}") from None
