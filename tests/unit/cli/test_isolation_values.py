"""The values of the isolation flags."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cli import isolation
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/a", ("/dev/a", "/dev/a", "rwm")),
        ("/dev/a:r", ("/dev/a", "/dev/a", "r")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:/dev/b:mr", ("/dev/a", "/dev/b", "mr")),
    ],
)
def test_a_device(text: str, expected: tuple[str, str, str]) -> None:
    assert isolation.parse_device(text) == expected


@pytest.mark.parametrize("text", ["0:1000", "0:1000:1"])
def test_a_mapping_of_one(text: str) -> None:
    assert isolation.parse_mapping(text) == (0, 1000, 1)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((isolation.parse_device, text) for text in
          ("", "dev/a", "/dev/a:x", "/dev/a:/b:rr", "/dev/a:/b:", "/a:/b:r:w", "/a:b:r")),
        *((isolation.parse_device_rule, text) for text in
          ("", "c", "c 1 r", "d 1:2 r", "c 1:2", "c 1:2 x", "c a:1 r", "c -1:1 r", "c  1:2 r")),
        *((isolation.parse_sysctl, text) for text in
          ("", "net.a", "=1", "kernel.pid_max=1", "kernel.hostname=x", "net/../kernel/x=1", "net..a=1")),
        *((isolation.parse_mapping, text) for text in
          ("", "0", "0:1:2:3", "0:1:0", "-1:1:1", "0:4294967295:1", "0:1:99999999999999999999", "a:b:c")),
        *((isolation.parse_userns, text) for text in
          ("x", "auto:", "auto:size", "auto:size=0", "auto:size=x", "keep-id", "container:", "private:x")
          if text != "auto:"),
        (isolation.parse_shm_size, "-1"),
        (isolation.parse_security_opt, "x"),
    ],
)  # fmt: skip
def test_refused(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_names_of_settings_may_be_paths() -> None:
    assert isolation.parse_sysctl("net/ipv4/ip_forward=1") == ("net.ipv4.ip_forward", "1")


@pytest.mark.parametrize(
    "parse",
    [isolation.parse_device, isolation.parse_device_rule, isolation.parse_sysctl, isolation.parse_mapping,
     isolation.parse_userns, isolation.parse_shm_size, isolation.parse_security_opt],
)  # fmt: skip
@given(text=st.text(alphabet="abcnetk019:=,./- *rwmsize\x00é", max_size=24))
def test_any_text_is_a_value_or_refused(parse: Callable[[str], object], text: str) -> None:
    with suppress(UsageError):
        assert parse(text) is not None
