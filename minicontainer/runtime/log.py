"""runc's log (logrus), which engines read to learn what went wrong.

::

    text   time="2026-01-02T03:04:05Z" level=error msg="container \"a\" does not exist"
    json   {"level":"error","msg":"container \"a\" does not exist","time":"2026-01-02T03:04:05Z"}

Without --log it is standard error.
"""

from __future__ import annotations

import os
import time

from minicontainer.oci import jsontext


class Log:
    """``path`` empty: standard error.  ``form``: text or json."""

    __slots__ = ("debugs", "form", "path")

    def __init__(self, path: str, form: str, debugs: bool) -> None:
        self.path = path
        self.form = form
        self.debugs = debugs

    def write(self, level: str, text: str) -> None:
        """Append one line.  Raises OSError for a file that cannot be written."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self.form == "json":
            line = jsontext.dumps({"level": level, "msg": text, "time": now})
        else:
            line = f'time="{now}" level={level} msg={jsontext.dumps(text)}'
        if not self.path:
            os.write(2, line.encode() + b"\n")
            return
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, line.encode() + b"\n")
        finally:
            os.close(fd)

    def debug(self, text: str) -> None:
        """With --debug only."""
        if self.debugs:
            self.write("debug", text)
