"""``python -m minicontainer``."""

from __future__ import annotations

from minicontainer.cli.main import main

main()
