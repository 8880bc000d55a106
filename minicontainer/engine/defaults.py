"""What a container takes from its image where nothing was asked for (Docker's merge of Config)."""

from __future__ import annotations

from minicontainer.engine import health
from minicontainer.engine.health import Healthcheck
from minicontainer.engine.identity import merge_environment
from minicontainer.engine.records import Config
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.image import ContainerConfig


def merge(config: Config, image: ContainerConfig) -> None:
    """Fill ``config`` from the image's.

    Raises UsageError when neither names a program, and for a health check that cannot be.

    An entrypoint that was asked for discards the image's command, which was written for another.
    """
    if config.entrypoint is None:
        config.entrypoint = list(image.entrypoint or [])
        config.cmd = config.cmd or list(image.cmd or [])
    if not config.entrypoint and not config.cmd:
        raise UsageError("no command specified")
    config.env = merge_environment(image.env or [], config.env)
    config.user = config.user or image.user
    config.working_dir = config.working_dir or image.working_dir
    config.labels = {**(image.labels or {}), **config.labels}
    config.stop_signal = config.stop_signal or image.stop_signal
    if config.stop_timeout is None:
        config.stop_timeout = image.stop_timeout
    config.healthcheck = health.merge(config.healthcheck, _healthcheck(image))
    if config.healthcheck is not None:
        health.check(config.healthcheck)


def _healthcheck(image: ContainerConfig) -> Healthcheck | None:
    own = image.healthcheck
    if own is None:
        return None
    return Healthcheck(
        test=own.test or [],
        interval=own.interval,
        timeout=own.timeout,
        start_period=own.start_period,
        start_interval=own.start_interval,
        retries=own.retries,
    )
