"""The parsers of units.py, values.py and mounts.py as types of options."""

from __future__ import annotations

from minicontainer.cli import hosts, isolation, rates, units, values
from minicontainer.cli.command import BOOLEAN as BOOLEAN
from minicontainer.cli.command import Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _volume(text: str) -> Any:
    import os

    from minicontainer.cli.mounts import parse_volume

    return parse_volume(text, os.getcwd())


def _mount(text: str) -> Any:
    from minicontainer.cli.mounts import parse_mount, require_source

    return require_source(parse_mount(text))


def _tmpfs(text: str) -> Any:
    from minicontainer.cli.mounts import parse_tmpfs

    return parse_tmpfs(text)


def _entry(text: str) -> str:
    """Checked here for the message; the value is looked up by environment.collect."""
    from minicontainer.cli.environment import parse_entry

    parse_entry(text, {})
    return text


def _online(kind: str) -> str:
    """The processors (cpu) or memory nodes (node) of this host, as a list; "" where it is not known."""
    try:
        with open(f"/sys/devices/system/{kind}/online") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _detach_keys(text: str) -> bytes:
    from minicontainer.cli.detach import parse_keys

    return parse_keys(text)


STRING = Parsed("string", str)
NAME = Parsed("list", str)
FILE = Parsed("list", str)
INTEGER = Parsed("int", values.parse_integer)
WEIGHT = Parsed("uint16", values.parse_integer)
DEVICE_WEIGHT = Parsed("list", rates.parse_weight)
DEVICE_RATE = Parsed("list", rates.parse_rate)
DEVICE_COUNT = Parsed("list", rates.parse_count)
ADDRESS = Parsed("ip", hosts.parse_address)
EXTRA_HOST = Parsed("list", hosts.parse_extra_host)
STREAM = Parsed("list", values.parse_stream)
PULL = Parsed("string", values.parse_pull)
ANNOTATION = Parsed("map", values.parse_annotation)
SIZE = Parsed("bytes", units.parse_size)
MEMORY = Parsed("bytes", units.parse_memory)
SWAP = Parsed("bytes", units.parse_swap)
CPUS = Parsed("decimal", units.parse_cpus)
CPUSET_CPUS = Parsed("string", lambda text: units.parse_cpuset(text, _online("cpu")), may_be_empty=True)
CPUSET_MEMS = Parsed("string", lambda text: units.parse_cpuset(text, _online("node")), may_be_empty=True)
OOM_SCORE = Parsed("int", values.parse_oom_score)
DURATION = Parsed("duration", units.parse_duration)
NANOSECONDS = Parsed("duration", lambda text: round(units.parse_duration(text) * 1e9))
ULIMIT = Parsed("ulimit", values.parse_ulimit)
SIGNAL = Parsed("signal", values.parse_signal, may_be_empty=True)
RESTART = Parsed("string", values.parse_restart)
CONTAINER_NAME = Parsed("string", values.parse_container_name, may_be_empty=True)
HOST_NAME = Parsed("string", values.parse_host_name, may_be_empty=True)
USER = Parsed("string", values.parse_user, may_be_empty=True)
WORKING_DIRECTORY = Parsed("string", values.parse_working_directory, may_be_empty=True)
NETWORK = Parsed("network", values.parse_network)
PUBLISH = Parsed("list", values.refuse_publish)
LABEL = Parsed("list", values.parse_label)
LOG_DRIVER = Parsed("string", values.parse_log_driver)
LOG_OPT = Parsed("list", values.parse_log_option)
FILTER = Parsed("filter", values.parse_filter)
ENTRY = Parsed("list", _entry)
VOLUME = Parsed("list", _volume)
MOUNT = Parsed("mount", _mount)
TMPFS = Parsed("list", _tmpfs)
DETACH_KEYS = Parsed("string", _detach_keys)
DEVICE = Parsed("list", isolation.parse_device)
DEVICE_RULE = Parsed("list", isolation.parse_device_rule)
SYSCTL = Parsed("map", isolation.parse_sysctl)
ID_MAPPING = Parsed("list", isolation.parse_mapping)
USERNS = Parsed("string", isolation.parse_userns, may_be_empty=True)
PID = Parsed("string", isolation.mode("pid", "host"), may_be_empty=True)
IPC = Parsed("string", isolation.mode("ipc", "private", "shareable", "none", "host"))
UTS = Parsed("string", isolation.mode("uts", "host"), may_be_empty=True)
CGROUPNS = Parsed("string", isolation.mode("cgroupns", "host", "private", joins=False))
SHM_SIZE = Parsed("bytes", isolation.parse_shm_size)
SECURITY_OPT = Parsed("list", isolation.parse_security_opt)
