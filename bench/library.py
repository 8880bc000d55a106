"""Create, start, wait for and delete a bundle's container, again and again, in this one process.

python -m bench.library BUNDLE ROOT RUNS      prints the seconds of each, one a line
"""

from __future__ import annotations

import os
import sys
import time

from minicontainer.libcontainer.container import Container


def once(container_id: str, bundle: str, root: str) -> float:
    """Seconds from nothing to nothing."""
    begun = time.perf_counter()
    container = Container.create(container_id, bundle, root)
    container.start()
    code = container.wait()
    container.delete()
    taken = time.perf_counter() - begun
    if code:
        sys.exit(f"the program ended with {code}")
    return taken


def main() -> None:
    """Measure; the first runs warm up and are not printed."""
    bundle, root, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.makedirs(root, exist_ok=True)
    for number in range(runs + 3):
        taken = once(f"bench-{os.getpid()}-{number}", bundle, root)
        if number >= 3:
            sys.stdout.write(f"{taken:.6f}\n")


if __name__ == "__main__":
    main()
