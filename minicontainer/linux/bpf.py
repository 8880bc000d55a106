"""bpf(2): load a program, attach it to a control group, see what is attached, detach it.

A program is a sequence of 8-byte instructions (linux/bpf.h, struct bpf_insn; RFC 9669)::

    code  dst:4 src:4  offset        immediate
    u8    u8           s16           s32          jumps go OFFSET instructions beyond the next

The kernel's verifier walks every path before it takes the program.  A program lives as long as a
descriptor or an attachment holds it; a group's attachments go with the group.

Needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN (before Linux 5.8).
"""

from __future__ import annotations

import ctypes
import os
import struct

from minicontainer.linux.door import constant, flags, quote, step
from minicontainer.linux.libc import number, syscall

BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_DETACH = 9
BPF_PROG_GET_FD_BY_ID = 13
BPF_PROG_QUERY = 16

BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6  # the attach type

BPF_F_ALLOW_OVERRIDE = 1
BPF_F_ALLOW_MULTI = 2
BPF_F_REPLACE = 4

# Instruction codes: class | size or operation | source.
LOAD_32 = 0x61  # dst = *(u32 *)(src + offset)
MOVE = 0xB7  # dst = immediate
MOVE_REGISTER = 0xBF  # dst = src
AND = 0x57  # dst &= immediate
SHIFT_RIGHT = 0x77  # dst >>= immediate
JUMP_IF_EQUAL = 0x15  # if dst == immediate
JUMP_IF_NOT_EQUAL = 0x55  # if dst != immediate
EXIT = 0x95  # return register 0

LOG_SIZE = 1 << 16


def instruction(code: int, dst: int = 0, src: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One instruction; ``dst`` and ``src`` are register numbers."""
    return struct.pack("=BBhi", code, src << 4 | dst, offset, immediate)


def _address(buffer: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(buffer)


def _bpf(command: int, attributes: bytes, path: str | None = None) -> int:
    """bpf(2) with ``attributes``; the kernel may write into them, so they are copied back by nobody."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return syscall(number("bpf"), command, buffer, len(attributes), path=path)


@step(
    "bpf(2)",
    why="have the kernel check and take a program",
    shell=lambda a: f"bpftool prog load PROGRAM.o /sys/fs/bpf/{a['name']} type cgroup/dev",
    show={
        "prog_type": constant("BPF_PROG_TYPE_", __name__),
        "program": lambda value: f"{len(value) // 8} instructions",
    },
)
def prog_load(prog_type: int, program: bytes, name: str, license: str = "GPL") -> int:
    """BPF_PROG_LOAD: a descriptor of the program (close-on-exec).  ``name``: 15 bytes at most.

    A refused program fails with EINVAL or EACCES, and the verifier's last words in the message.
    """
    code = ctypes.create_string_buffer(program, len(program))
    terms = ctypes.create_string_buffer(license.encode())
    count = len(program) // 8

    def attributes(log: int, size: int) -> bytes:
        return struct.pack(
            "=IIQQIIQII16s", prog_type, count, _address(code), _address(terms),
            1 if log else 0, size, log, 0, 0, name.encode()[:15],
        )  # fmt: skip

    try:
        return _bpf(BPF_PROG_LOAD, attributes(0, 0))
    except OSError as error:
        # Only now with a log: writing it costs more than loading.
        log = ctypes.create_string_buffer(LOG_SIZE)
        try:
            return _bpf(BPF_PROG_LOAD, attributes(_address(log), LOG_SIZE))
        except OSError:
            words = log.value.decode(errors="replace").strip().splitlines()[-2:]
            if words:
                raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {'; '.join(words)}") from None
            raise error from None


@step(
    "bpf(2)",
    why="ask the program about every access from the group",
    shell=lambda a: f"bpftool cgroup attach {quote(a['path'])} cgroup_device id PROGRAM multi",
    show={"attach_type": constant("BPF_CGROUP_", __name__), "attach_flags": flags("BPF_F_", __name__)},
    watch=lambda a: [("bpf", a["path"])],
)
def prog_attach(target_fd: int, prog_fd: int, attach_type: int, attach_flags: int, path: str) -> None:
    """BPF_PROG_ATTACH to the group ``target_fd`` is open on; ``path`` is for people."""
    _bpf(BPF_PROG_ATTACH, struct.pack("=IIIII", target_fd, prog_fd, attach_type, attach_flags, 0), path)


@step(
    "bpf(2)",
    why="the program no longer decides",
    shell=lambda a: f"bpftool cgroup detach {quote(a['path'])} cgroup_device id PROGRAM",
    show={"attach_type": constant("BPF_CGROUP_", __name__)},
    watch=lambda a: [("bpf", a["path"])],
)
def prog_detach(target_fd: int, prog_fd: int, attach_type: int, path: str) -> None:
    """BPF_PROG_DETACH."""
    _bpf(BPF_PROG_DETACH, struct.pack("=III", target_fd, prog_fd, attach_type), path)


def prog_query(target_fd: int, attach_type: int, path: str | None = None) -> list[int]:
    """BPF_PROG_QUERY: ids of the programs attached to this very group (64 at most, the kernel's limit)."""
    ids = (ctypes.c_uint32 * 64)()
    attributes = struct.pack("=IIIIQI", target_fd, attach_type, 0, 0, ctypes.addressof(ids), len(ids))
    buffer = ctypes.create_string_buffer(attributes + bytes(4), len(attributes) + 4)
    syscall(number("bpf"), BPF_PROG_QUERY, buffer, len(attributes), path=path)
    (count,) = struct.unpack_from("=I", buffer, 24)
    return list(ids[:count])


def prog_get_fd_by_id(prog_id: int) -> int:
    """BPF_PROG_GET_FD_BY_ID: a descriptor (close-on-exec) of a program somebody loaded."""
    return _bpf(BPF_PROG_GET_FD_BY_ID, struct.pack("=III", prog_id, 0, 0))
