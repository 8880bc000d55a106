"""v1 devices controller (Documentation/admin-guide/cgroup-v1/devices.rst).

A group has one default, set by writing ``a`` to devices.allow or devices.deny, and exceptions to
it, each a line such as ``c 1:3 rwm``.  A group can never allow what the one above it denies: EPERM.
"""

from __future__ import annotations

from minicontainer.cgroups.devices import exceptions, letters
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.devices import Policy

FILES = {True: "devices.allow", False: "devices.deny"}


def apply(folder: str, policy: Policy) -> None:
    """Set the default, then the exceptions."""
    wanted = exceptions(policy)
    because("no device is allowed but those named next" if not policy.default_allow else "every device")
    write_control(f"{folder}/{FILES[policy.default_allow]}", "a")
    for rule in wanted:
        major, minor = ("*" if number is None else number for number in (rule.major, rule.minor))
        because("an exception to the default")
        write_control(f"{folder}/{FILES[rule.allow]}", f"{rule.kind} {major}:{minor} {letters(rule.access)}")
