"""References: Docker's grammar and its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import UsageError
from minicontainer.image.reference import parse

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "tagged", "digest"),
    [
        ("busybox", "busybox:latest", None),
        ("busybox:1.36", "busybox:1.36", None),
        ("team/app_x/a--b.c:V-1.2_3", "team/app_x/a--b.c:V-1.2_3", None),
        ("localhost/app", "localhost/app:latest", None),
        ("Host.example:5000/app", "Host.example:5000/app:latest", None),
        ("host:5000/app:tag", "host:5000/app:tag", None),
        (f"app@{DIGEST}", "app:latest", DIGEST),
        (f"app:tag@{DIGEST}", "app:tag", DIGEST),
    ],
)
def test_good(text: str, tagged: str, digest: str | None) -> None:
    found = parse(text)
    assert (found.tagged(), found.digest) == (tagged, digest)


@pytest.mark.parametrize(
    "text",
    ["", ":", "a:", ":tag", "/a", "a/", "a//b", "-a", "a-", "a..b", "a___b", "a.-b", "a b", "a:b c", "a:.b",
     "a@", "a@sha256:12", "a@md5:" + "a" * 64, "a:" + "t" * 129, "n" * 256, "ho st:1/a", "host:x/a", "é",
     "a\n", "f" * 64],
)  # fmt: skip
def test_bad(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid repos|invalid reference format") as refused:
        parse(text)
    assert "\n" not in str(refused.value)


def test_upper_case_is_named() -> None:
    with pytest.raises(UsageError, match="'Busybox' must be lowercase"):
        parse("Busybox")


@given(st.text(max_size=40))
def test_anything_is_parsed_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    again = parse(found.tagged())
    assert (again.name, again.tag) == (found.name, found.tag or "latest")
