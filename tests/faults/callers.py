"""What the 16 callers of test_stress.py do: processes of a host, each with containers of its own.

::

    host's pid 1 ── "up", "turn", "down" ─► caller: its commands, one after another
                 ◄── what was wrong ───────        and every few of them `ps`, compared with the kernel
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import traceback

from tests.faults import looks
from tests.faults.host import SCRATCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.faults.host import Host

PATIENCE_S = 300  # a command's, on a machine that has much else to do
LONGEST = 1 << 16  # bytes of an answer
LOOK_EVERY = 3  # containers
REMOVED = "$gone"


class Caller:
    """One process that starts and removes the containers ``names``, each with a number of its own
    by which it has its network and its way to be removed; ``channel`` leads to the process."""

    def __init__(self, host: Host, command: str, names: dict[str, int], networks: tuple[str, ...]) -> None:
        self.host = host
        self.command = command
        self.names = names
        self.networks = networks
        self.ids: dict[str, str] = {}  # of those that run
        self.wrong: list[str] = []
        self.commands = 0
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self.channel.close()
            self._live(theirs)
        theirs.close()

    def _live(self, channel: socket.socket) -> None:
        try:
            while order := channel.recv(64):
                self.commands, self.wrong = 0, []
                try:
                    {b"up": self._up, b"turn": self._turn, b"down": self._down}[order]()
                except BaseException:
                    self.wrong.append(traceback.format_exc())
                text = json.dumps([self.commands, self.wrong])
                channel.send(text.encode()[:LONGEST] if len(text) < LONGEST else b'[0, ["much was wrong"]]')
        finally:
            os._exit(0)

    def _up(self) -> None:
        for name, number in self.names.items():
            self._start(number, name)
        self._look()

    def _turn(self) -> None:
        for position, (name, number) in enumerate(self.names.items()):
            self._remove(number, name)
            if position % LOOK_EVERY == 0:
                self._look()
            self._start(number, name)

    def _down(self) -> None:
        for name, number in self.names.items():
            self._remove(number, name)
        self._look()

    def _start(self, number: int, name: str) -> None:
        network = self.networks[number % len(self.networks)]
        gone = ["--rm"] if number % 3 == 2 else []
        said = self.do("run", "-d", *gone, "--name", name, "--network", network, "busybox", "sleep", "1000")
        if len(said) == 64:
            self.ids[name] = said
        else:
            self.wrong.append(f"run {name}: {said!r}")

    def _remove(self, number: int, name: str) -> None:
        """In one of three ways."""
        ways = [[["rm", "-f"]], [["kill"], ["rm"]], [["stop", "-t", "0"]]]  # --rm does the rest
        for words in ways[number % 3]:
            said = self.do(*words, name)
            if said != name:
                self.wrong.append(f"{' '.join(words)} {name}: {said!r}")
        if processes(self.host, self.ids.pop(name, REMOVED)):
            self.wrong.append(f"{name} was removed, and its processes are there")

    def do(self, *words: str) -> str:
        """The output of a command that must succeed without a word of complaint."""
        self.commands += 1
        out, err, code = run(self.host, self.command, *words)
        if code or err:
            self.wrong.append(f"{' '.join(words)} ended with {code}: {err.strip()}")
        return out.strip()

    def _look(self) -> None:
        """Whether ps and the kernel agree with what this caller has been told of its own containers."""
        lines = self.do("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}}").splitlines()
        listed = {line.split()[0]: line.split()[1:] for line in lines}
        for name in self.names:
            wanted = [self.ids[name], "running"] if name in self.ids else None
            if listed.get(name) != wanted:
                self.wrong.append(f"ps: {name} is {listed.get(name)}, not {wanted}")
            if name in self.ids and len(processes(self.host, self.ids[name])) != 1:
                self.wrong.append(f"{name} has the processes {processes(self.host, self.ids[name])}")


def run(host: Host, command: str, *words: str) -> tuple[str, str, int]:
    """(output, errors, exit code) of a command; killed, and so told, if it does not end."""
    with open(f"{SCRATCH}/out-{os.getpid()}", "w+") as out, open(f"{SCRATCH}/err-{os.getpid()}", "w+") as err:
        started = subprocess.Popen(
            [command, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=host.environment
        )
        try:
            code = started.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.kill(started.pid, signal.SIGKILL)
            code = started.wait()
        out.seek(0)
        err.seek(0)
        return out.read(), err.read(), code


def processes(host: Host, container_id: str) -> set[int]:
    """The pids in a container's control groups, as the kernel has them."""
    found: set[int] = set()
    for folder in host.hierarchies:
        try:
            found.update(map(int, looks.read(f"{folder}/minicontainer/{container_id}/cgroup.procs").split()))
        except OSError:
            continue  # it has no group there, or not any more
    return found
