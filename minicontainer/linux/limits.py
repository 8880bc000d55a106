"""getrlimit(2), setrlimit(2): limits of one process and its future children."""

from __future__ import annotations

import resource

from minicontainer.linux.door import step

# The specification's and getrlimit(2)'s names; ulimit(1)'s are these without RLIMIT_, in lower case.
RLIMITS = {name: value for name, value in vars(resource).items() if name.startswith("RLIMIT_")}
RLIM_INFINITY = resource.RLIM_INFINITY


def _shown(value: int) -> str:
    return "unlimited" if value == RLIM_INFINITY else str(value)


@step(
    "setrlimit(2)",
    why="limit what this process may use",
    shell=lambda a: f"prlimit --pid $$ --{a['name'][7:].lower()}={_shown(a['soft'])}:{_shown(a['hard'])}",
    show={"soft": _shown, "hard": _shown},
    watch=lambda a: [("limits", a["name"])],
)
def setrlimit(name: str, soft: int, hard: int) -> None:
    """``name`` as ``RLIMIT_NOFILE``.  EPERM: raising the hard limit needs CAP_SYS_RESOURCE."""
    try:
        resource.setrlimit(RLIMITS[name], (soft, hard))
    except ValueError as error:
        # Python turns EPERM and EINVAL into ValueError, with the kernel's reason as text only.
        import errno

        code = errno.EPERM if "not allowed" in str(error) else errno.EINVAL
        raise OSError(code, str(error), name) from None


def getrlimit(name: str) -> tuple[int, int]:
    """(soft, hard); RLIM_INFINITY is -1."""
    return resource.getrlimit(RLIMITS[name])
