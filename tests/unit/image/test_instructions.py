"""The instructions of ``commit -c``."""

from __future__ import annotations

import pytest

from minicontainer.errors import UsageError
from minicontainer.image.instructions import apply, words
from minicontainer.oci.image import ContainerConfig, Healthcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["CMD sh -c 'x y'"], {"cmd": ["/bin/sh", "-c", "sh -c 'x y'"]}),
        (['cmd ["a", "b c"]'], {"cmd": ["a", "b c"]}),
        (['ENTRYPOINT ["/e"]'], {"entrypoint": ["/e"], "cmd": None}),
        (['CMD ["c"]', 'ENTRYPOINT ["/e"]'], {"entrypoint": ["/e"], "cmd": ["c"]}),
        (["ENV A=2 B=\"x y\" C='$A' D=${A}z"], {"env": ["A=2", "B=x y", "C=$A", "D=1z"]}),
        (["ENV NAME all  the rest"], {"env": ["A=1", "NAME=all the rest"]}),
        (["ENV B=${X:-no} C=${A:+yes} D=\\$A"], {"env": ["A=1", "B=no", "C=yes", "D=$A"]}),
        (
            ["EXPOSE 80 53/UDP 90-91"],
            {"exposed_ports": {"80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}}},
        ),
        (['LABEL a=1 "b c"="d e"'], {"labels": {"a": "1", "b c": "d e"}}),
        (["USER me:us"], {"user": "me:us"}),
        (["WORKDIR /a", "WORKDIR b/../c"], {"working_dir": "/a/c"}),
        (['VOLUME ["/x y"]', "VOLUME /z /w"], {"volumes": {"/x y": {}, "/z": {}, "/w": {}}}),
        (["STOPSIGNAL SIGINT"], {"stop_signal": "SIGINT"}),
        (["ONBUILD RUN make", "ONBUILD COPY . ."], {"on_build": ["RUN make", "COPY . ."]}),
        (["HEALTHCHECK NONE"], {"healthcheck": Healthcheck(["NONE"])}),
        (
            ["HEALTHCHECK --interval=1m30s --retries=3 --start-period=500ms CMD curl x"],
            {"healthcheck": Healthcheck(["CMD-SHELL", "curl x"], 90 * 10**9, 0, 5 * 10**8, 3)},
        ),
        (
            ['HEALTHCHECK --timeout=0 --start-interval=2s CMD ["curl", "x"]'],
            {"healthcheck": Healthcheck(["CMD", "curl", "x"], start_interval=2 * 10**9)},
        ),
        (["USER a\nWORKDIR /x\n# a comment\n"], {"user": "a", "working_dir": "/x"}),
    ],
)
def test_applied(lines: list[str], expected: dict[str, Any]) -> None:
    before = ContainerConfig(env=["A=1"], cmd=["old"])
    after = apply(before, lines)
    assert {name: getattr(after, name) for name in expected} == expected
    assert before == ContainerConfig(env=["A=1"], cmd=["old"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("RUN make", "RUN is not a valid change command"),
        ("CMD", "CMD requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", "NAME=VALUE"),
        ("EXPOSE 0", "invalid containerPort: 0"),
        ("EXPOSE 80/xyz", "invalid containerPort"),
        ("EXPOSE 99999", "invalid containerPort"),
        ("ENV A='x", "a quote is not closed"),
        ("ENV A=${x", "a brace is not closed"),
        ("USER a b", "exactly one argument"),
        ("ONBUILD FROM x", "isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK --interval=5 CMD x", "invalid duration"),
        ("HEALTHCHECK --retries=x CMD x", "not a number"),
        ("HEALTHCHECK --bad=1 CMD x", "unknown flag"),
        ("HEALTHCHECK --interval CMD x", "missing a value on flag: interval"),
        ("HEALTHCHECK --retries=1 --retries=2 CMD x", "duplicate flag specified: retries"),
        ("HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative"),
        ("HEALTHCHECK --timeout=-1s CMD x", 'Interval "timeout" cannot be less than 1ms'),
        ("HEALTHCHECK --start-interval=1us CMD x", 'Interval "start-interval" cannot be less than 1ms'),
        ("HEALTHCHECK --interval=1s", "requires at least one argument"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK TRY x", 'Unknown type "TRY" in HEALTHCHECK'),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD"),
        ('VOLUME [""]', "empty string"),
    ],
)
def test_refused(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        apply(ContainerConfig(), [line])


def test_words_keep_empty_quotes() -> None:
    assert words('a \'\' "b\\"c" d\\ e', {}) == ["a", "", 'b"c', "d e"]
