"""What is compared with what, and the table.

    python -m bench [--runs N] [--only COMPARISON|GROUP ...]

A ratio is minicontainer's time by the other's; below 1, minicontainer is faster (of containers per second
it is the other's by minicontainer's, so that this holds).  Each time is a median, and the commands of one
block take turns.  Missing peers are named, and leave their rows out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys

from bench import life, peers, running
from bench.measure import Command, Failed, alternating, library, times
from bench.peers import IMAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = "minicontainer"
RUNTIME = "minicontainer-runtime"
CHANGE = 200  # MB that the commit comparison writes
FEW = 100  # running containers that the ps comparison lists
MANY = 500  # created containers that the list comparison lists
RUNNING = 50  # containers that the memory comparison starts
LIVES = 100  # containers that the churn comparison runs
CALLERS = 8  # at once

# What is measured, in this order.
GROUPS = {
    "run": ["none", "bridge", "library", "runtime"],
    "life": ["exec", "start", "stop", "rm", "list", "churn"],
    "cost": ["ps", "memory", "log"],
    "image": ["commit"],
}

NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
MOUNTS = [  # those of `runc spec`, without the cgroup file system (ten mounts more on a v1 host)
    ("/proc", "proc", []),
    ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
]


class Bench:
    """One run: the folder that holds everything, the engines that answered, the tar they all import."""

    def __init__(self, folder: str, runs: int) -> None:
        self.folder = folder
        self.runs = runs
        self.tar = f"{folder}/busybox.tar"
        self.engines: dict[str, peers.Engine] = {}
        self.missing: dict[str, str] = {}
        self.groups = peers.groups()

    def build(self) -> None:
        """Build the root file system, and start the engines that are installed."""
        recipe = os.path.join(PROJECT, "rootfs", "busybox", "build")
        subprocess.run([sys.executable, recipe, self.tar], check=True)
        self._add(OURS, self._ours)
        self._add("docker", lambda: peers.Docker(f"{self.folder}/docker"))
        self._add("podman", lambda: peers.Podman(f"{self.folder}/podman"))

    def _ours(self) -> peers.Engine:
        program = os.path.join(os.path.dirname(sys.executable), OURS)
        places = {"MINICONTAINER_ROOT": f"{self.folder}/root", "MINICONTAINER_RUN_ROOT": f"{self.folder}/run"}
        return peers.Engine([program], environment=places)

    def _add(self, name: str, make: Callable[[], peers.Engine]) -> None:
        try:
            engine = self.engines[name] = make()
            engine.import_image(self.tar)
            if isinstance(engine, (peers.Docker, peers.Podman)):
                engine.adjust()
        except (Failed, OSError) as error:
            self.missing[name] = str(error)
            if gone := self.engines.pop(name, None):
                gone.stop()

    def end(self) -> None:
        """End what was started."""
        for engine in self.engines.values():
            engine.stop()
        peers.remove_groups(peers.groups() - self.groups)

    # -- the comparisons

    def none(self) -> None:
        """A container without a network."""
        measured = alternating(self._each("run", "--rm", "--network", "none", IMAGE, "true"), self.runs)
        table("run --rm --network none busybox true", measured, {"docker": 0.35, "podman": 1.0})

    def bridge(self) -> None:
        """A container on the bridge.  Podman's would leave its bridge on this host, so it is left out."""
        commands = self._each("run", "--rm", IMAGE, "true")
        commands.pop("podman", None)
        table("run --rm busybox true, on the bridge", alternating(commands, self.runs), {"docker": 0.6})

    def library(self) -> None:
        """The same bundle by the library in a running process, and by those that are commands."""
        bundle = self._bundle()
        commands, missing = peers.runtimes(bundle, self.folder)
        self.missing.update(missing)
        measured = {OURS: library(bundle, f"{self.folder}/library", self.runs)}
        measured.update(alternating(commands, self.runs))
        table("a bundle: create, start, wait, delete", measured, {"unshare": 3.0})

    def runtime(self) -> None:
        """minicontainer-runtime and the others, with the bundle that `runc spec` writes."""
        program = os.path.join(os.path.dirname(sys.executable), RUNTIME)
        bundle = self._usual_bundle()
        found, missing = peers.oci_runtimes(program, self.folder, bundle)
        self.missing.update(missing)
        measured = alternating(
            {each.name: each.command("run", "--bundle", bundle, "once") for each in found}, 2 * self.runs
        )
        table("run of runc spec's bundle, with true", measured, {"runc": 1.0, "crun": 1.8}, RUNTIME)
        with open(f"{bundle}/config.json") as file:
            config = json.load(file)
        config["process"]["args"] = ["sleep", "1000"]
        with open(f"{bundle}/config.json", "w") as file:
            json.dump(config, file)
        try:
            for each in found:
                each.command("run", "--detach", "--bundle", bundle, "stays").must_run_apart()
            for verb in (["state", "stays"], ["kill", "stays", "CONT"]):
                measured = alternating({each.name: each.command(*verb) for each in found}, self.runs)
                table(" ".join(verb), measured, {"runc": 2.0}, RUNTIME)
        finally:
            for each in found:
                each.command("delete", "--force", "stays").run()

    def _usual_bundle(self) -> str:
        bundle = f"{self.folder}/usual"
        os.makedirs(f"{bundle}/rootfs")
        subprocess.run(["tar", "-xpf", self.tar, "-C", f"{bundle}/rootfs"], check=True)
        Command(["runc", "spec", "--bundle", bundle]).must_run()
        with open(f"{bundle}/config.json") as file:
            config = json.load(file)
        config["process"].update(terminal=False, args=["true"])
        with open(f"{bundle}/config.json", "w") as file:
            json.dump(config, file)
        return bundle

    def ps(self) -> None:
        """ps beside many containers."""
        ours = self.engines[OURS]
        none = statistics.median(times(ours.command("ps"), self.runs))
        try:
            for _ in range(FEW):
                ours.command("run", "-d", "--network", "none", IMAGE, "sleep", "3600").must_run()
            many = statistics.median(times(ours.command("ps"), self.runs))
        finally:
            if ids := ours.command("ps", "-aq").must_run().split():
                ours.command("rm", "-f", *ids).must_run()
        table(f"ps with {FEW} containers", {OURS: many, "with none": none}, {"with none": 1.5})

    def exec(self) -> None:
        """One more process in a container that runs."""
        with life.one(self._both(), IMAGE, *life.SLEEPS):
            measured = alternating(life.executing(self._both()), self.runs)
        table("exec CONTAINER true", measured, {"docker": 0.5})

    def start(self) -> None:
        """A container that has ended runs again."""
        with life.one(self._both(), IMAGE, *life.SLEEPS):
            for engine in self._both().values():
                engine.command("start", life.NAME).must_run()
            measured = alternating(life.starting(self._both()), self.runs)
        table("start of a container that has ended", measured, {"docker": 1.0})

    def stop(self) -> None:
        """The end of a program that obeys, and has run for a while."""
        with life.one(self._both(), IMAGE, *life.OBEYS):
            measured = alternating(life.stopping(self._both()), min(self.runs, 10), warmup=0)
        table("stop of a program that obeys", measured, {"docker": 1.0})

    def rm(self) -> None:
        """A container goes."""
        table("rm", alternating(life.removing(self._both(), IMAGE), self.runs), {"docker": 1.0})

    def list(self) -> None:
        """Many containers in one list."""
        with life.many(self._both(), IMAGE, MANY) as commands:
            measured = alternating(commands, self.runs)
        table(f"ps -a with {MANY} containers", measured, {"docker": 1.0})

    def churn(self) -> None:
        """Containers per second."""
        for callers in (1, CALLERS):
            rates = {name: life.lives(engine, IMAGE, LIVES, callers) for name, engine in self.engines.items()}
            who = "one after another" if callers == 1 else f"by {callers} callers at once"
            table(f"{LIVES} times run --rm --network none true, {who}", rates, {"docker": 1.0}, unit="/s")

    def commit(self) -> None:
        """commit of a change of many megabytes that no compression makes smaller."""
        commands = {}
        target = f"{IMAGE}-changed"
        for name in (OURS, "docker"):
            if engine := self.engines.get(name):
                words = ("--name", "bench-commit", "--network", "none", IMAGE, "sleep", "3600")
                engine.command("run", "-d", *words).must_run()
                fill = ("dd", "if=/dev/urandom", "of=/big", "bs=1M", f"count={CHANGE}")
                engine.command("exec", "bench-commit", *fill).must_run()
                forget = ["sh", "-c", '"$@" 2>/dev/null; sync', "sh", *engine.command("rmi", target).words]
                commands[name] = engine.command("commit", "bench-commit", target, prepare=forget)
        try:
            measured = alternating(commands, 6)
        finally:
            for name in commands:
                self.engines[name].command("rm", "-f", "bench-commit").must_run()
        table(f"commit of a {CHANGE} MB change", measured, {"docker": 1.0})

    def memory(self) -> None:
        """What stands between the engine and a container's program, with many of them."""
        sizes, times = {}, {}
        for name, engine in self._both().items():
            sizes[name], times[name] = running.memory(engine, IMAGE, RUNNING)
        table(f"memory of a monitor, of {RUNNING} (PSS)", sizes, {"docker": 1.0}, unit="kB")
        table(
            f"processor time of an idle monitor in {running.IDLE_S:.0f} s", times, {"docker": 1.0}, unit="us"
        )

    def log(self) -> None:
        """A gigabyte of lines, and then the last ten of them."""
        name = "bench-log"
        written = {}
        try:
            for which in self._both():
                written[which] = running.write(self.engines[which], IMAGE, name)
            table("a program that writes 1 GB in lines of 80 characters", written, {"docker": 1.0})
            tails = {which: running.tail(self.engines[which], name) for which in written}
            table("logs --tail 10 of that", alternating(tails, self.runs), {"docker": 1.0})
        finally:
            for which in written:
                self.engines[which].command("rm", "-f", name).run()

    def _both(self) -> dict[str, peers.Engine]:
        return {name: self.engines[name] for name in (OURS, "docker") if name in self.engines}

    def _each(self, *words: str) -> dict[str, Command]:
        return {name: engine.command(*words) for name, engine in self.engines.items()}

    def _bundle(self) -> str:
        bundle = f"{self.folder}/bundle"
        os.makedirs(f"{bundle}/rootfs")
        subprocess.run(["tar", "-xpf", self.tar, "-C", f"{bundle}/rootfs"], check=True)
        with open(f"{bundle}/config.json", "w") as file:
            json.dump(spec(), file)
        return bundle


