"""Whether the kernel and the state agree, and mending them where they do not: ``system check``.

::

    life.py
        status.json: running, monitor, pid               ◄─► /proc: is that process there, and the same one?
        container.json, status.json are whole documents
        .names/NAME ─► ID, one each                      ◄─► containers/ID
        .tmp-* is somebody's who lives                   ◄─► flock, /proc
        RUN/runtime, monitors, locks: ID                 ◄─► containers/ID
    kernel.py
        no container runs                                ◄─► no group CGROUP/minicontainer/ID
        mounts are the monitors' own                     ◄─► none below ROOT and RUN in /proc/self/mountinfo
        no update of limits is half done                 ◄─► the control files of a group
    network.py
        networks/bridge.json: bridge, endpoints          ◄─► links, nft tables, running containers
    store.py
        images/index.json ─► manifest ─► config, layers  ◄─► blobs: there, of that size (verify: digest)
        layers/DRIVER/CHAIN                              ◄─► an image or a container that stands on it

No lock is held while looking, so what another command is at just then may look wrong: what was found is
looked for again a moment later, and only what is still there is told.

`mend` takes the locks that the ordinary commands take, looks again under them, and undoes what
nobody needs.  It removes no image, no container and nothing that a running one has.  A group or
process that no container of this root explains, may be that of another root: it is left alone unless
its root file system lies in ours.
"""

from __future__ import annotations

import time

from minicontainer.engine.check.finding import Finding
from minicontainer.errors import MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minicontainer.engine.engine import Engine

MOMENT = 0.3  # seconds between two looks
LOOKS = 3


def look(engine: Engine, *, verify: bool = False) -> list[Finding]:
    """Everything in which kernel and state disagree; with ``verify``, layers' digests are computed too."""
    found = _once(engine, verify=verify)
    for _ in range(LOOKS - 1):
        if not found:
            break
        time.sleep(MOMENT)
        again = {one.key for one in _once(engine, verify=verify)}
        found = [one for one in found if one.key in again]
    return found


def mend(findings: Iterable[Finding]) -> tuple[list[str], list[str]]:
    """Undo what can be undone without losing anything: what was done, and what failed, one line each."""
    done, failed = [], []
    for finding in findings:
        if finding.mend is None:
            continue
        try:
            done.append(finding.mend())
        except (OSError, MinicontainerError) as error:
            failed.append(f"{finding.kind} {finding.where}: {error}")
    return list(dict.fromkeys(done)), failed


def _once(engine: Engine, *, verify: bool) -> list[Finding]:
    from minicontainer.engine.check import kernel, life, network, store

    lives = life.Lives(engine)
    return [
        *life.look(engine, lives),
        *kernel.look(engine, lives),
        *network.look(engine, lives),
        *store.look(engine, lives, verify=verify),
    ]


__all__ = ["Finding", "look", "mend"]
