"""Which containers `ps` lists: Docker's filters (docker ps, "Filtering").

==========================  =========================================================================
id, name                    a regular expression, found anywhere in it; a name is also ``/name``
status                      created, running, paused, restarting, exited, dead, removing; brings all
exited                      the exit status of one that has ended
label                       ``key`` or ``key=value``; of several, all must match
ancestor                    an image: those made of it, or of one that was built on it
volume                      where a mount comes from, or where it is in the container
network                     the network's name
publish                     a port: no container has published one yet
health                      starting, healthy, unhealthy; none for those without a health check
before, since               a container: those made before or after it
==========================  =========================================================================

Of several values of another key, one must match.
"""

from __future__ import annotations

from minicontainer.engine import health
from minicontainer.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from minicontainer.engine.engine import Engine, Found

    Test = Callable[[Found, str], bool]

STATES = {"created", "restarting", "running", "removing", "paused", "exited", "dead"}
HEALTH = {health.STARTING, health.HEALTHY, health.UNHEALTHY, health.NONE}


def select(
    engine: Engine, wanted: Mapping[str, list[str]], *, every: bool = False, last: int = 0
) -> list[Found]:
    """The containers that match, the newest first: those that run, or with ``every`` all of them.

    ``last`` > 0 is the most to list, of all.  Raises UsageError, and NotFound for an unknown container
    in before or since.
    """
    _check(wanted)
    tests = {key: _test(engine, key, values) for key, values in wanted.items()}
    every = every or "status" in wanted or last > 0
    found = [
        one
        for one in engine.containers()
        if (every or one.running or one.restarting) and all(matches(one) for matches in tests.values())
    ]
    return found[:last] if last > 0 else found


def _check(wanted: Mapping[str, list[str]]) -> None:
    for state in wanted.get("status", []):
        if state not in STATES:
            raise UsageError(f"Invalid filter 'status={state}'")
    for status in wanted.get("health", []):
        if status not in HEALTH:
            raise UsageError(f"Unrecognised filter value for health: {status}")
    for code in wanted.get("exited", []):
        if not code.removeprefix("-").isdigit():
            raise UsageError(f"Invalid filter 'exited={code}': not a whole number")


def _test(engine: Engine, key: str, values: list[str]) -> Callable[[Found], bool]:
    if key == "label":
        return lambda found: all(labelled(found, value) for value in values)
    if key == "ancestor":
        return _descends(engine, values)
    if key in ("before", "since"):
        moment = engine.find(values[-1]).container.created
        return lambda found: (
            found.container.created != moment and ((found.container.created < moment) == (key == "before"))
        )
    return lambda found: any(TESTS[key](found, value) for value in values)


def _descends(engine: Engine, names: list[str]) -> Callable[[Found], bool]:
    images = []
    for name in names:
        try:
            images.append(engine.images.resolve(name))
        except NotFound:
            continue  # nothing is made of it
    return lambda found: any(
        found.container.image_id == image.id
        or (bool(image.chain) and found.container.chain[: len(image.chain)] == image.chain)
        for image in images
    )


def labelled(found: Found, value: str) -> bool:
    """Whether the container has the label ``key`` or ``key=value``."""
    key, equals, text = value.partition("=")
    labels = found.container.config.labels
    return key in labels and (not equals or labels[key] == text)


def _found_in(pattern: str, *texts: str) -> bool:
    import re

    try:
        return any(re.search(pattern, text) for text in texts)
    except re.error:
        return False


def _mounted(found: Found, value: str) -> bool:
    return any(value in (bind.source, bind.target) for bind in found.container.host.mounts)


TESTS: dict[str, Test] = {
    "id": lambda found, value: _found_in(value, found.container.id),
    "name": lambda found, value: _found_in(value, found.container.name, f"/{found.container.name}"),
    "status": lambda found, value: found.state == value,
    "exited": lambda found, value: found.state == "exited" and found.status.exit_code == int(value),
    "network": lambda found, value: found.container.host.network_mode == value,
    "volume": _mounted,
    "publish": lambda found, value: False,
    "health": lambda found, value: found.health_status == value,
}
FILTERS = (*TESTS, "label", "ancestor", "before", "since")