def spec() -> dict[str, object]:
    """A config.json like that of ``runc spec``, for ``true``, without a terminal and the cgroup mount."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs"},
        "hostname": "bench",
        "mounts": [
            {"destination": where, "type": kind, "source": kind, "options": options}
            for where, kind, options in MOUNTS
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": name} for name in NAMESPACES],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


def table(
    title: str,
    measured: dict[str, float],
    targets: dict[str, float],
    our_name: str = OURS,
    *,
    unit: str = "ms",
) -> None:
    """Print one block: time (given in seconds), size or rate, ratio, target, and whether it was met."""
    scale = {"ms": 1e3, "us": 1e6}.get(unit, 1)
    say(f"\n{title}")
    ours = measured.get(our_name)
    for name, value in measured.items():
        line = f"  {name:22}{value * scale:9.1f} {unit}"
        if ours is not None and value and name != our_name:
            ratio = value / ours if unit == "/s" else ours / value
            line += f"   ratio {ratio:6.2f}"
            if name in targets:
                verdict = "met" if ratio <= targets[name] else "MISSED"
                line += f"   target <= {targets[name]:.2f}   {verdict}"
        say(line)


def say(line: str) -> None:
    """One line, at once: the next may take a while."""
    print(line, flush=True)


def main() -> None:
    """Measure and print.  A target that is missed is printed, and is no failure."""
    comparisons = [name for names in GROUPS.values() for name in names]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="runs of each command (default 20)")
    parser.add_argument("--only", nargs="+", choices=[*GROUPS, *comparisons], default=list(GROUPS))
    options = parser.parse_args()
    folder = os.path.join(PROJECT, ".cache", "bench", str(os.getpid()))
    os.makedirs(folder)
    bench = Bench(folder, options.runs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    try:
        bench.build()
        for name, engine in bench.engines.items():
            say(f"{name}: {engine.remarks or 'as it is'}")
        for name in [name for word in options.only for name in GROUPS.get(word, [word])]:
            try:
                getattr(bench, name)()
            except (Failed, KeyError) as error:
                say(f"\n{name}: not measured: {error}")
        for name, reason in bench.missing.items():
            say(f"\nleft out: {name}: {reason}")
    finally:
        bench.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
