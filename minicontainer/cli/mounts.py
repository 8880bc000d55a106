"""``-v``, ``--mount`` and ``--tmpfs``: three ways to ask for a mount.

==============================================  ==================================================
``-v SOURCE:TARGET[:OPTIONS]``                  a host folder or file; the engine makes a missing
                                                source folder, as Docker does
``--mount type=bind,src=...,dst=...,readonly``  the same in words; a missing source is an error
``--tmpfs TARGET[:OPTIONS]``, ``type=tmpfs``    an empty file system in memory
==============================================  ==================================================

The result is the engine's `Bind`, with OCI options (runtime-spec, config.md, "Mounts").
"""

from __future__ import annotations

import os
import posixpath

from minicontainer.cli.units import parse_size
from minicontainer.cli.values import is_name
from minicontainer.engine.records import Bind
from minicontainer.errors import NotFound, Unsupported, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")

_SELINUX = "/sys/fs/selinux/enforce"
_TMPFS_FLAGS = frozenset(
    [
        "rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync", "async", "atime",
        "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
    ]
)  # fmt: skip
_TMPFS_VALUES = frozenset(["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"])
_KEYS = {
    "type": "type", "source": "source", "src": "source", "target": "target", "dst": "target",
    "destination": "target", "readonly": "readonly", "ro": "readonly",
    "bind-propagation": "bind-propagation", "bind-nonrecursive": "bind-nonrecursive",
    "bind-recursive": "bind-recursive",
    "consistency": "consistency", "tmpfs-size": "tmpfs-size", "tmpfs-mode": "tmpfs-mode",
}  # fmt: skip


def parse_volume(text: str, folder: str) -> Bind:
    """``-v``.  A relative source, which begins with a dot, is below ``folder``.

    Raises UsageError; Unsupported for a volume's name.
    """
    if not text:
        raise UsageError("invalid empty volume spec")
    parts = text.split(":")
    if "" in parts:
        raise UsageError(f"invalid spec: {text}: empty section between colons")
    if len(parts) == 1:
        raise Unsupported(f"-v {text}: volumes without a source come in later work; give SOURCE:TARGET")
    if len(parts) > 3:
        raise UsageError(f"invalid volume specification: '{text}'")
    source, target = _host_path(parts[0], folder), _target(parts[1])
    return Bind("bind", target, source, _volume_options(parts[2] if len(parts) == 3 else ""))


def _host_path(source: str, folder: str) -> str:
    if source.startswith(("/", ".")):
        return posixpath.normpath(posixpath.join(folder, source))
    if is_name(source):
        raise Unsupported(f"-v {source}: named volumes come in later work; ./{source} is a folder here")
    raise UsageError(f"-v {source}: neither a path, which begins with / or a dot, nor a volume's name")


def _target(target: str) -> str:
    if not target.startswith("/"):
        raise UsageError(f"invalid mount path: '{target}' mount path must be absolute")
    normal = "/" + posixpath.normpath(target).lstrip("/")
    if normal == "/":
        raise UsageError("invalid specification: destination can't be '/'")
    return normal


def _volume_options(text: str) -> list[str]:
    access: list[str] = []
    propagation: list[str] = []
    others: list[str] = []
    for option in text.split(",") if text else []:
        if option in ("ro", "rw"):
            access.append(option)
        elif option in PROPAGATIONS:
            propagation.append(option)
        elif option in ("z", "Z"):
            _check_label(option)
            others.append("z")
        elif option == "idmap":
            others.append(option)
        elif option in ("consistent", "cached", "delegated"):
            others.append("consistency")  # of Docker Desktop's shared folders; nothing to do on Linux
        else:
            raise UsageError(f"invalid mode: {text}")
    if len(access) > 1 or len(propagation) > 1 or len(set(others)) < len(others):
        raise UsageError(f"invalid mode: {text}")
    mapped = ["idmap"] if "idmap" in others else []
    return ["rbind", *(propagation or ["rprivate"]), *(access or ["rw"]), *mapped]


def _check_label(option: str) -> None:
    """Without SELinux there is nothing to relabel, and Docker ignores the option too."""
    if os.path.exists(_SELINUX):
        raise Unsupported(f"-v with {option}: relabelling for SELinux comes in later work; use chcon(1)")


def parse_mount(text: str) -> Bind:
    """``--mount``.  Raises UsageError; Unsupported for volumes."""
    fields = _fields(text)
    kind = fields.get("type", "volume").lower()
    if kind in ("volume", "image", "cluster", "npipe"):
        raise Unsupported(f"--mount type={kind} comes in later work; there are type=bind and type=tmpfs")
    if kind not in ("bind", "tmpfs"):
        raise UsageError(f"unknown mount type {kind!r}: there are bind and tmpfs")
    if "target" not in fields:
        raise UsageError("target is required")
    for prefix in {"bind", "tmpfs"} - {kind}:
        if any(key.startswith(f"{prefix}-") for key in fields):
            raise UsageError(f"cannot mix '{prefix}-*' options with mount type '{kind}'")
    return _bind_mount(fields) if kind == "bind" else _tmpfs_mount(fields)


