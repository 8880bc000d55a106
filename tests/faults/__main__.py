"""``make test-faults``: every fault, some at a time, and the table of what became of each.

::

    operations x (fails, kills) ─► JOBS times pytest, each with hosts of its own ─► rows ─► table
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time

from tests.faults import test_files, test_steps
from tests.faults.host import HOWS

TABLE = ".cache/faults.txt"
OTHERS = [f"tests/faults/test_{name}.py" for name in ("bench", "check", "create", "restore", "disasters")]
HEADERS = ("operation", "steps", "failures tried", *HOWS[:-1], "leaked", "not as it should")


def main(jobs: int) -> int:
    """Run all; 0 if nothing leaked and nothing else was wrong."""
    began = time.monotonic()
    nodes = [
        f"tests/faults/test_steps.py::test_nothing_is_left[{operation}-{kind}]"
        for operation in test_steps.OPERATIONS
        for kind in test_steps.KINDS
    ]
    nodes += [
        f"tests/faults/test_files.py::test_files_are_as_before[{operation}-{kind}]"
        for operation in test_files.OPERATIONS
        for kind in test_files.KINDS
    ]
    waiting = [*reversed(nodes), *reversed(OTHERS)]
    failed: list[str] = []
    with tempfile.NamedTemporaryFile("r", prefix="faults-") as rows:
        lock = threading.Lock()
        workers = [
            threading.Thread(target=_work, args=(waiting, failed, rows.name, lock)) for _ in range(jobs)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        collected = [json.loads(line) for line in rows]
        table = report(sorted(collected, key=lambda row: str(row["operation"])))
    minutes = (time.monotonic() - began) / 60
    table += f"\n{minutes:.0f} minutes, {jobs} at a time"
    table += "".join(f"\nfailed: {one}" for one in sorted(failed)) + "\n"
    print(table, end="")
    os.makedirs(os.path.dirname(TABLE), exist_ok=True)
    with open(TABLE, "w") as file:
        file.write(table)
    return 1 if failed else 0


def _work(waiting: list[str], failed: list[str], rows: str, lock: threading.Lock) -> None:
    environment = {**os.environ, "MINICONTAINER_FAULTS": "all", "MINICONTAINER_FAULTS_ROWS": rows}
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"]
    while True:
        with lock:
            if not waiting:
                return
            node = waiting.pop()
        ran = subprocess.run([*command, node], env=environment, capture_output=True, text=True, check=False)
        with lock:
            if ran.returncode:
                failed.append(node)
                print(ran.stdout, ran.stderr)
            print(f"{'failed' if ran.returncode else 'passed'}: {node}", flush=True)


def report(rows: list[dict[str, int | str]]) -> str:
    """The table; an operation's failures and deaths in one line, and all in the last."""
    lines: list[tuple[str, ...]] = [HEADERS]
    total = [0] * (len(HEADERS) - 1)
    for operation in dict.fromkeys(row["operation"] for row in rows):
        own = [row for row in rows if row["operation"] == operation]
        sums = [sum(int(row[key]) for row in own) for key in ("tried", *HOWS, "wrong")]
        numbers = [max(int(row["steps"]) for row in own), *sums]
        total = [a + b for a, b in zip(total, numbers, strict=True)]
        lines.append((str(operation), *map(str, numbers)))
    lines.append(("all", *map(str, total)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADERS))]
    return "\n".join(
        "   ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
