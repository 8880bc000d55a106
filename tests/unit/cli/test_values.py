"""Sizes, durations and the other values of options."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cli import units, values
from minicontainer.engine.records import Ulimit
from minicontainer.errors import MinicontainerError, NotFound, Unsupported, UsageError

Parse = Callable[[str], object]


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (units.parse_size, "0", 0),
        (units.parse_size, "10", 10),
        (units.parse_size, "10b", 10),
        (units.parse_size, "64k", 64 << 10),
        (units.parse_size, "512M", 512 << 20),
        (units.parse_size, "512MiB", 512 << 20),
        (units.parse_size, "1.5g", 3 << 29),
        (units.parse_size, "1 GB", 1 << 30),
        (units.parse_size, ".5t", 1 << 39),
        (units.parse_memory, "6m", 6 << 20),
        (units.parse_memory, "0", 0),
        (units.parse_swap, "-1", -1),
        (units.parse_swap, "1g", 1 << 30),
        (units.parse_cpuset, "0", "0"),
        (units.parse_cpuset, "0-1,3", "0-1,3"),
        (units.parse_duration, "0", 0.0),
        (units.parse_duration, "1h30m", 5400.0),
        (units.parse_duration, "1.5s", 1.5),
        (units.parse_duration, "300ms", 0.3),
        (units.parse_duration, "2us", 2e-6),
        (units.parse_duration, "-1m", -60.0),
        (values.parse_integer, "-5", -5),
        (values.parse_restart, "", ("no", 0)),
        (values.parse_restart, "no", ("no", 0)),
        (values.parse_restart, "always", ("always", 0)),
        (values.parse_restart, "unless-stopped", ("unless-stopped", 0)),
        (values.parse_restart, "on-failure", ("on-failure", 0)),
        (values.parse_restart, "on-failure:3", ("on-failure", 3)),
        (values.parse_signal, "15", 15),
        (values.parse_signal, "TERM", signal.SIGTERM),
        (values.parse_signal, "sigkill", signal.SIGKILL),
        (values.parse_signal, "RTMIN+1", signal.SIGRTMIN + 1),
        (values.parse_signal, "RTMIN", signal.SIGRTMIN),
        (values.parse_container_name, "web-1_a.b", "web-1_a.b"),
        (values.parse_container_name, "/web", "web"),
        (values.parse_host_name, "web.example-1", "web.example-1"),
        (values.parse_user, "0:0", "0:0"),
        (values.parse_user, "www-data", "www-data"),
        (values.parse_user, ":33", ":33"),
        (lambda text: units.parse_cpuset(text, "0-1,4-7"), "5,0-1", "5,0-1"),
        (values.parse_working_directory, "/a b", "/a b"),
        (values.parse_network, "none", "none"),
        (values.parse_network, "default", "bridge"),
        (values.parse_label, "a=b=c", ("a", "b=c")),
        (values.parse_label, "a", ("a", "")),
        (values.parse_filter, "Status=running", ("status", "running")),
        (values.parse_filter, "label=a=b", ("label", "a=b")),
    ],
)
def test_values(parse: Parse, text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (units.parse_size, "", "invalid size: ''"),
        (units.parse_size, "-1", "invalid size: '-1'"),
        (units.parse_size, "m", "invalid size: 'm'"),
        (units.parse_size, "5z", "invalid suffix: 'z'"),
        (units.parse_size, "5mm", "invalid suffix: 'mm'"),
        (units.parse_size, "5bb", "invalid suffix: 'bb'"),
        (units.parse_size, "1.5.5", "invalid size: '1.5.5'"),
        (units.parse_size, "٣", "invalid size"),
        (units.parse_size, "inf", "invalid size"),
        (units.parse_memory, "5m", "Minimum memory limit allowed is 6MB"),
        (units.parse_cpuset, "", "Invalid value"),
        (units.parse_cpuset, "x", "Invalid value x for cpuset"),
        (units.parse_cpuset, "1-0", "invalid format: 1-0"),
        (units.parse_cpuset, "0,,1", "Invalid value"),
        (units.parse_duration, "", "invalid duration"),
        (units.parse_duration, "10", "invalid duration"),
        (units.parse_duration, "1x", "invalid duration"),
        (units.parse_duration, "--1s", "invalid duration"),
        (units.parse_duration, "s", "invalid duration"),
        (values.parse_integer, "x", "not a whole number"),
        (values.parse_integer, "1.5", "not a whole number"),
        (values.parse_signal, "FOO", "Invalid signal: FOO"),
        (values.parse_signal, "0", "Invalid signal: 0"),
        (values.parse_signal, "65", "Invalid signal: 65"),
        (values.parse_signal, "TERM+1", "Invalid signal"),
        (values.parse_signal, "RTMIN+99", "Invalid signal"),
        (values.parse_signal, "_DFL", "Invalid signal"),
        (values.parse_container_name, "_x", r"Invalid container name \(_x\), only \[a-zA-Z0-9\]"),
        (values.parse_container_name, "x", "Invalid container name"),
        (values.parse_container_name, "a/b", "Invalid container name"),
        (values.parse_container_name, "é1", "Invalid container name"),
        (values.parse_container_name, "", "Invalid container name"),
        (values.parse_host_name, "a b", "invalid host name"),
        (values.parse_host_name, "-a", "invalid host name"),
        (values.parse_host_name, "", "invalid host name"),
        (values.parse_host_name, "a" * 65, "longer than 64"),
        (values.parse_user, "a:b:c", "invalid user"),
        (values.parse_oom_score, "1001", "range for oom score"),
        (lambda text: units.parse_cpuset(text, "0-1,4"), "1-2", "not available: there are 0-1,4"),
        (values.parse_working_directory, "foo", "needs to be an absolute path"),
        (values.parse_label, "=x", "empty name"),
        (values.parse_label, "", "empty name"),
        (values.parse_filter, "a", "bad format of filter"),
    ],
)
def test_wrong_values(parse: Parse, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_what_is_not_there_yet_says_so_in_one_line() -> None:
    with pytest.raises(Unsupported, match="later work"):
        values.refuse_publish("80:80")
    with pytest.raises(Unsupported, match="later work"):
        values.parse_network("container:web")
    with pytest.raises(NotFound, match="network blue not found"):
        values.parse_network("blue")


@pytest.mark.parametrize(
    ("text", "nano"), [("1.5", 1_500_000_000), ("0.01", 10**7), ("2", 2 * 10**9), ("0", 0), (".5", 5 * 10**8)]
)
def test_cpus(text: str, nano: int) -> None:
    assert units.parse_cpus(text, available=2) == nano


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "failed to parse x as a rational number"),
        ("", "failed to parse"),
        ("1.0000000001", "too precise"),
        ("-1", "Range of CPUs is from 0.01 to 2.00"),
        ("0.001", "Range of CPUs"),
        ("3", "only 2 CPUs available"),
    ],
)
def test_wrong_cpus(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        units.parse_cpus(text, available=2)


@pytest.mark.parametrize(
    ("text", "soft", "hard"),
    [("nofile=1024:2048", 1024, 2048), ("nofile=10", 10, 10), ("core=0:-1", 0, -1), ("core=-1", -1, -1)],
)
def test_ulimits(text: str, soft: int, hard: int) -> None:
    assert values.parse_ulimit(text) == Ulimit(text.partition("=")[0], soft, hard)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "invalid ulimit argument: foo"),
        ("foo=1", "invalid ulimit type: foo"),
        ("nofile=1:2:3", "too many limit value arguments"),
        ("nofile=a", "whole numbers"),
        ("nofile=", "whole numbers"),
        ("nofile=10:5", "must be less than or equal to hard limit: 10 > 5"),
        ("nofile=-1:5", "unlimited > 5"),
        ("nofile=-2", "whole numbers"),
    ],
)
def test_wrong_ulimits(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        values.parse_ulimit(text)


def test_filters_of_one_key_are_alternatives() -> None:
    given = [("status", "running"), ("name", "a"), ("status", "exited")]
    assert values.group_filters(given, ["name", "status"]) == {"status": ["running", "exited"], "name": ["a"]}
    with pytest.raises(UsageError, match="Invalid filter 'x'"):
        values.group_filters([("x", "y")], ["name"])


def test_moments() -> None:
    assert units.parse_moment("10m", 1000.0) == 400.0
    assert units.parse_moment("1700000000.5", 0.0) == 1700000000.5
    assert units.parse_moment("2023-11-14T22:13:20Z", 0.0) == 1700000000.0
    for wrong in ("2023-99-14", "yesterday", ""):
        with pytest.raises(UsageError, match="invalid"):
            units.parse_moment(wrong, 0.0)


@pytest.mark.parametrize(
    ("size", "decimal", "binary"),
    [
        (0, "0B", "0B"),
        (999, "999B", "999B"),
        (1000, "1kB", "1000B"),
        (4_270_000, "4.27MB", "4.072MiB"),
        (999_900, "1MB", "976.5KiB"),
        (1_000_000, "1MB", "976.6KiB"),
        (124_400_000, "124MB", "118.6MiB"),
        (536_870_912, "537MB", "512MiB"),
        (3 * 10**12, "3TB", "2.728TiB"),
    ],
)
def test_sizes_for_people(size: int, decimal: str, binary: str) -> None:
    assert units.human_size(size) == decimal
    assert units.human_bytes(size) == binary


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert units.ago(seconds) == text


@given(st.integers(0, 2**60))
def test_a_size_for_people_is_close_to_the_size(size: int) -> None:
    text = units.human_size(size)
    number = text.rstrip("BkMGTPE")
    scale = 1000 ** ("B", "kB", "MB", "GB", "TB", "PB", "EB").index(text[len(number) :])
    assert float(number) < 1000
    assert abs(float(number) * scale - size) <= size * 0.006


@given(st.text(max_size=12))
@pytest.mark.parametrize(
    "parse",
    [
        units.parse_size, units.parse_cpus, units.parse_cpuset, units.parse_duration, values.parse_ulimit,
        values.parse_signal, values.parse_container_name, values.parse_host_name, values.parse_user,
        values.parse_label, values.parse_filter, values.parse_network, values.parse_integer,
    ],
)  # fmt: skip
def test_any_text_is_a_value_or_a_usage_error(parse: Parse, text: str) -> None:
    try:
        value = parse(text)
    except MinicontainerError as error:
        assert str(error)  # noqa: PT017 (either is fine)
    else:
        assert value is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000", 1_700_000_000_000_000_000),
        ("1700000000.123456789", 1_700_000_000_123_456_789),
        ("1700000000.5", 1_700_000_000_500_000_000),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456_789),
        ("2023-11-14T23:13:20.000000001+01:00", 1_700_000_000_000_000_001),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
        ("10m", 1_700_000_000_000_000_001 - 600_000_000_000),
    ],
)
def test_instants_keep_their_nanoseconds(text: str, expected: int) -> None:
    assert units.parse_instant(text, 1_700_000_000_000_000_001) == expected
