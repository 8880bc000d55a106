"""Names of signals, as command lines and images write them."""

from __future__ import annotations

import signal

import pytest

from minicontainer.linux import signals


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("15", 15),
        ("64", 64),
        ("TERM", signal.SIGTERM),
        ("SIGTERM", signal.SIGTERM),
        ("sigterm", signal.SIGTERM),
        ("Usr1", signal.SIGUSR1),
        ("RTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", signal.SIGRTMAX - 1),
        ("rtmin+0", signal.SIGRTMIN),
    ],
)
def test_numbers(text: str, number: int) -> None:
    assert signals.number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "65", "-1", "1.0", "NOSUCH", "SIG", "SIGSIGTERM", "TERM+1", "RTMIN-1", "RTMIN+99", "RTMAX+1",
     "RTMIN+", "RTMIN+x", "SIG_DFL", "²"],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    assert signals.number(text) is None


@pytest.mark.parametrize("known", sorted(signal.Signals))
def test_every_name_comes_back(known: signal.Signals) -> None:
    assert signals.number(known.name) == signals.number(str(int(known))) == known
