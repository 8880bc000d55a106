"""A private dockerd, and docker's client for it."""

from __future__ import annotations

import json
import os
import tempfile

from tests.engines import engine


class Docker(engine.Engine):
    """``docker("ps")`` is a command; ``docker.run(...)`` one with the test's runtime."""

    def __init__(self, folder: str) -> None:
        # Its sockets' paths must be short (unix(7): 108 bytes).
        self.short = tempfile.mkdtemp(prefix="mc-dk-")
        self.folder = folder
        self.socket = f"unix://{self.short}/s"
        super().__init__(["docker"], {"DOCKER_HOST": self.socket, "DOCKER_CONFIG": folder})
        self.runtime = "minicontainer"
        self.parent = engine.new_name()
        self.daemon: engine.Daemon | None = None

    def start(self) -> str:
        """Why it does not start here, or ""."""
        words = [
            "dockerd", "-H", self.socket,
            "--data-root", f"{self.folder}/data", "--exec-root", f"{self.short}/x",
            "--pidfile", f"{self.short}/pid", "--config-file", f"{self.folder}/daemon.json",
            "--cgroup-parent", f"/{self.parent}", "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--default-ulimit", engine.NOFILE,
        ]  # fmt: skip
        with open(f"{self.folder}/daemon.json", "w") as file:
            runtimes = {"minicontainer": {"path": engine.ours()}}
            json.dump({"runtimes": runtimes, "default-runtime": "minicontainer"}, file)
        self.daemon = engine.Daemon(words, f"{self.folder}/log")
        return self.daemon.await_ready(lambda: self("version").code == 0)

    def words(self, *words: str) -> list[str]:
        """``run`` of the test's runtime, by default without a network."""
        network = [] if any(word.startswith("--network") for word in words) else ["--network=none"]
        return ["run", f"--runtime={self.runtime}", *network, *words]

    @property
    def states(self) -> str:
        """--root of the runtime."""
        return f"{self.short}/x/runtime-runc/moby"

    def clear(self) -> None:
        """Remove every container."""
        found = self.ok("ps", "-aq").split()
        if found:
            self.ok("rm", "-f", "-v", *found)

    def stop(self) -> list[int]:
        """The processes that it left."""
        import shutil

        left = self.daemon.stop() if self.daemon else []
        engine.remove_groups(self.parent)
        shutil.rmtree(self.short)
        assert not os.path.exists(self.short)
        return left
