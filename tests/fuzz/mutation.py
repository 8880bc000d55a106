"""Valid documents, and what hypothesis makes of them.

`mutated` draws a number of places in a document and does one thing at each::

    like it         of the same type: at a limit of its range, very long, of strange letters, a part of it
    another value   of any type
    taken out       the key or the item
    renamed         the key
    doubled         the item of an array; the key, once more in other letters
    copied          the value of another place of the same document
"""

from __future__ import annotations

import copy
import json

from hypothesis import strategies as st

from tests.bundles import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NUMBERS = [0, 1, -1, 2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**53, 2**63 - 1,
           2**63, -(2**63), 2**64 - 1, 2**64, 10**30, 0.5, -0.0, 1e308, 1e-308]  # fmt: skip
TEXTS = ["", " ", ".", "..", "../..", "a/b", "a\0b", "\0", "\n", "a\nb c", "%s%n", "{}", "-1", "0", "07",
         "1e9", "ro", "bind", "rbind", "true", "null", "é", "\u202e", "\ud800", "\U0001f600", "x" * 300,
         "y" * 5000, "a=b", "=b", "a", "max", "CAP_ALL", "SCMP_ACT_KILL", "/proc/self/fd/3", "/proc", "/dev",
         "/no/such", "size=1", "mode=9", "c", "0-4096", "0,1", "memory.max", "-"]  # fmt: skip

WAYS = ["like", "like", "like", "like", "value", "take", "rename", "double", "copy"]

texts = st.sampled_from(TEXTS) | st.text(max_size=12).map(lambda text: text.replace("/", "-"))
leaves = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.integers() | texts
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

SECCOMP: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
        {
            "names": ["personality"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 8, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}],
        },
    ],
}
RESOURCES: dict[str, Any] = {
    "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3}],
    "memory": {"limit": 1 << 28, "reservation": 1 << 27},
    "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0"},
    "pids": {"limit": 100},
    "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1 << 20}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 1 << 21}],
    "network": {"classID": 1, "priorities": [{"name": "lo", "priority": 1}]},
    "unified": {"pids.max": "99"},
}
PROCESS: dict[str, Any] = {
    "terminal": False,
    "user": {"uid": 0, "gid": 0, "umask": 18, "additionalGids": [3]},
    "args": ["/bin/true", "x"],
    "env": ["PATH=/bin", "A=b"],
    "cwd": "/",
    "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"],
                     "inheritable": [], "ambient": []},
    "rlimits": [{"type": "RLIMIT_CORE", "soft": 10, "hard": 20}],
    "noNewPrivileges": True,
    "oomScoreAdj": 100,
    "consoleSize": {"height": 10, "width": 20},
    "scheduler": {"policy": "SCHED_BATCH", "nice": 1},
    "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
}  # fmt: skip


def full_config() -> dict[str, Any]:
    """A config.json with something in every part of it."""
    found = config("/bin/true")
    found["process"] = copy.deepcopy(PROCESS)
    found["mounts"] += [
        {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=64k"],
         "uidMappings": [], "gidMappings": []},
        {"destination": "/etc/hosts", "type": "bind", "source": "config.json", "options": ["bind", "ro"]},
    ]  # fmt: skip
    found["annotations"] = {"org.example.key": "value"}
    hook = {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}
    found["hooks"] = {"createRuntime": [hook]}
    found["linux"] |= {
        "devices": [
            {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 438, "uid": 0},
        ],
        "maskedPaths": ["/proc/kcore", "/etc/passwd"],
        "readonlyPaths": ["/proc/sys"],
        "sysctl": {"net.ipv4.ip_default_ttl": "33"},
        "rootfsPropagation": "private",
        "seccomp": copy.deepcopy(SECCOMP),
        "resources": {"devices": RESOURCES["devices"]},
        "personality": {"domain": "LINUX"},
    }  # fmt: skip
    return found


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value in ``value``, its own last."""
    inner: list[tuple[str | int, ...]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        inner += places(item, (*path, key))
    return [*inner, path]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def like(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same type: those get further than others."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.sampled_from([number for number in NUMBERS if isinstance(number, int)]) | st.integers(0, 10)
    if isinstance(value, str):
        spoiled = [
            value[:-1], value + "x", value + "/", value + "\0", f"/{value}", f" {value}", f"{value},{value}",
            f"{value}/..", value.upper(), value.replace("=", "=-"), value.replace("/", "//"),
        ]  # fmt: skip
        return st.sampled_from([text for text in spoiled if text != value]) | texts
    if isinstance(value, list):
        return st.lists(st.sampled_from(value), max_size=4) if value else st.lists(texts, max_size=2)
    return st.dictionaries(texts, leaves, max_size=2)


@st.composite
def mutated(draw: Callable[[Any], Any], document: Any, most: int = 3) -> Any:
    """``document`` with one to ``most`` mutations."""
    found = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        known = [path for path in places(found) if path]
        if not known:
            return found
        *parents, key = draw(st.sampled_from(known))
        parent = at(found, tuple(parents))
        how = draw(
            st.sampled_from(["like", "like", "like", "like", "value", "take", "rename", "double", "copy"])
        )
        if how == "like":
            parent[key] = draw(like(parent[key]))
        elif how == "value":
            parent[key] = draw(values)
        elif how == "copy":
            parent[key] = copy.deepcopy(at(found, draw(st.sampled_from(known))))
        elif how == "take":
            del parent[key]
        elif isinstance(parent, list):
            parent.insert(int(key), copy.deepcopy(parent[int(key)]))
        elif how == "rename":
            parent[draw(texts)] = parent.pop(key)
        else:
            parent[str(key).upper()] = parent[key]
    return found


def text_of(document: Any) -> bytes:
    """As JSON, with what JSON has no word for as its escape."""
    return json.dumps(document).encode()
