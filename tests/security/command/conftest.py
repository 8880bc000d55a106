"""The command line on a host of its own, compared before and after: as in tests/integration."""

from __future__ import annotations

from tests.integration.conftest import busybox_id, container_ids, host, installed, mc, own_host

__all__ = ["busybox_id", "container_ids", "host", "installed", "mc", "own_host"]
