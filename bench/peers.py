"""The others: how each is started, asked for the same thing, and stopped.

All that they keep is below one folder, so nothing of this host's own docker or podman is touched:

    dockerd     its own data, socket, network and mount namespaces; its bridge, packet rules and
                mounts end with it; stopped by its process id
    podman      its own root and runroot, control groups by cgroupfs, events in a file
    runc, crun  their own --root

Some need a hand on some hosts: resource limits without CAP_SYS_RESOURCE, crun beside a v2 hierarchy
that has controllers.  Each is tried as it is first, then with the next adjustment in its list; the
table's head says what was used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time

from bench.measure import Command, Failed, last_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Attempt = tuple[list[str], list[str], str]  # wrapper, limits, remarks

IMAGE = "minicontainer-bench"
# Docker and podman raise these by default, which takes CAP_SYS_RESOURCE.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
# crun refuses a hybrid host whose v2 side has controllers; it is shown one without a v2 side.
HIDE_V2 = [
    "unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup/unified && exec "$@"', "sh"
]  # fmt: skip


class Engine:
    """An engine with docker's command line.  ``remarks`` is what it needed here."""

    def __init__(self, program: Sequence[str], *, environment: dict[str, str] | None = None) -> None:
        self.program = list(program)
        self.environment = environment or {}
        self.wrapper: list[str] = []
        self.limits: list[str] = []
        self.remarks = ""

    def command(self, *words: str, prepare: Sequence[str] = ()) -> Command:
        """``words`` for this engine; after ``run`` come the limits that it needs."""
        head, rest = list(words[:1]), list(words[1:])
        limits = self.limits if head == ["run"] else []
        return Command(
            [*self.program, *head, *limits, *rest],
            wrapper=self.wrapper,
            environment=self.environment,
            prepare=prepare,
        )

    def import_image(self, tar: str) -> None:
        """Make IMAGE of a root file system."""
        self.command("import", tar, IMAGE).must_run()

    def stop(self) -> None:
        """End what runs for it."""


