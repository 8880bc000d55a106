"""``minicontainer system resume``: after a boot, start what is to run; ``--unit`` has systemd do it.

Exit status 1 if one of the containers cannot be started: the others are.
"""

from __future__ import annotations

import os

import click

from minicontainer.cli import command as verbs
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.context import settings
from minicontainer.cli.several import each


@verbs.command("resume", usage="[OPTIONS]", help="Start what restart policies say, after a boot")
@verbs.flag("--unit", help="Print a systemd unit that resumes at boot and suspends at shutdown")
@click.pass_context
def command(context: click.Context, unit: bool) -> None:
    """Print the name of each that was started.

    What runs is left alone, and so is what was never started, and what a policy of unless-stopped holds
    stopped.  As a service: minicontainer system resume --unit > /etc/systemd/system/minicontainer.service;
    systemctl enable minicontainer.
    """
    if unit:
        from minicontainer.cli import systemd

        own = settings(context)
        click.echo(systemd.unit(own.root, own.run_root, user=os.geteuid() != 0), nl=False)
        return
    from minicontainer.engine.resuming import resume

    engine = engine_of(context)
    started = resume(engine)
    for line in engine.damaged:
        click.echo(f"minicontainer: {line}", err=True)
    each(started, lambda one: one.tell(), lambda one: one.name)
    context.exit(1 if engine.damaged else 0)
