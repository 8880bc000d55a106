"""criu's messages, its log, and where it is looked for."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import CorruptData, MinicontainerError, Unsupported
from minicontainer.libcontainer import criu
from tests.kernel.linux.child import children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

LOG = """(00.000025) Version: 3.17.1 (gitid 0)
(00.022166) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted
(00.050455) cg:  `- New css ID 2
(00.060000) Error (criu/a.c:1): a
(00.060001) Error (criu/b.c:2): b: c
(00.060002)   1: Error (criu/c.c:3): d
"""


# Those of protobuf.dev/programming-guides/encoding, and what a C program makes of images/rpc.proto.
@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("images_dir_fd", 150, "08 96 01"),
        ("pid", 0, "10 00"),
        ("leave_running", True, "18 01"),
        ("images_dir_fd", -1, "08 ff ff ff ff ff ff ff ff ff 01"),
        ("log_file", "testing", "52 07 74 65 73 74 69 6e 67"),
        ("ext_mnt", [("/a", "/"), ("/c", "")], "ba 01 07 0a 02 2f 61 12 01 2f ba 01 06 0a 02 2f 63 12 00"),
        ("inherit_fd", [("k", 3)], "da 01 05 0a 01 6b 10 03"),
        ("external", [], ""),
    ],
)  # fmt: skip
def test_encoding(name: str, value: Any, data: str) -> None:
    assert criu.encode(criu.OPTIONS, {name: value}) == bytes.fromhex(data)


def test_decoding() -> None:
    # A notification: type 6, success, { "post-restore", pid 300 }.
    data = bytes.fromhex("08 06 10 01 2a 11 0a 0c") + b"post-restore" + bytes.fromhex("10 ac 02")
    answer = criu.decode(data)
    assert (answer[1], answer[2]) == ([6], [1])
    [inner] = answer[5]
    assert isinstance(inner, bytes)
    assert criu.decode(inner) == {1: [b"post-restore"], 2: [300]}


def test_what_is_encoded_is_decoded() -> None:
    values = {"pid": 2**31 - 1, "log_file": "x" * 300, "cg_root": [("cpu", "/é")], "external": ["a", "b"]}
    found = criu.decode(criu.encode(criu.OPTIONS, values))
    assert (found[2], found[10], found[37]) == ([2**31 - 1], [b"x" * 300], [b"a", b"b"])
    assert found[25] == [b"\x0a\x03cpu\x12\x03/\xc3\xa9"]


@pytest.mark.parametrize("data", ["08", "0a 05 61", "0d 00 00 00 00", "08 " + "ff " * 11])
def test_an_answer_that_is_cut_short(data: str) -> None:
    with pytest.raises(CorruptData):
        criu.decode(bytes.fromhex(data))


def test_the_last_errors_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "dump.log"
    assert criu.last_errors(str(path)) == []
    path.write_text(LOG)
    assert criu.last_errors(str(path)) == ["a", "b: c", "d"]


def test_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "criu"
    path.write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(criu, "SBIN", ())
    with pytest.raises(Unsupported, match="'criu' is not installed"):
        criu.find("criu")
    path.chmod(0o755)
    assert criu.find("criu") == str(path)
    monkeypatch.chdir(tmp_path)
    assert criu.find("./criu") == str(path)
    with pytest.raises(Unsupported, match="'/no/criu' is not installed"):
        criu.find("/no/criu")


def test_a_program_that_is_not_criu() -> None:
    """It ends without an answer: no traceback, no wait, and no child left."""
    before = children()
    request = criu.Request(criu.DUMP, {"pid": os.getpid()}, "/no/log")
    with pytest.raises(MinicontainerError, match="criu dump failed: no reason given"):
        request.run("/bin/true")
    with pytest.raises(MinicontainerError, match="criu feature check failed"):
        criu.Request(criu.FEATURE_CHECK, {"mem_track": True}).missing("/bin/true")
    assert children() == before


def test_a_program_that_cannot_be_run() -> None:
    with pytest.raises(OSError, match="No such file"):
        criu.Request(criu.DUMP, {}, "").run("/no/such/criu")
