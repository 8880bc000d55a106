"""v1 blkio controller: block devices (Documentation/admin-guide/cgroup-v1/blkio-controller.rst).

::

    weight        blkio.bfq.weight (1..1000); needs the BFQ scheduler
    throttle...   blkio.throttle.{read,write}_{bps,iops}_device     "8:0 1048576"
"""

from __future__ import annotations

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting, refuse
from minicontainer.cgroups.stats import IOStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import BlockIO


def settings(block_io: BlockIO) -> list[Setting]:
    """Weights for the BFQ scheduler; throttles per device."""
    if block_io.leaf_weight or any(device.leaf_weight for device in block_io.weight_device):
        raise refuse("blockIO.leafWeight", "it went with the CFQ scheduler in Linux 5.0")
    found: list[Setting] = []

    def add_weight(limit: str, file: str, value: object) -> None:
        found.append(Setting("blkio", file, value, f"blockIO.{limit}", needs="the BFQ scheduler"))

    if block_io.weight:
        add_weight("weight", "blkio.bfq.weight", block_io.weight)
    for device in block_io.weight_device:
        if device.weight:
            value = f"{device.major}:{device.minor} {device.weight}"
            add_weight("weightDevice", "blkio.bfq.weight_device", value)
    throttles = [
        ("throttleReadBpsDevice", "read_bps", block_io.throttle_read_bps_device),
        ("throttleWriteBpsDevice", "write_bps", block_io.throttle_write_bps_device),
        ("throttleReadIOPSDevice", "read_iops", block_io.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", "write_iops", block_io.throttle_write_iops_device),
    ]
    for limit, file, devices in throttles:
        found += [
            Setting(
                "blkio",
                f"blkio.throttle.{file}_device",
                f"{device.major}:{device.minor} {device.rate}",
                f"blockIO.{limit}",
                needs="CONFIG_BLK_DEV_THROTTLING",
            )
            for device in devices
        ]
    return found


def stats(folder: str) -> IOStats:
    """The throttling layer counts whether or not it throttles."""
    sizes = _sums(f"{folder}/blkio.throttle.io_service_bytes_recursive")
    counts = _sums(f"{folder}/blkio.throttle.io_serviced_recursive")
    return IOStats(
        read_bytes=sizes.get("Read", 0),
        write_bytes=sizes.get("Write", 0),
        reads=counts.get("Read", 0),
        writes=counts.get("Write", 0),
    )


def _sums(path: str) -> dict[str, int]:
    """Lines of ``8:0 Read 4096``, summed over devices; the last is ``Total 4096``."""
    sums: dict[str, int] = {}
    try:
        lines = tree.text(path).splitlines()
    except FileNotFoundError:
        return sums
    for words in (line.split() for line in lines):
        if len(words) == 3:
            sums[words[1]] = sums.get(words[1], 0) + int(words[2])
    return sums
