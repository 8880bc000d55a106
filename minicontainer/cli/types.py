"""The parsers of units.py, values.py and others as types of options.

Each is imported when it has something to read: a command gives few of its verb's options.
"""

from __future__ import annotations

from minicontainer.cli.command import BOOLEAN as BOOLEAN
from minicontainer.cli.command import Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _by(module: str, name: str) -> Callable[..., Any]:
    """The function of one of the modules here."""

    def parse(*arguments: Any) -> Any:
        found = __import__(f"minicontainer.cli.{module}", fromlist=[name])
        return getattr(found, name)(*arguments)

    return parse


def _mode(option: str, *known: str, joins: bool = True) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        from minicontainer.cli.isolation import mode

        return mode(option, *known, joins=joins)(text)

    return parse


def _volume(text: str) -> Any:
    import os

    from minicontainer.cli.mounts import parse_volume

    return parse_volume(text, os.getcwd())


def _mount(text: str) -> Any:
    from minicontainer.cli.mounts import parse_mount, require_source

    return require_source(parse_mount(text))


def _entry(text: str) -> str:
    """Checked here for the message; the value is looked up by environment.collect."""
    from minicontainer.cli.environment import parse_entry

    parse_entry(text, {})
    return text


def _cpuset(kind: str) -> Callable[[str], Any]:
    return lambda text: _by("units", "parse_cpuset")(text, _online(kind))


def _online(kind: str) -> str:
    """The processors (cpu) or memory nodes (node) of this host, as a list; "" where it is not known."""
    try:
        with open(f"/sys/devices/system/{kind}/online") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


STRING = Parsed("string", str)
NAME = Parsed("list", str)
FILE = Parsed("list", str)
INTEGER = Parsed("int", _by("values", "parse_integer"))
WEIGHT = Parsed("uint16", _by("values", "parse_integer"))
DEVICE_WEIGHT = Parsed("list", _by("rates", "parse_weight"))
DEVICE_RATE = Parsed("list", _by("rates", "parse_rate"))
DEVICE_COUNT = Parsed("list", _by("rates", "parse_count"))
ADDRESS = Parsed("ip", _by("hosts", "parse_address"))
EXTRA_HOST = Parsed("list", _by("hosts", "parse_extra_host"))
STREAM = Parsed("list", _by("values", "parse_stream"))
PULL = Parsed("string", _by("values", "parse_pull"))
ANNOTATION = Parsed("map", _by("values", "parse_annotation"))
SIZE = Parsed("bytes", _by("units", "parse_size"))
MEMORY = Parsed("bytes", _by("units", "parse_memory"))
SWAP = Parsed("bytes", _by("units", "parse_swap"))
CPUS = Parsed("decimal", _by("units", "parse_cpus"))
CPUSET_CPUS = Parsed("string", _cpuset("cpu"), may_be_empty=True)
CPUSET_MEMS = Parsed("string", _cpuset("node"), may_be_empty=True)
OOM_SCORE = Parsed("int", _by("values", "parse_oom_score"))
DURATION = Parsed("duration", _by("units", "parse_duration"))
NANOSECONDS = Parsed("duration", lambda text: round(_by("units", "parse_duration")(text) * 1e9))
ULIMIT = Parsed("ulimit", _by("values", "parse_ulimit"))
SIGNAL = Parsed("signal", _by("values", "parse_signal"), may_be_empty=True)
RESTART = Parsed("string", _by("values", "parse_restart"))
CONTAINER_NAME = Parsed("string", _by("values", "parse_container_name"), may_be_empty=True)
HOST_NAME = Parsed("string", _by("values", "parse_host_name"), may_be_empty=True)
USER = Parsed("string", _by("values", "parse_user"), may_be_empty=True)
WORKING_DIRECTORY = Parsed("string", _by("values", "parse_working_directory"), may_be_empty=True)
NETWORK = Parsed("network", _by("values", "parse_network"))
PUBLISH = Parsed("list", _by("values", "refuse_publish"))
LABEL = Parsed("list", _by("values", "parse_label"))
LOG_DRIVER = Parsed("string", _by("values", "parse_log_driver"))
LOG_OPT = Parsed("list", _by("values", "parse_log_option"))
FILTER = Parsed("filter", _by("values", "parse_filter"))
ENTRY = Parsed("list", _entry)
VOLUME = Parsed("list", _volume)
MOUNT = Parsed("mount", _mount)
TMPFS = Parsed("list", _by("mounts", "parse_tmpfs"))
DETACH_KEYS = Parsed("string", _by("detach", "parse_keys"))
DEVICE = Parsed("list", _by("isolation", "parse_device"))
DEVICE_RULE = Parsed("list", _by("isolation", "parse_device_rule"))
SYSCTL = Parsed("map", _by("isolation", "parse_sysctl"))
ID_MAPPING = Parsed("list", _by("isolation", "parse_mapping"))
USERNS = Parsed("string", _by("isolation", "parse_userns"), may_be_empty=True)
PID = Parsed("string", _mode("pid", "host"), may_be_empty=True)
IPC = Parsed("string", _mode("ipc", "private", "shareable", "none", "host"))
UTS = Parsed("string", _mode("uts", "host"), may_be_empty=True)
CGROUPNS = Parsed("string", _mode("cgroupns", "host", "private", joins=False))
SHM_SIZE = Parsed("bytes", _by("isolation", "parse_shm_size"))
SECURITY_OPT = Parsed("list", _by("isolation", "parse_security_opt"))
