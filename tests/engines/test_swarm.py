"""A swarm of one node, dockerd's, with two services whose tasks minicontainer-runtime runs."""

from __future__ import annotations

import pytest

from tests.engines import engine
from tests.engines.docker import Docker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.needs("command:dockerd", "command:docker", "command:containerd-shim-runc-v2"),
    pytest.mark.timeout(600),  # for what another daemon's reconciliation takes
]


@pytest.fixture(scope="module")
def swarm(dockerd: Docker) -> Iterator[Docker]:
    """The manager; tasks take the daemon's default runtime."""
    dockerd.ok("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1")
    yield dockerd
    dockerd.ok("swarm", "leave", "--force")
    dockerd.clear()


def create(docker: Docker, name: str, *words: str) -> None:
    """docker service create; the image is this node's alone."""
    docker.ok(
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--stop-grace-period",
        "1s",
        "--name",
        name,
        *words,
    )


def tasks(docker: Docker, service: str) -> list[str]:
    """The containers of a service's running tasks."""
    label = f"label=com.docker.swarm.service.name={service}"
    return docker.ok("ps", "-q", "--no-trunc", "--filter", label, "--filter", "status=running").split()


def await_tasks(docker: Docker, service: str, count: int) -> list[str]:
    """As many running tasks, no more and no less."""
    engine.until(lambda: len(tasks(docker, service)) == count, f"{service} has {count} tasks")
    return tasks(docker, service)


def test_two_services(swarm: Docker) -> None:
    create(swarm, "web", "--replicas", "2", "--limit-memory", "32M", "busybox", "sleep", "1000")
    create(swarm, "job", "--replicas", "1", "--env", "N=7", "busybox", "sh", "-c", "echo n is $N; sleep 1000")
    try:
        web, job = await_tasks(swarm, "web", 2), await_tasks(swarm, "job", 1)
        for container in web + job:
            assert swarm.inspect(container)["HostConfig"]["Runtime"] == "minicontainer"
            assert engine.state_by(engine.ours(), swarm.states, container)["status"] == "running"
        limit = engine.control(swarm.pid(web[0]), "memory", "memory.limit_in_bytes", "memory.max")
        assert int(limit) == 32 << 20
        engine.until(lambda: swarm.ok("service", "logs", "--raw", "job") == "n is 7", "the service's log")

        swarm.ok("service", "scale", "--detach", "web=3")
        await_tasks(swarm, "web", 3)
        swarm.ok("service", "scale", "--detach", "web=1")
        (kept,) = await_tasks(swarm, "web", 1)

        swarm.ok("kill", kept)  # the swarm starts another, because one is desired
        engine.until(lambda: tasks(swarm, "web") not in ([], [kept]), "a task in its place")
    finally:
        swarm.ok("service", "rm", "web", "job")
    await_tasks(swarm, "web", 0)
    await_tasks(swarm, "job", 0)


def test_rolling_update(swarm: Docker) -> None:
    create(swarm, "app", "--replicas", "2", "--env", "V=1", "busybox", "sleep", "1000")
    try:
        before = await_tasks(swarm, "app", 2)
        swarm.ok(
            "service",
            "update",
            "--detach",
            "--no-resolve-image",
            "--update-delay",
            "0s",
            "--env-add",
            "V=2",
            "app",
        )

        def updated() -> bool:
            now = tasks(swarm, "app")
            return len(now) == 2 and not set(now) & set(before)

        engine.until(updated, "both tasks are new")
        for container in tasks(swarm, "app"):
            assert swarm.ok("exec", container, "sh", "-c", "echo $V") == "2"
    finally:
        swarm.ok("service", "rm", "app")
    await_tasks(swarm, "app", 0)


def test_services_find_each_other_on_an_overlay_network(swarm: Docker) -> None:
    made = swarm("network", "create", "--driver", "overlay", "--attachable", "between")
    if made.code:
        pytest.skip(f"no overlay network here: {made.err.strip()}")
    create(swarm, "server", "--network", "between", "busybox", "sleep", "1000")
    create(swarm, "client", "--network", "between", "busybox", "sleep", "1000")
    try:
        (client,), (server,) = await_tasks(swarm, "client", 1), await_tasks(swarm, "server", 1)
        address = swarm.inspect(server)["NetworkSettings"]["Networks"]["between"]["IPAddress"]
        look = ("exec", client, "nslookup", "-type=a", "tasks.server", "127.0.0.11")
        engine.until(lambda: f"Address: {address}\n" in swarm(*look).out, f"tasks.server is {address}")
        assert address in swarm.ok("exec", server, "ip", "addr")
    finally:
        swarm.ok("service", "rm", "server", "client")
        await_tasks(swarm, "server", 0)
        await_tasks(swarm, "client", 0)
        swarm("network", "rm", "between")
