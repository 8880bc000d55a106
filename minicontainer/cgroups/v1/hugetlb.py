"""v1 hugetlb controller: huge pages, used and reserved (cgroup-v1/hugetlb.rst)."""

from __future__ import annotations

from minicontainer.cgroups.setting import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import HugepageLimit


def settings(limits: list[HugepageLimit]) -> list[Setting]:
    """``page_size`` is the kernel's word for it: 64KB, 2MB, 1GB."""
    found = []
    for limit in limits:
        name, file = f"hugepageLimits {limit.page_size}", f"hugetlb.{limit.page_size}"
        needs = f"huge pages of {limit.page_size}"
        found.append(Setting("hugetlb", f"{file}.limit_in_bytes", limit.limit, name, needs=needs))
        # Without it mmap(2) beyond the limit succeeds and the access dies of SIGBUS (Linux 5.7).
        found.append(Setting("hugetlb", f"{file}.rsvd.limit_in_bytes", limit.limit, name, optional=True))
    return found
