#!/usr/bin/env python3
"""The validation programs of the OpenContainers runtime-tools, where someone has them.

    RUNTIME_TOOLS=CHECKOUT [RUNTIME=PROGRAM] tests/conformance/runtime_tools.py [NAME...]

CHECKOUT is a clone of github.com/opencontainers/runtime-tools in which ``make runtimetest
validation-executables`` has been run (it needs Go).  RUNTIME is minicontainer-runtime unless given:
runc and crun show what the programs are worth.  As root.

Each ``validation/NAME/NAME.t`` makes a bundle, drives ``RUNTIME create|start|state|kill|delete`` and
writes what it found in the Test Anything Protocol::

    ok 1 - has expected hostname              passed
    not ok 2 - ... # TODO, # SKIP             nobody's failure
    not ok 3 - pids limit is set correctly    failed
    1..3                                      the plan; 1..0 if the program has nothing to count

A program passes if it exits 0 and says no plain ``not ok``.  Two of them are silent when all is well.
One that fails for a reason in `hindrances` is shown as "known": the program is wrong, or asks for what is
not here; and in `delete` we do as runc and crun do, not as the specification says.

Exit codes: 0, 1 if a program fails for any other reason, 2 without programs or without the runtime.
Without RUNTIME_TOOLS: a line that says so, and 0.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TIMEOUT_S = 120
V1 = Path("/sys/fs/cgroup")
CAP_SYS_RESOURCE = 24


def has(path: str) -> bool:
    """Whether there is such a file below the v1 hierarchies."""
    return (V1 / path).exists()


def holds_every_capability() -> bool:
    """Whether this process could give a container all capabilities."""
    status = Path("/proc/self/status").read_text()
    return bool(int(re.findall(r"CapPrm:\s*(\w+)", status)[0], 16) >> CAP_SYS_RESOURCE & 1)


def loaded(module: str) -> bool:
    """Whether the kernel has this security module."""
    modules = Path("/sys/kernel/security/lsm")
    return modules.exists() and module in modules.read_text().strip().split(",")


def hindrances(checkout: Path) -> tuple[tuple[str, bool, str], ...]:
    """The programs' names (a regular expression), whether they can pass here, and why not."""
    counts = "runtime-spec v1.3" not in (checkout / "go.mod").read_text()
    pids = "(delete_resources|linux_cgroups_.*pids)"
    return (
        ("linux_cgroups_.*|delete_(only_create_)?resources", has("pids"), "reads cgroup v1 only"),
        (pids, counts, "compares pointers to two numbers instead of the numbers"),
        ("linux_cgroups_.*blkio", has("blkio/blkio.leaf_weight"), "leaf weights went with CFQ, in Linux 5.0"),
        ("linux_cgroups_.*hugetlb", has("hugetlb"), "no v1 hugetlb hierarchy here"),
        ("linux_cgroups_.*network", has("net_cls") and has("net_prio"), "no v1 net_cls and net_prio here"),
        ("linux_cgroups_.*memory", False, "limits kernel memory, which Linux 5.16 gave up"),
        ("linux_mount_label", loaded("selinux"), "this kernel has no SELinux"),
        ("linux_process_apparmor_profile", loaded("apparmor"), "this kernel has no AppArmor"),
        ("process_capabilities", holds_every_capability(), "this root lacks CAP_SYS_RESOURCE"),
        ("process_rlimits", False, "Go 1.19 and later raise the soft limit that is then read"),
        ("misc_props", False, "starts a program that is not in its bundle"),
        ("pidfile", False, "wants `kill` of a container that ended to succeed"),
        ("start", False, "wants `start` without a process to succeed"),
        ("delete", False, "wants a container that was never started to stay; runc deletes it, and so we do"),
    )


class Result:
    """How one program ended.  ``failed`` are its ``not ok`` lines, ``passed`` counts the others."""

    def __init__(self, code: int | None, out: str, err: str, seconds: float) -> None:
        self.code = code
        self.passed = len(re.findall(r"^ok\b", out, re.MULTILINE))
        lines = re.findall(r"^not ok\b.*", out, re.MULTILINE)
        self.failed = [line for line in lines if not re.search(r"# (TODO|SKIP)", line, re.IGNORECASE)]
        self.last_words = err.strip().splitlines()[-2:]
        self.seconds = seconds

    @property
    def good(self) -> bool:
        """Whether the program was content."""
        return self.code == 0 and not self.failed

    def why(self) -> list[str]:
        """What it complained about."""
        if self.code is None:
            return [f"still running after {TIMEOUT_S} s", *self.failed]
        return [*self.failed, *self.last_words]


def programs(checkout: Path, names: list[str]) -> list[Path]:
    """The executables, by name."""
    found = sorted(checkout.glob("validation/*/*.t"))
    return [path for path in found if not names or path.stem in names]


def run(program: Path, checkout: Path, runtime: str) -> Result:
    """One program, in the folder where it looks for its root file system."""
    began = time.monotonic()
    with subprocess.Popen(
        [program], cwd=checkout, env={**os.environ, "RUNTIME": runtime}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return Result(None, out, err, time.monotonic() - began)
    return Result(process.returncode, out, err, time.monotonic() - began)


def known(name: str, checkout: Path) -> str:
    """Why this program cannot pass here, or nothing."""
    reasons = [
        why for names, possible, why in hindrances(checkout) if not possible and re.fullmatch(names, name)
    ]
    return reasons[0] if reasons else ""


def main() -> int:
    """Run them all, print the table."""
    given = os.environ.get("RUNTIME_TOOLS")
    if not given:
        print("runtime_tools: skipped, RUNTIME_TOOLS names no checkout of the OCI runtime-tools")
        return 0
    checkout = Path(given).resolve()
    found = programs(checkout, sys.argv[1:])
    if not found or not (checkout / "runtimetest").exists():
        print(f"runtime_tools: {checkout} has no programs: make runtimetest validation-executables there")
        return 2
    asked = os.environ.get("RUNTIME", "minicontainer-runtime")
    runtime = shutil.which(asked)
    if runtime is None:
        print(f"runtime_tools: there is no {asked}")
        return 2
    counts = {"pass": 0, "known": 0, "FAIL": 0}
    for program in found:
        result = run(program, checkout, os.path.abspath(runtime))
        reason = known(program.stem, checkout)
        verdict = "pass" if result.good else "known" if reason else "FAIL"
        counts[verdict] += 1
        note = "" if result.good else reason
        print(f"{verdict:6}{program.stem:34}{result.passed:4} ok {len(result.failed):3} not "
              f"{result.seconds:6.1f} s  {note}", flush=True)  # fmt: skip
        if verdict == "FAIL":
            print("".join(f"          {line}\n" for line in result.why()), end="", flush=True)
    print(f"{counts['pass']} of {len(found)} pass, {counts['known']} cannot here, {counts['FAIL']} fail")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
