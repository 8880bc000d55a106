"""The integration tests' command line and host (tests/integration/conftest.py), beside an engine of this tier."""

from tests.integration.conftest import (  # noqa: F401 (fixtures: host is around every test)
    busybox_id,
    container_ids,
    host,
    installed,
    mc,
    own_host,
)