class Docker(Engine):
    """A docker daemon of its own."""

    def __init__(self, folder: str) -> None:
        socket = f"unix://{folder}/docker.sock"
        super().__init__([require("docker")], environment={"DOCKER_HOST": socket})
        require("dockerd")
        os.makedirs(folder)
        script = 'ip link set lo up; exec dockerd "$@"'
        where = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-H", socket]
        where += ["--pidfile", f"{folder}/pid", "--bip", "172.31.250.1/24"]
        self.log = f"{folder}/log"
        with open(self.log, "wb") as log:
            self.daemon = subprocess.Popen(
                ["unshare", "--net", "--mount", "sh", "-c", script, "sh", *where],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._await()
        except BaseException:
            self.stop()
            raise

    def _await(self) -> None:
        deadline = time.monotonic() + 30
        while self.command("version").run().returncode:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                with open(self.log) as log:
                    raise Failed(f"dockerd did not start: {last_line(log.read())}")
            time.sleep(0.2)

    def adjust(self) -> None:
        """Find the limits with which it runs here."""
        _adjust(self, [([], [], ""), ([], LIMITS, "with --ulimit")])

    def stop(self) -> None:
        """End the daemon, and with it its namespaces."""
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()


class Podman(Engine):
    """Podman with a store of its own."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.base = [require("podman"), "--root", f"{folder}/root", "--runroot", f"{folder}/run"]
        self.base += ["--tmpdir", f"{folder}/tmp", "--cgroup-manager=cgroupfs", "--events-backend=file"]
        super().__init__(self.base)

    def adjust(self) -> None:
        """Find the runtime and the limits with which it runs here."""
        attempts: list[Attempt] = [([], [], ""), ([], LIMITS, "with --ulimit")]
        if os.path.isdir("/sys/fs/cgroup/unified"):
            attempts.append((HIDE_V2, LIMITS, "with --ulimit, the v2 hierarchy hidden from crun"))
        try:
            _adjust(self, attempts)
        except Failed:
            self.program = [*self.base, f"--runtime={require('runc')}"]
            _adjust(self, [([], [], "by runc"), ([], LIMITS, "by runc, with --ulimit")])

    def stop(self) -> None:
        """Empty its store, and undo the mount that podman leaves on it."""
        self.command("rmi", "--all", "--force").run()
        Command(["umount", f"{self.folder}/root/overlay"]).run()


def _adjust(engine: Engine, attempts: Sequence[Attempt]) -> None:
    reason = ""
    for engine.wrapper, engine.limits, engine.remarks in attempts:  # the last one stays
        ran = engine.command("run", "--rm", "--network", "none", IMAGE, "true").run()
        if ran.returncode == 0:
            return
        reason = last_line(ran.stderr)
    raise Failed(reason)


class Runtime:
    """An OCI runtime's command line, with a folder of its own for its state."""

    __slots__ = ("name", "words", "wrapper")

    def __init__(self, name: str, words: list[str], wrapper: list[str]) -> None:
        self.name = name
        self.words = words
        self.wrapper = wrapper

    def command(self, *words: str) -> Command:
        """One of its verbs."""
        return Command([*self.words, *words], wrapper=self.wrapper)


def oci_runtimes(ours: str, folder: str, bundle: str) -> tuple[list[Runtime], dict[str, str]]:
    """``ours`` (a path), runc and crun, where they run ``bundle``; and why the others do not.

    On a hybrid host that crun refuses, no runtime is shown the v2 hierarchy: the comparison is fair.
    """
    found: list[Runtime] = []
    missing: dict[str, str] = {}
    for wrapper in ([], HIDE_V2):
        found, missing = [], {}
        for name in (ours, "runc", "crun"):
            runtime = Runtime(
                os.path.basename(name), [name, "--root", f"{folder}/state-{os.path.basename(name)}"], wrapper
            )
            try:
                runtime.command("run", "--bundle", bundle, "trial").must_run()
                found.append(runtime)
            except (Failed, OSError) as error:
                missing[runtime.name] = str(error)
        if "crun" not in missing or shutil.which("crun") is None:
            break
    return found, missing


def runtimes(bundle: str, folder: str) -> tuple[dict[str, Command], dict[str, str]]:
    """Whatever runs the same bundle, or its root, in one command; and why the others do not."""
    root = f"{bundle}/rootfs"
    oci = {
        name: [name, "--root", f"{folder}/{name}", "run", "--bundle", bundle, name]
        for name in ("runc", "crun")
    }
    candidates = {
        "unshare": [["unshare", "-muinpC", "--fork", "chroot", root, "/bin/true"]],
        "runc": [oci["runc"]],
        "crun": [oci["crun"], [*HIDE_V2, *oci["crun"]]],
        "bwrap": [
            ["bwrap", "--unshare-all", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
        ],
    }
    found, missing = {}, {}
    for name, ways in candidates.items():
        if shutil.which(name) is None:
            missing[name] = "not installed"
            continue
        for words in ways:
            wrapper, rest = (
                (words[: len(HIDE_V2)], words[len(HIDE_V2) :]) if words[0:1] != [name] else ([], words)
            )
            command = Command(rest, wrapper=wrapper)
            ran = command.run()
            if ran.returncode == 0:
                found[name] = command
                break
            missing[name] = last_line(ran.stderr)
    return found, {name: reason for name, reason in missing.items() if name not in found}


def groups() -> set[str]:
    """The control groups in which docker and podman put their containers, in every hierarchy."""
    import glob

    return {
        folder
        for name in ("docker", "libpod_parent")
        for pattern in (f"/sys/fs/cgroup/{name}", f"/sys/fs/cgroup/*/{name}")
        for folder in glob.glob(pattern)
    }


def remove_groups(left: set[str]) -> None:
    """Remove what they leave behind; rmdir(2) refuses any that still holds a process."""
    for folder in left:
        for below, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(below)


def require(program: str) -> str:
    """The path of a program.  Raises Failed when it is not installed."""
    path = shutil.which(program)
    if path is None:
        raise Failed(f"{program} is not installed")
    return path
