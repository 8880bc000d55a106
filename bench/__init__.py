"""Speed as ratios, in one run on one machine: ``make bench``, or ``python -m bench``.

__main__.py     what is compared, and the table
peers.py        starting, asking and stopping docker, podman, runc, crun, bubblewrap
measure.py      hyperfine, and the library's loop in a process of its own
library.py      that loop
"""
