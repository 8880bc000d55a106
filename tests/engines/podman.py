"""podman with storage and state of its own."""

from __future__ import annotations

import shutil
import tempfile

from tests.engines import engine

CONFIG = f"""[containers]
default_ulimits = ["{engine.NOFILE}", "{engine.NPROC}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman(engine.Engine):
    """``podman("ps")`` is a command; ``podman.run(...)`` one without a network."""

    def __init__(self, folder: str) -> None:
        self.short = tempfile.mkdtemp(prefix="mc-pm-")
        self.folder = folder
        with open(f"{folder}/containers.conf", "w") as file:
            file.write(CONFIG)
        super().__init__([], {"CONTAINERS_CONF": f"{folder}/containers.conf"})
        self.parent = engine.new_name()
        self.refusals: dict[str, str] = {}
        self.use("minicontainer")

    def use(self, runtime: str) -> None:
        """Every command from now on has --runtime."""
        self.runtime = engine.runtime_path(runtime)
        self.before = [
            "podman", "--root", f"{self.folder}/root", "--runroot", f"{self.short}/run",
            "--tmpdir", f"{self.short}/tmp", "--runtime", self.runtime,
        ]  # fmt: skip

    def refusal(self, runtime: str) -> str:
        """Why a reference runs nothing at all on this host, or ""; tried once."""
        if runtime not in self.refusals:
            tried = self.run("--rm", "busybox", "true")
            self.refusals[runtime] = "" if tried.code == 0 else tried.err.strip()
        return self.refusals[runtime]

    def words(self, *words: str) -> list[str]:
        """``run``, by default without a network."""
        network = [] if any(w.startswith(("--network", "--pod")) for w in words) else ["--network=none"]
        parent = [] if any(w.startswith("--pod=") for w in words) else [f"--cgroup-parent=/{self.parent}"]
        return ["run", *network, *parent, *words]

    def clear(self) -> None:
        """Remove every pod and container."""
        self.ok("pod", "rm", "--all", "--force", "--time", "0")
        self.ok("rm", "--all", "--force", "--volumes", "--time", "0")

    def stop(self) -> None:
        """Let go of storage and control groups."""
        self("system", "reset", "--force")
        # Where conmon itself was, until the last container's ended.
        engine.remove_groups(self.parent)
        shutil.rmtree(self.short, ignore_errors=True)
