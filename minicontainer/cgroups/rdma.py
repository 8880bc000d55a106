"""The rdma controller, the same in both versions (Documentation/admin-guide/cgroup-v1/rdma.rst).

::

    rdma.max    mlx4_0 hca_handle=2 hca_object=2000     what is not named stays unlimited
"""

from __future__ import annotations

from minicontainer.cgroups.setting import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Rdma


def settings(limits: dict[str, Rdma]) -> list[Setting]:
    """By the name of the device."""
    found = []
    for device, limit in limits.items():
        counts = {"hca_handle": limit.hca_handles, "hca_object": limit.hca_objects}
        words = [f"{name}={count}" for name, count in counts.items() if count is not None]
        if words:
            found.append(Setting("rdma", "rdma.max", " ".join([device, *words]), f"rdma.{device}"))
    return found
