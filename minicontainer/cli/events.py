"""``minicontainer events``: what happens to containers and images, as it happens."""

from __future__ import annotations

import time

import click

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minicontainer.engine.events import Event

FILTERS = ("container", "daemon", "event", "image", "label", "network", "scope", "type", "volume")


@verb("events", usage="[OPTIONS]", help="Get real time events of containers and images")
@option(
    "-f", "--filter", "filters", metavar="filter", type=types.FILTER, multiple=True,
    help="Only those with KEY=VALUE: container, event, image, label, type, ...",
)  # fmt: skip
@option("--format", "form", metavar="string", default=None, help="A Go template, or json")
@option(
    "--since", metavar="string", default="", help="Begin with those that came since then (10m, 1388530000)"
)
@option("--until", metavar="string", default="", help="End then; without it, never")
@click.pass_context
def command(
    ctx: click.Context, /, filters: tuple[tuple[str, str], ...], form: str | None, since: str, until: str
) -> None:
    """Print one line for each."""
    from minicontainer.cli.values import group_filters
    from minicontainer.engine import events
    from minicontainer.linux import inotify

    engine = engine_of(ctx)
    wanted = group_filters(filters, FILTERS)
    show = _shower(form)
    now = time.time_ns()
    begin, end = _moment(since, now), _moment(until, now)
    watch = inotify.Watch(events.prepare(engine.folders))
    reader = events.Reader(engine.folders, from_now=begin is None)
    for event in reader.follow(end, watch.wait):
        if end is not None and event.time > end:
            continue
        if (begin is None or event.time >= begin) and matches(event, wanted):
            click.echo(show(event))


def _moment(text: str, now: int) -> int | None:
    """Nanoseconds since the epoch."""
    from minicontainer.cli.units import parse_instant

    return parse_instant(text, now) if text else None


def matches(event: Event, wanted: Mapping[str, list[str]]) -> bool:
    """Docker's rules: names and ids match by how they begin, the rest as a whole."""
    tests: dict[str, Callable[[str], bool]] = {
        "type": lambda value: event.type == value,
        "event": lambda value: value in (event.action, event.action.partition(":")[0]),
        "container": lambda value: _named(event, value),
        "network": lambda value: event.type == "network" and _named(event, value),
        "volume": lambda value: event.type == "volume" and event.id == value,
        "image": lambda value: value in _image_names(event),
        "label": lambda value: _labelled(event, value),
        "scope": lambda value: value == "local",
        "daemon": lambda value: event.type == "daemon",
    }
    return all(any(tests[key](value) for value in values) for key, values in wanted.items())


def _named(event: Event, value: str) -> bool:
    return event.id.startswith(value) or event.attributes.get("name", "").startswith(value)


def _image_names(event: Event) -> set[str]:
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    return {event.id, name, _untagged(name)}


def _untagged(reference: str) -> str:
    name, colon, tag = reference.rpartition(":")
    return name if colon and "/" not in tag else reference


def _labelled(event: Event, value: str) -> bool:
    key, equals, text = value.partition("=")
    return key in event.attributes and (not equals or event.attributes[key] == text)


def document(event: Event) -> dict[str, Any]:
    """The event as Docker's API has it (Engine API, SystemEventsResponse)."""
    old = {"status": event.action, "id": event.id} if event.type != "network" else {}
    image = event.attributes.get("image")
    return {
        **old,
        **({"from": image} if image is not None and event.type == "container" else {}),
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": dict(sorted(event.attributes.items()))},
        "scope": "local",
        "time": event.time // 10**9,
        "timeNano": event.time,
    }


def _shower(form: str | None) -> Callable[[Event], str]:
    if not form:
        return line
    from minicontainer.cli.template import Template
    from minicontainer.cli.template.functions import to_json

    if form == "json":
        return lambda event: to_json(document(event))
    if form == "table" or form.startswith("table "):
        raise UsageError("events are no table: give a template, or json")
    template = Template(form)
    return lambda event: template.render(_fields(event))


def _fields(event: Event) -> dict[str, Any]:
    """For templates: Go's names beside those that JSON has, as functions, which ``json`` leaves out."""
    shown = document(event)
    return shown | {
        "ID": lambda: event.id,
        "Status": lambda: event.action,
        "From": lambda: shown.get("from", ""),
        "Scope": lambda: "local",
        "Time": lambda: shown["time"],
        "TimeNano": lambda: event.time,
    }


def line(event: Event) -> str:
    """``2026-01-31T12:00:00.123456789+01:00 container start 3f2… (image=busybox, name=web)``."""
    attributes = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
    return f"{_local(event.time)} {event.type} {event.action} {event.id} ({attributes})"


def _local(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = time.localtime(seconds)
    zone = time.strftime("%z", moment)
    shown = "Z" if moment.tm_gmtoff == 0 else f"{zone[:3]}:{zone[3:]}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{rest:09d}{shown}"
