"""``minicontainer version``: of this program and of what it stands on."""

from __future__ import annotations

import os
import sys

import click

from minicontainer import __version__
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option


def facts() -> dict[str, str]:
    """What `version` shows, by the name a template uses."""
    from minicontainer.oci.runtime import SPEC_VERSION

    system = os.uname()
    return {
        "Version": __version__,
        "OCIVersion": SPEC_VERSION,
        "Python": ".".join(map(str, sys.version_info[:3])),
        "Kernel": system.release,
        "Os": system.sysname.lower(),
        "Arch": system.machine,
    }


@verb("version", usage="[OPTIONS]", help="Show the version information")
@option("-f", "--format", "form", metavar="string", help="Format the output with a Go template, or json")
def command(form: str | None) -> None:
    """Print the facts, or what a template makes of them."""
    known = facts()
    if form is None:
        names = {"OCIVersion": "OCI runtime spec", "Os": "OS/Arch"}
        known["Os"] = f"{known['Os']}/{known.pop('Arch')}"
        click.echo("\n".join(f"{names.get(key, key) + ':':<18}{value}" for key, value in known.items()))
        return
    from minicontainer.cli.template import Template

    click.echo(Template("{{json .}}" if form == "json" else form).render(known))
