"""v2 device control: a BPF program that the kernel asks (cgroup-v2.rst, "Device controller").

The kernel gives it ``struct bpf_cgroup_dev_ctx``, three 32-bit words (linux/bpf.h)::

    access << 16 | type      type: 1 block, 2 character; access: bits of devices.py
    major
    minor

and takes 1 for yes.  Our program holds the letters that nobody has decided yet, and goes through the
rules from the last to the first, so that the last that matches a letter decides it::

    r2 = type, r3 = undecided letters, r4 = major, r5 = minor
    for each rule, from the last:
        if type, major or minor differ: next rule
        deny:   if any of its letters is undecided: return 0
        allow:  its letters are decided; if none is left: return 1
    return the default

Programs of the groups above are asked as well, and each must say yes: ours is attached with
BPF_F_ALLOW_MULTI, without which no nested group could add its own, and never with ALLOW_OVERRIDE, by
which a nested group would shake ours off.
"""

from __future__ import annotations

import os

from minicontainer.cgroups.devices import ALL
from minicontainer.linux import bpf
from minicontainer.linux.bpf import instruction
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.devices import Policy, Rule

BLOCK, CHARACTER = 1, 2
RESULT, CONTEXT, TYPE, UNDECIDED, MAJOR, MINOR, COMMON = 0, 1, 2, 3, 4, 5, 6  # registers


def program(policy: Policy) -> bytes:
    """The program for a policy."""
    code = [
        instruction(bpf.LOAD_32, TYPE, CONTEXT, 0),
        instruction(bpf.MOVE_REGISTER, UNDECIDED, TYPE),
        instruction(bpf.AND, TYPE, immediate=0xFFFF),
        instruction(bpf.SHIFT_RIGHT, UNDECIDED, immediate=16),
        instruction(bpf.LOAD_32, MAJOR, CONTEXT, 4),
        instruction(bpf.LOAD_32, MINOR, CONTEXT, 8),
    ]
    for rule in reversed(policy.rules):
        code += _rule(rule)
    return b"".join(code + _return(policy.default_allow))


def _rule(rule: Rule) -> list[bytes]:
    decide = _allow(rule.access) if rule.allow else _deny(rule.access)
    tests = [(TYPE, BLOCK if rule.kind == "b" else CHARACTER)]
    tests += [(r, n) for r, n in ((MAJOR, rule.major), (MINOR, rule.minor)) if n is not None]
    # Each test jumps over the tests after it and the decision.
    return [
        instruction(bpf.JUMP_IF_NOT_EQUAL, register, 0, len(tests) - 1 - i + len(decide), value)
        for i, (register, value) in enumerate(tests)
    ] + decide


def _deny(access: int) -> list[bytes]:
    if access == ALL:
        return _return(False)
    return [
        instruction(bpf.MOVE_REGISTER, COMMON, UNDECIDED),
        instruction(bpf.AND, COMMON, immediate=access),
        instruction(bpf.JUMP_IF_EQUAL, COMMON, 0, 2, 0),
        *_return(False),
    ]


def _allow(access: int) -> list[bytes]:
    if access == ALL:
        return _return(True)
    return [
        instruction(bpf.AND, UNDECIDED, immediate=ALL & ~access),
        instruction(bpf.JUMP_IF_NOT_EQUAL, UNDECIDED, 0, 2, 0),
        *_return(True),
    ]


def _return(answer: bool) -> list[bytes]:
    return [instruction(bpf.MOVE, RESULT, immediate=int(answer)), instruction(bpf.EXIT)]


def apply(folder: str, policy: Policy) -> None:
    """Attach the policy's program in place of the one that an earlier call attached.

    For a moment both are asked: more is denied than either would, never less.
    """
    group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        before = bpf.prog_query(group, bpf.BPF_CGROUP_DEVICE, folder)
        if policy.restricts:
            _attach(group, folder, policy)
        for prog_id in before:
            _detach(group, folder, prog_id)
    finally:
        os.close(group)


def _attach(group: int, folder: str, policy: Policy) -> None:
    because("cgroup v2 has no file for device rules: a program decides each access")
    loaded = bpf.prog_load(bpf.BPF_PROG_TYPE_CGROUP_DEVICE, program(policy), "minicontainer")
    try:
        because("from now on every open and mknod in the group is decided by the rules")
        bpf.prog_attach(group, loaded, bpf.BPF_CGROUP_DEVICE, bpf.BPF_F_ALLOW_MULTI, folder)
    finally:
        os.close(loaded)


def _detach(group: int, folder: str, prog_id: int) -> None:
    old = bpf.prog_get_fd_by_id(prog_id)
    try:
        because("newer rules have taken its place")
        bpf.prog_detach(group, old, bpf.BPF_CGROUP_DEVICE, folder)
    finally:
        os.close(old)
