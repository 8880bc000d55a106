"""-v, --mount, --tmpfs, -e and --env-file."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cli import environment, mounts
from minicontainer.engine.records import Bind
from minicontainer.errors import MinicontainerError, NotFound, Unsupported, UsageError


@pytest.mark.parametrize(
    ("text", "source", "target", "options"),
    [
        ("/a:/b", "/a", "/b", ["rbind", "rprivate", "rw"]),
        ("/a:/b:ro", "/a", "/b", ["rbind", "rprivate", "ro"]),
        ("/a/../c/:/b//d/", "/c", "/b/d", ["rbind", "rprivate", "rw"]),
        ("./x:/b", "/here/x", "/b", ["rbind", "rprivate", "rw"]),
        (".:/b:ro,rshared", "/here", "/b", ["rbind", "rshared", "ro"]),
        ("../x:/b:cached", "/x", "/b", ["rbind", "rprivate", "rw"]),
        ("/a://b", "/a", "/b", ["rbind", "rprivate", "rw"]),
    ],
)
def test_volumes(text: str, source: str, target: str, options: list[str]) -> None:
    assert mounts.parse_volume(text, "/here") == Bind("bind", target, source, options)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", UsageError, "invalid empty volume spec"),
        (":/b", UsageError, "empty section between colons"),
        ("/a:", UsageError, "empty section between colons"),
        ("/a:/b:", UsageError, "empty section between colons"),
        ("/a:b", UsageError, "mount path must be absolute"),
        ("/a:/", UsageError, "destination can't be '/'"),
        ("/a:/..", UsageError, "destination can't be '/'"),
        ("/a:/b:zz", UsageError, "invalid mode: zz"),
        ("/a:/b:ro,rw", UsageError, "invalid mode: ro,rw"),
        ("/a:/b:shared,slave", UsageError, "invalid mode"),
        ("/a:/b:ro:x", UsageError, "invalid volume specification"),
        ("a/b:/c", UsageError, "neither a path"),
        ("data:/c", Unsupported, "named volumes come in later work"),
        ("/c", Unsupported, "later work"),
    ],
)
def test_wrong_volumes(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mounts.parse_volume(text, "/here")


def test_relabelling_is_refused_only_where_there_are_labels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setattr(mounts, "_SELINUX", os.path.join(tmp_path, "absent"))
    assert mounts.parse_volume("/a:/b:z", "/").options == ["rbind", "rprivate", "rw"]
    monkeypatch.setattr(mounts, "_SELINUX", str(tmp_path))
    with pytest.raises(Unsupported, match="SELinux"):
        mounts.parse_volume("/a:/b:Z", "/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=bind,src=/a,dst=/b", Bind("bind", "/b", "/a", ["rbind", "rprivate", "rw"])),
        ("type=bind,source=/a,target=/b,readonly", Bind("bind", "/b", "/a", ["rbind", "rprivate", "ro"])),
        ("type=bind,src=/a,dst=/b,ro=true", Bind("bind", "/b", "/a", ["rbind", "rprivate", "ro"])),
        ("type=bind,src=/a,dst=/b,readonly=0", Bind("bind", "/b", "/a", ["rbind", "rprivate", "rw"])),
        (
            "type=bind,src=/a,destination=/b,bind-propagation=rslave,bind-nonrecursive",
            Bind("bind", "/b", "/a", ["bind", "rslave", "rw"]),
        ),
        ("type=BIND,Src=/a,Dst=/b", Bind("bind", "/b", "/a", ["rbind", "rprivate", "rw"])),
        (
            "type=bind,src=/a,dst=/b,bind-recursive=disabled",
            Bind("bind", "/b", "/a", ["bind", "rprivate", "rw"]),
        ),
        (
            "type=bind,src=/a,dst=/b,bind-recursive=writable,readonly",
            Bind("bind", "/b", "/a", ["rbind", "rprivate", "ro"]),
        ),
        (
            "type=bind,src=/a,dst=/b,bind-recursive=readonly,readonly",
            Bind("bind", "/b", "/a", ["rbind", "rprivate", "ro", "rro"]),
        ),
        ('type=bind,"src=/a,b",dst=/c', Bind("bind", "/c", "/a,b", ["rbind", "rprivate", "rw"])),
        ("type=tmpfs,dst=/b", Bind("tmpfs", "/b", "", [])),
        (
            "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1777,readonly",
            Bind("tmpfs", "/b", "", ["size=1048576", "mode=01777", "ro"]),
        ),
        ("type=tmpfs,dst=/b,tmpfs-mode=0700", Bind("tmpfs", "/b", "", ["mode=0700"])),
    ],
)
def test_mounts(text: str, expected: Bind) -> None:
    assert mounts.parse_mount(text) == expected


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("foo", UsageError, "invalid field 'foo' must be a key=value pair"),
        ("foo=bar", UsageError, "unexpected key 'foo' in 'foo=bar'"),
        ("type=bind", UsageError, "target is required"),
        ("type=foo,dst=/b", UsageError, "unknown mount type 'foo'"),
        ("type=bind,src=/a,dst=b", UsageError, "'b' mount path must be absolute"),
        ("type=bind,src=a,dst=/b", UsageError, "'a' mount path must be absolute"),
        ("type=bind,dst=/b", UsageError, "mount path must be absolute"),
        ("type=bind,src=/a,dst=/b,tmpfs-size=1m", UsageError, r"cannot mix 'tmpfs-\*' options"),
        ("type=tmpfs,dst=/b,bind-propagation=shared", UsageError, r"cannot mix 'bind-\*' options"),
        ("type=tmpfs,src=/a,dst=/b", UsageError, "field Source must not be specified"),
        ("type=tmpfs,dst=/b,tmpfs-size=1z", UsageError, "invalid value for tmpfs-size: 1z"),
        ("type=tmpfs,dst=/b,tmpfs-mode=9", UsageError, "invalid value for tmpfs-mode: 9"),
        ("type=tmpfs,dst=/b,tmpfs-mode=77777", UsageError, "invalid value for tmpfs-mode"),
        ("type=bind,src=/a,dst=/b,bind-propagation=foo", UsageError, "invalid propagation mode: foo"),
        ("type=bind,src=/a,dst=/b,readonly=foo", UsageError, "invalid value for readonly: foo"),
        ("type=bind,src=/a,dst=/b,bind-recursive=foo", UsageError, "invalid value for bind-recursive: foo"),
        ("type=bind,src=/a,dst=/b,bind-recursive=readonly", UsageError, "requires 'readonly'"),
        ("type=bind,src=/a,dst=/b,bind-recursive=writable", UsageError, "requires 'readonly'"),
        (
            "type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rslave",
            UsageError,
            "requires 'bind-propagation=rprivate'",
        ),
        ("type=bind,src,dst=/b", UsageError, "must be a key=value pair"),
        ('type=bind,"src=/a', UsageError, "not comma-separated"),
        ("dst=/b", Unsupported, "type=volume comes in later work"),
        ("type=volume,src=data,dst=/b", Unsupported, "later work"),
        ("type=bind,volume-nocopy,dst=/b", Unsupported, "later work"),
    ],
)
def test_wrong_mounts(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mounts.parse_mount(text)


def test_tmpfs() -> None:
    assert mounts.parse_tmpfs("/run") == Bind("tmpfs", "/run", "", [])
    assert mounts.parse_tmpfs("/run:rw,exec,size=64m,mode=1770").options == [
        "rw", "exec", "size=64m", "mode=1770",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="mount path must be absolute"):
        mounts.parse_tmpfs("run")
    with pytest.raises(UsageError, match="invalid tmpfs option 'bar'"):
        mounts.parse_tmpfs("/run:bar,ro")


def test_a_source_must_exist_where_it_is_asked_for(tmp_path: os.PathLike[str]) -> None:
    there = Bind("bind", "/b", str(tmp_path), [])
    assert mounts.require_source(there) is there
    with pytest.raises(NotFound, match="bind source path does not exist"):
        mounts.require_source(Bind("bind", "/b", os.path.join(tmp_path, "x"), []))


def test_a_target_is_mounted_once() -> None:
    once = Bind("tmpfs", "/a")
    mounts.check_targets([once, Bind("tmpfs", "/b")])
    with pytest.raises(UsageError, match="Duplicate mount point: /a"):
        mounts.check_targets([once, Bind("bind", "/a", "/x")])


@given(st.text('ab/:.,="ro', max_size=15))
@pytest.mark.parametrize("kind", ["volume", "mount", "tmpfs"])
def test_any_text_is_a_mount_or_an_error(kind: str, text: str) -> None:
    try:
        if kind == "volume":
            bind = mounts.parse_volume(text, "/here")
        else:
            bind = mounts.parse_mount(text) if kind == "mount" else mounts.parse_tmpfs(text)
    except MinicontainerError as error:
        assert str(error)  # noqa: PT017 (either is fine)
    else:
        assert bind.target.startswith("/")
        assert ".." not in bind.target.split("/")


def write(folder: os.PathLike[str], data: bytes) -> str:
    path = os.path.join(folder, "env")
    with open(path, "wb") as file:
        file.write(data)
    return path


def test_an_environment_file(tmp_path: os.PathLike[str]) -> None:
    path = write(tmp_path, b'\xef\xbb\xbf # note\n\nHOME\nGONE\nB= "1" # x\n  D=2\r\nE=\xc3\xa9\nF==\n')
    own = {"HOME": "/root"}
    assert environment.read_file(path, own) == ["HOME=/root", 'B= "1" # x', "D=2", "E=é", "F=="]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"A B=1\n", "line 1: variable 'A B' contains whitespaces"),
        (b"X=1\nA \n", "line 2: variable 'A ' contains whitespaces"),
        (b"=1\n", "no variable name on line '=1'"),
        (b"X=1\n\xff=1\n", "line 2: not UTF-8"),
        (b"A=\0\n", "invalid environment variable"),
    ],
)
def test_a_wrong_environment_file_names_the_line(
    tmp_path: os.PathLike[str], data: bytes, message: str
) -> None:
    path = write(tmp_path, data)
    with pytest.raises(UsageError, match=message) as caught:
        environment.read_file(path, {})
    assert str(caught.value).startswith(f"invalid env file ({path})")


def test_flags_win_over_files_and_the_last_wins(tmp_path: os.PathLike[str]) -> None:
    path = write(tmp_path, b"A=file\nB=file\n")
    given = ["A=1", "C", "A=2", "GONE"]
    assert environment.collect(given, [path], {"C": "own"}) == ["A=2", "B=file", "C=own"]


@pytest.mark.parametrize("text", ["", "=", "=x", "A=\0"])
def test_wrong_entries(text: str) -> None:
    with pytest.raises(UsageError, match="invalid environment variable"):
        environment.parse_entry(text, {})


def test_a_missing_environment_file_is_the_kernels_error(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(FileNotFoundError):
        environment.collect([], [os.path.join(tmp_path, "absent")])
