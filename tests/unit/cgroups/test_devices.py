"""Device rules: the BPF program and v1's exceptions both say what the rules say.

`decides` is the rule of devices.py word by word; `run` is an interpreter of the few BPF instructions
that the program is made of (RFC 9669).  tests/kernel asks the kernel's own verifier and interpreter.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cgroups.devices import ALL, LETTERS, Policy, exceptions, policy
from minicontainer.cgroups.v2.devices import program
from minicontainer.errors import InvalidConfig, Unsupported
from minicontainer.linux import bpf
from minicontainer.oci.runtime import DeviceRule

numbers = st.sampled_from([None, 1, 2])
rules = st.lists(
    st.builds(
        DeviceRule,
        allow=st.booleans(),
        type=st.sampled_from(["a", "b", "c", "u", None]),
        major=numbers,
        minor=numbers,
        access=st.sampled_from(["r", "w", "m", "rw", "rm", "rwm", None]),
    ),
    max_size=8,
)
requests = st.tuples(st.sampled_from("bc"), st.integers(1, 3), st.integers(1, 3), st.integers(1, ALL))
Request = tuple[str, int, int, int]


def decides(given_rules: list[DeviceRule], request: Request) -> bool:
    kind, major, minor, access = request
    answers = dict.fromkeys(LETTERS, not given_rules)
    for rule in given_rules:
        kinds = {"a": "bc", "u": "c"}.get(rule.type or "a", rule.type or "")
        if kind in kinds and rule.major in (None, major) and rule.minor in (None, minor):
            answers.update(dict.fromkeys(rule.access or "rwm", rule.allow))
    return all(answers[letter] for letter, bit in LETTERS.items() if access & bit)


def run(code: bytes, request: Request) -> bool:
    kind, major, minor, access = request
    context = {0: access << 16 | {"b": 1, "c": 2}[kind], 4: major, 8: minor}
    registers: list[int] = [0] * 11
    at = 0
    while True:
        operation, pair, offset, immediate = struct.unpack_from("=BBhi", code, at * 8)
        dst, src = pair & 15, pair >> 4
        at += 1
        if operation == bpf.EXIT:
            return registers[0] == 1
        if operation == bpf.LOAD_32:
            registers[dst] = context[offset]
        elif operation == bpf.MOVE:
            registers[dst] = immediate
        elif operation == bpf.MOVE_REGISTER:
            registers[dst] = registers[src]
        elif operation == bpf.AND:
            registers[dst] &= immediate
        elif operation == bpf.SHIFT_RIGHT:
            registers[dst] >>= immediate
        elif operation == bpf.JUMP_IF_EQUAL:
            at += offset if registers[dst] == immediate else 0
        elif operation == bpf.JUMP_IF_NOT_EQUAL:
            at += offset if registers[dst] != immediate else 0
        else:
            raise AssertionError(f"instruction {operation:#x}")


def excepted(wanted: Policy, request: Request) -> bool:
    """What the v1 kernel makes of the default and the exceptions (security/device_cgroup.c).

    Where everything is denied, one exception must hold all letters that are asked for, unless the
    letters are asked for one at a time, as here.
    """
    kind, major, minor, access = request
    found = exceptions(wanted)

    def letter(bit: int) -> bool:
        hit = any(
            e.kind == kind and e.major in (None, major) and e.minor in (None, minor) and e.access & bit
            for e in found
        )
        return hit != wanted.default_allow

    return all(letter(bit) for bit in LETTERS.values() if access & bit)


@given(rules, requests)
def test_the_program_says_what_the_rules_say(given_rules: list[DeviceRule], request: Request) -> None:
    assert run(program(policy(given_rules)), request) == decides(given_rules, request)


@given(rules, requests)
def test_v1_exceptions_say_it_too_or_are_refused(given_rules: list[DeviceRule], request: Request) -> None:
    wanted = policy(given_rules)
    try:
        answer = excepted(wanted, request)
    except Unsupported:
        return
    assert answer == decides(given_rules, request)


def test_an_exception_to_an_exception_is_refused_by_name() -> None:
    given_rules = [
        DeviceRule(allow=False, access="rwm"),
        DeviceRule(allow=True, type="c", access="rw"),
        DeviceRule(allow=False, type="c", major=1, minor=3, access="w"),
    ]
    with pytest.raises(Unsupported, match=r"'deny c 1:3 w' takes a part out of 'allow c \*:\* rw'"):
        exceptions(policy(given_rules))


def test_no_rules_restrict_nothing_and_any_list_starts_from_nothing() -> None:
    assert not policy([]).restricts
    assert policy([DeviceRule(allow=True, type="c", major=1, minor=3)]).restricts


def test_a_privileged_list_restricts_nothing() -> None:
    assert not policy([DeviceRule(allow=False, access="rwm"), DeviceRule(allow=True, access="rwm")]).restricts


@pytest.mark.parametrize(
    "rule",
    [
        DeviceRule(allow=True, type="p"),
        DeviceRule(allow=True, access="rx"),
        DeviceRule(allow=True, type="c", major=4096),
        DeviceRule(allow=True, type="c", minor=1 << 20),
        DeviceRule(allow=True, type="c", major=-2),
    ],
)
def test_nonsense_names_the_field(rule: DeviceRule) -> None:
    with pytest.raises(InvalidConfig, match=r"linux\.resources\.devices"):
        policy([rule])


def test_minus_one_is_every_number() -> None:
    assert repr(policy([DeviceRule(allow=True, type="c", major=-1, minor=-1)]).rules[0]) == "allow c *:* rwm"


def test_instructions_are_encoded_as_the_kernel_reads_them() -> None:
    assert bpf.instruction(bpf.EXIT) == bytes.fromhex("9500000000000000")
    assert bpf.instruction(bpf.LOAD_32, 4, 1, 4) == bytes.fromhex("6114040000000000")
    assert bpf.instruction(bpf.MOVE, 0, immediate=-1) == bytes.fromhex("b7000000ffffffff")
    assert bpf.instruction(bpf.JUMP_IF_NOT_EQUAL, 2, 0, -2, 258) == bytes.fromhex("5502feff02010000")