def _fields(text: str) -> dict[str, str]:
    """The fields by their main name; a bare ``readonly`` is true."""
    fields: dict[str, str] = {}
    for part in _commas(text):
        key, equals, value = part.partition("=")
        name = _KEYS.get(key.strip().lower())
        if name is None and key.lower().startswith("volume-"):
            raise Unsupported(f"--mount {key}: volumes come in later work")
        if name is None:
            wrong = f"unexpected key '{key}' in '{part}'"
            raise UsageError(wrong if equals else f"invalid field '{part}' must be a key=value pair")
        if not equals:
            if name not in ("readonly", "bind-nonrecursive"):
                raise UsageError(f"invalid field '{part}' must be a key=value pair")
            value = "true"
        fields[name] = value
    return fields


def _commas(text: str) -> list[str]:
    """A line of CSV: a field in quotes may contain commas."""
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise UsageError(f"not comma-separated: {error}") from None


def _boolean(fields: dict[str, str], name: str) -> bool:
    value = fields.get(name, "false").lower()
    if value not in ("true", "1", "t", "false", "0", "f"):
        raise UsageError(f"invalid value for {name}: {fields[name]}")
    return value in ("true", "1", "t")


def _bind_mount(fields: dict[str, str]) -> Bind:
    source = fields.get("source", "")
    if not source.startswith("/"):
        raise UsageError(f"invalid mount path: '{source}' mount path must be absolute")
    propagation = fields.get("bind-propagation", "rprivate")
    if propagation not in PROPAGATIONS:
        raise UsageError(f"invalid propagation mode: {propagation}")
    access = ["ro"] if _boolean(fields, "readonly") else ["rw"]
    recursive = fields.get("bind-recursive", "enabled").lower()
    kind = "bind" if recursive == "disabled" or _boolean(fields, "bind-nonrecursive") else "rbind"
    _check_recursive(recursive, access[0], propagation)
    if recursive == "readonly":
        access.append("rro")
    return Bind("bind", _target(fields["target"]), posixpath.normpath(source), [kind, propagation, *access])


def _check_recursive(recursive: str, access: str, propagation: str) -> None:
    """``disabled``: without what is mounted below; ``readonly`` and ``writable``: what that becomes."""
    if recursive not in ("enabled", "disabled", "writable", "readonly"):
        raise UsageError(
            f"invalid value for bind-recursive: {recursive} "
            '(must be "enabled", "disabled", "writable", or "readonly")'
        )
    needed = "" if recursive not in ("writable", "readonly") or access == "ro" else "readonly"
    if recursive == "readonly" and propagation != "rprivate":
        needed = needed or "bind-propagation=rprivate"
    if needed:
        raise UsageError(
            f"option 'bind-recursive={recursive}' requires '{needed}' to be specified in conjunction"
        )


def _tmpfs_mount(fields: dict[str, str]) -> Bind:
    if "source" in fields:
        raise UsageError('invalid mount config for type "tmpfs": field Source must not be specified')
    options = []
    if "tmpfs-size" in fields:
        try:
            options.append(f"size={parse_size(fields['tmpfs-size'])}")
        except UsageError:
            raise UsageError(f"invalid value for tmpfs-size: {fields['tmpfs-size']}") from None
    if "tmpfs-mode" in fields:
        options.append(f"mode={_octal(fields['tmpfs-mode'])}")
    if _boolean(fields, "readonly"):
        options.append("ro")
    return Bind("tmpfs", _target(fields["target"]), "", options)


def _octal(text: str) -> str:
    digits = text.removeprefix("0o").lstrip("0") or "0"
    if not set(digits) <= set("01234567") or len(digits) > 4:
        raise UsageError(f"invalid value for tmpfs-mode: {text}")
    return f"0{digits}"


def parse_tmpfs(text: str) -> Bind:
    """``--tmpfs``; options are tmpfs(5)'s and mount(8)'s.  Raises UsageError."""
    target, _, given = text.partition(":")
    options = given.split(",") if given else []
    wrong = [o for o in options if o not in _TMPFS_FLAGS and o.partition("=")[0] not in _TMPFS_VALUES]
    if wrong:
        raise UsageError(f"invalid tmpfs option {', '.join(map(repr, wrong))}")
    return Bind("tmpfs", _target(target), "", options)


def require_source(bind: Bind) -> Bind:
    """What ``--mount`` asks of a source.  Raises NotFound."""
    if bind.type == "bind" and not os.path.lexists(bind.source):
        raise NotFound(f"invalid mount config: bind source path does not exist: {bind.source}")
    return bind


def check_targets(binds: Iterable[Bind]) -> None:
    """No target twice.  Raises UsageError."""
    seen: set[str] = set()
    for bind in binds:
        if bind.target in seen:
            raise UsageError(f"Duplicate mount point: {bind.target}")
        seen.add(bind.target)
