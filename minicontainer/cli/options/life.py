"""How a container is known, what becomes of it when it ends, and where its output is kept."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import flag
from minicontainer.cli.options import many, number, one
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.engine.health import Healthcheck

OPTIONS = (
    many("--annotation", type=types.ANNOTATION, help="Add an annotation to the container's config.json"),
    one("--cidfile", help="Write the container's id to a file"),
    one("--health-cmd", default="", help="Command to run to check health"),
    number("--health-interval", type=types.NANOSECONDS, help="Time between running the check (30s)"),
    number("--health-retries", help="Consecutive failures needed to report unhealthy (3)"),
    number(
        "--health-start-interval", type=types.NANOSECONDS,
        help="Time between running the check during the start period (5s)",
    ),
    number(
        "--health-start-period", type=types.NANOSECONDS,
        help="Time for the container to start, before failures count (0s)",
    ),
    number("--health-timeout", type=types.NANOSECONDS, help="Maximum time to allow one check to run (30s)"),
    many("-l", "--label", type=types.LABEL, help="Set meta data on the container"),
    many("--label-file", type=types.FILE, help="Read labels from a file, a line each"),
    one(
        "--log-driver", type=types.LOG_DRIVER, default="json-file",
        help="Logging driver for the container: json-file or none (json-file)",
    ),
    many("--log-opt", type=types.LOG_OPT, help="max-size=10m, max-file=3, compress=, labels=, env=, tag="),
    one("--name", type=types.CONTAINER_NAME, help="Name of the container"),
    flag("--no-healthcheck", help="Disable any health check that the image has"),
    one("--pull", type=types.PULL, default="missing", help="Pull the image first: missing, never (missing)"),
    flag("-q", "--quiet", help="Suppress the pull output"),
    one(
        "--restart", default="no",
        help="When to restart: no, always, unless-stopped, on-failure[:MAX] (no)",
    ),
    flag("--rm", help="Remove the container when it ends"),
    one("--stop-signal", type=types.SIGNAL, help="The signal that stops it"),
    one("--stop-timeout", type=types.INTEGER, help="Seconds it is given to stop"),
)  # fmt: skip


def config(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of Config.  Raises UsageError."""
    stop = flags["stop_signal"]
    return {
        "labels": {**_labels(flags["label_file"]), **dict(flags["label"])},
        "stop_signal": str(stop) if stop else "",
        "stop_timeout": flags["stop_timeout"],
        "healthcheck": _healthcheck(flags),
    }


def host(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of HostConfig.  Raises UsageError."""
    policy, retries = _restart(flags)
    return {
        "annotations": dict(flags["annotation"]),
        "auto_remove": flags["rm"],
        "container_id_file": flags["cidfile"] or "",
        "log_driver": flags["log_driver"],
        "log_opts": _log_options(flags),
        "restart_policy": policy,
        "restart_retries": retries,
    }


def _restart(flags: dict[str, Any]) -> tuple[str, int]:
    from minicontainer.cli.onclick import FlagError
    from minicontainer.cli.values import Malformed, parse_restart

    try:
        policy, retries = parse_restart(flags["restart"])
    except Malformed as error:
        raise FlagError(str(error)) from None
    if flags["rm"] and policy != "no":
        raise FlagError("conflicting options: cannot specify both --restart and --rm")
    return policy, retries


def _labels(files: tuple[str, ...]) -> dict[str, str]:
    from minicontainer.cli.environment import read_labels
    from minicontainer.cli.values import parse_label

    return dict(parse_label(line) for path in files for line in read_labels(path))


def _healthcheck(flags: dict[str, Any]) -> Healthcheck | None:
    names = ("interval", "timeout", "start_period", "start_interval", "retries")
    given = {name: flags[f"health_{name}"] for name in names}
    if not flags["health_cmd"] and not any(given.values()) and not flags["no_healthcheck"]:
        return None
    from minicontainer.cli.onclick import FlagError
    from minicontainer.engine.health import Healthcheck

    if flags["no_healthcheck"]:
        if flags["health_cmd"] or any(given.values()):
            raise FlagError("--no-healthcheck conflicts with --health-* options")
        return Healthcheck(test=["NONE"])
    for name, value in given.items():
        if value < 0:
            raise FlagError(f"--health-{name.replace('_', '-')} cannot be negative")
    return Healthcheck(test=["CMD-SHELL", flags["health_cmd"]] if flags["health_cmd"] else [], **given)


def _log_options(flags: dict[str, Any]) -> dict[str, str]:
    from minicontainer.engine import logoptions

    options = dict(flags["log_opt"])
    if flags["log_driver"] == "json-file":
        logoptions.parse(options)
    elif options:
        raise UsageError(f"unknown log opt '{next(iter(options))}' for none log driver")
    return options
