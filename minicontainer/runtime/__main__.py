"""``python -m minicontainer.runtime``: the command where its launcher is not installed."""

from __future__ import annotations

from minicontainer.runtime.main import main

main()
