"""Many runs of one command, by several callers at once.

python -m bench.churn COUNT CALLERS WORD...      prints the seconds that all of them took
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def churn(count: int, callers: int, words: list[str]) -> float:
    """Seconds until ``count`` runs are over, of which ``callers`` are under way at any time."""
    null = subprocess.DEVNULL

    def once(_: int) -> None:
        subprocess.run(words, stdin=null, stdout=null, check=True)

    begun = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        for _ in pool.map(once, range(count)):  # raises what a run raised
            pass
    return time.perf_counter() - begun


def main() -> None:
    """Measure; exits 1 where a run fails."""
    count, callers, *words = sys.argv[1:]
    try:
        taken = churn(int(count), int(callers), words)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(words)}: exit code {error.returncode}")
    sys.stdout.write(f"{taken:.6f}\n")


if __name__ == "__main__":
    main()
