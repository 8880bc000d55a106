"""The command line and host of the integration tests, beside an engine of this tier."""

from tests.integration.conftest import (  # noqa: F401 (fixtures: host is around every test)
    busybox_id,
    container_ids,
    host,
    installed,
    mc,
    own_host,
)
