"""v2 io controller (Documentation/admin-guide/cgroup-v2.rst, "IO").

::

    weight        io.bfq.weight (1..1000, as in the OCI document) where the BFQ scheduler is,
                  else io.weight (1..10000, CONFIG_BLK_CGROUP_IOCOST)
    throttle...   io.max    "8:0 rbps=1048576 wiops=100", one device per write

No counterpart: leafWeight (it went with the CFQ scheduler).
"""

from __future__ import annotations

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting, refuse
from minicontainer.cgroups.stats import IOStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.setting import Has
    from minicontainer.oci.runtime import BlockIO


def weight(block_io: int) -> int:
    """v1's 10..1000 to v2's 1..10000, linear (the specification's own table, as runc and crun)."""
    return 1 + (max(block_io, 10) - 10) * 9999 // 990


def settings(block_io: BlockIO, has: Has) -> list[Setting]:
    """Weights for whichever policy this kernel has; throttles per device."""
    return _weights(block_io, has) + _throttles(block_io)


def _weights(block_io: BlockIO, has: Has) -> list[Setting]:
    if block_io.leaf_weight or any(device.leaf_weight for device in block_io.weight_device):
        raise refuse("blockIO.leafWeight", "cgroup v2 has nothing like it")
    bfq = has("io.bfq.weight")
    file = "io.bfq.weight" if bfq else "io.weight"
    lines = [("weight", "default", block_io.weight)]
    lines += [("weightDevice", f"{d.major}:{d.minor}", d.weight) for d in block_io.weight_device]
    needs = "the BFQ scheduler or CONFIG_BLK_CGROUP_IOCOST"
    return [
        Setting("io", file, f"{who} {value if bfq else weight(value)}", f"blockIO.{limit}", needs=needs)
        for limit, who, value in lines
        if value
    ]


def _throttles(block_io: BlockIO) -> list[Setting]:
    lists = [
        ("rbps", block_io.throttle_read_bps_device),
        ("wbps", block_io.throttle_write_bps_device),
        ("riops", block_io.throttle_read_iops_device),
        ("wiops", block_io.throttle_write_iops_device),
    ]
    per_device: dict[str, list[str]] = {}
    for key, devices in lists:
        for device in devices:
            # 0 lifts the limit, as it does on v1.
            words = per_device.setdefault(f"{device.major}:{device.minor}", [])
            words.append(f"{key}={device.rate or 'max'}")
    needs = "CONFIG_BLK_DEV_THROTTLING"
    return [
        Setting("io", "io.max", " ".join([number, *words]), "blockIO.throttle", needs=needs)
        for number, words in per_device.items()
    ]


def stats(folder: str) -> IOStats:
    """io.stat: ``8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0``, a line per device."""
    sums: dict[str, int] = {}
    for line in tree.text(f"{folder}/io.stat").splitlines():
        for word in line.split()[1:]:
            key, _, value = word.partition("=")
            if value.isdigit():
                sums[key] = sums.get(key, 0) + int(value)
    return IOStats(
        read_bytes=sums.get("rbytes", 0),
        write_bytes=sums.get("wbytes", 0),
        reads=sums.get("rios", 0),
        writes=sums.get("wios", 0),
    )
