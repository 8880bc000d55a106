"""A factory of groups that cleans up."""

from __future__ import annotations

import pytest

from tests.kernel.cgroups import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minicontainer.cgroups.manager import Manager
    from minicontainer.oci.runtime import Resources


@pytest.fixture
def group_with() -> Iterator[Callable[..., Manager]]:
    """Make groups with given resources; each is killed and deleted afterwards."""
    made: list[Manager] = []

    def factory(resources: Resources | None = None) -> Manager:
        made.append(groups.make(resources))
        return made[-1]

    yield factory
    for group in made:
        group.kill()
        groups.wait_until_empty(group)
        groups.reap_all()
        group.delete()
