"""A private containerd, and ctr with its runc shim pointed at a runtime."""

from __future__ import annotations

import shutil
import tempfile

from tests.engines import engine

IMAGE = "docker.io/library/busybox:latest"
CONFIG = """version = 2
root = "{folder}/root"
state = "{short}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{short}/s"
[ttrpc]
address = "{short}/t"
"""


class Containerd(engine.Client):
    """``ctr("tasks", "ls")`` is a command; ``ctr.run(...)`` one with the test's runtime."""

    def __init__(self, folder: str) -> None:
        self.short = tempfile.mkdtemp(prefix="mc-cd-")
        self.folder = folder
        # ctr's containers have the control group /NAMESPACE/ID.
        self.namespace = engine.new_name()
        super().__init__(["ctr", "--address", f"{self.short}/s", "--namespace", self.namespace])
        self.runtime = "minicontainer"
        self.daemon: engine.Daemon | None = None

    def start(self) -> str:
        """Why it does not start here, or ""."""
        config = f"{self.folder}/config.toml"
        with open(config, "w") as file:
            file.write(CONFIG.format(folder=self.folder, short=self.short))
        self.daemon = engine.Daemon(["containerd", "--config", config], f"{self.folder}/log")
        return self.daemon.await_ready(lambda: self("version").code == 0)

    def load(self, archive: str) -> None:
        """Have the image busybox."""
        self.ok("images", "import", archive)

    def words(self, name: str, *words: str, flags: tuple[str, ...] = ()) -> list[str]:
        """``run`` of the test's runtime."""
        runtime = ["--runc-binary", engine.runtime_path(self.runtime), "--runc-root", self.states]
        return ["run", "--runtime", "io.containerd.runc.v2", *runtime, *flags, IMAGE, name, *words]

    def run(self, name: str, *words: str, flags: tuple[str, ...] = (), given: str = "") -> engine.Result:
        """ctr run."""
        return self(*self.words(name, *words, flags=flags), given=given)

    def start_one(self, *words: str, flags: tuple[str, ...] = ()) -> str:
        """ctr run -d, which must succeed: the container's id."""
        name = engine.new_name()
        found = self.run(name, *words, flags=("--detach", *flags))
        assert found.code == 0, found
        return name

    def task(self, name: str) -> tuple[int, str]:
        """The process id and the status that ``ctr tasks ls`` shows; -1 and "" for none."""
        for line in self.ok("tasks", "ls").splitlines():
            found, pid, status = line.split()
            if found == name:
                return int(pid), status
        return -1, ""

    @property
    def states(self) -> str:
        """--root of the runtime, to which the shim adds the namespace."""
        return f"{self.short}/r-{self.runtime}"

    def clear(self) -> None:
        """Remove every container."""
        for name in self.ok("tasks", "ls", "-q").split():
            self.ok("tasks", "rm", "--force", name)
        for name in self.ok("containers", "ls", "-q").split():
            self.ok("containers", "rm", name)

    def stop(self) -> list[int]:
        """The processes that it left."""
        left = self.daemon.stop() if self.daemon else []
        engine.remove_groups(self.namespace)
        shutil.rmtree(self.short)
        return left
