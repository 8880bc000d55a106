"""``minicontainer info``: this host and what is kept on it."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option
from minicontainer.cli.context import engine as engine_of


@verb("info", usage="[OPTIONS]", help="Show facts about this host and its containers")
@option("-f", "--format", "form", metavar="string", default=None, help="A Go template, or json")
@click.pass_context
def command(ctx: click.Context, form: str | None) -> None:
    """Print the facts, or what a template makes of them."""
    import msgspec

    from minicontainer import __version__
    from minicontainer.engine import host

    engine = engine_of(ctx)
    states = [found.state for found in engine.containers()]
    known = {
        "Containers": len(states),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": states.count("paused"),
        # As Docker: one that waits to be restarted is among them (moby: daemon/monitor.go, setStateCounter).
        "ContainersStopped": len(states) - states.count("running") - states.count("paused"),
        "Images": len(engine.images.images()),
        "ServerVersion": __version__,
        **msgspec.to_builtins(host.facts(engine.folders.root, engine.driver().name)),
    }
    if form is None:
        click.echo("\n".join(f"{key}: {_text(value)}" for key, value in known.items()))
        return
    from minicontainer.cli.template import Template

    click.echo(Template("{{json .}}" if form == "json" else form).render(known))


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
