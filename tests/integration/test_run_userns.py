"""run --userns: the container's ids are others on the host, and its files are not copied for that.

/etc/subuid and /etc/subgid are the tests' own, mounted over the host's in the tests' namespaces.
"""

from __future__ import annotations

import json
import os
import shutil

import pytest

from tests.integration.over import over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")
FIRST = 300_000
MAPPED = ("--uidmap", f"0:{FIRST}:65536", "--gidmap", f"0:{2 * FIRST}:65536")

pytestmark = pytest.mark.needs("user namespace", "id-mapped mounts")


@pytest.fixture
def subordinate(mc: Runner, tmp_path: Path) -> Iterator[str]:
    """Room for two containers of 65536 ids, and a little."""
    made = tmp_path / "subordinate"
    made.write_text(f"other:1:2\ncontainers:{FIRST}:100000\ncontainers:1000000:70000\n")
    with over(mc.host, "/etc/subuid", str(made)), over(mc.host, "/etc/subgid", str(made)):
        yield str(made)


def background(mc: Runner, name: str, *options: str) -> int:
    """Start a container that stays; the pid of its program."""
    mc.ok("run", "-d", "--name", name, "--network", "none", *options, "busybox", "sleep", "1000")
    return mc.pid(name)


def test_root_inside_is_nobody_outside(mc: Runner) -> None:
    pid = background(mc, "box", *MAPPED)
    assert mc.ok("exec", "box", "id", "-u") == "0"
    assert mc.host.sh(f"stat -c %u:%g /proc/{pid}").strip() == f"{FIRST}:{2 * FIRST}"
    assert mc.host.sh(f"readlink /proc/{pid}/ns/user") != mc.host.sh("readlink /proc/self/ns/user")
    shown = mc.ok("exec", "box", "cat", "/proc/self/uid_map", "/proc/self/gid_map").split()
    assert shown == ["0", str(FIRST), "65536", "0", str(2 * FIRST), "65536"]


def test_files_have_the_ids_of_the_image_inside(mc: Runner) -> None:
    look = ("busybox", "stat", "-c", "%u:%g %a %n", "/", "/root", "/tmp", "/bin/busybox", "/etc/passwd")
    plain = mc.ok(*RUN, *look)
    mapped = mc.ok(*RUN, *MAPPED, *look)
    assert mapped == plain


@pytest.mark.parametrize("user", ["0", "33", "nobody:mail"])
def test_standard_streams_and_own_files(mc: Runner, user: str) -> None:
    script = "cat; echo out > /dev/stdout; echo err > /dev/stderr; cd /tmp && touch mine && rm mine"
    ran = mc(*RUN, "-i", *MAPPED, "-u", user, "busybox", "sh", "-c", script, input=b"in\n")
    assert (ran.code, ran.out, ran.err) == (0, "in\nout\n", "err\n")


def test_a_terminal(mc: Runner) -> None:
    with mc.terminal("run", "--rm", "-it", "--network", "none", *MAPPED, "busybox", "sh") as terminal:
        terminal.type("stat -c %u:%g $(tty) && exit 7\n")
        terminal.expect("0:5")
        assert terminal.wait() == 7


def test_what_docker_mounts_is_there_and_writable_by_root(mc: Runner) -> None:
    script = "echo friend >> /etc/hosts && grep -c friend /etc/hosts; ls -d /dev/pts/ptmx /sys/class /proc/1"
    shown = mc.ok(*RUN, *MAPPED, "--hostname", "inside", "busybox", "sh", "-c", f"hostname; {script}").split()
    assert shown == ["inside", "1", "/dev/pts/ptmx", "/proc/1", "/sys/class"]


def test_the_working_folder_is_made_by_root(mc: Runner) -> None:
    assert mc.ok(*RUN, *MAPPED, "-w", "/srv/a/b", "busybox", "stat", "-c", "%u:%g", ".") == "0:0"


def test_the_host_s_files_are_out_of_reach(mc: Runner, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    tmp_path.chmod(0o755)
    bound = ("-v", f"{tmp_path}:/mnt")
    assert mc.ok(*RUN, *bound, "busybox", "cat", "/mnt/secret") == "secret"
    refused = mc(*RUN, *MAPPED, *bound, "busybox", "cat", "/mnt/secret")
    assert (refused.code, "Permission denied" in refused.err) == (1, True)


@pytest.mark.needs("controller:pids")
def test_limits_and_network(mc: Runner) -> None:
    script = "ip link set lo down && cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null"
    words = ("--pids-limit", "20", "--cap-add", "NET_ADMIN", "busybox", "sh", "-c", f"{script}; exit 0")
    assert mc.ok(*RUN, *MAPPED, *words) == "20"


@pytest.mark.needs("nat")
def test_on_the_bridge(mc: Runner) -> None:
    shown = mc.ok("run", "--rm", *MAPPED, "busybox", "ip", "-o", "-4", "addr")
    assert "eth0" in shown


def test_committed_as_the_container_sees_it(mc: Runner) -> None:
    script = (
        "mkdir /made; touch /made/own /made/of33; chown 33:44 /made/of33; chown 5 /etc/passwd; rm /bin/ls"
    )
    mc.ok("run", "--name", "box", "--network", "none", *MAPPED, "busybox", "sh", "-c", script)
    mc.ok("commit", "box", "changed")
    expected = "0:0 /made\n0:0 /made/own\n33:44 /made/of33\n5:0 /etc/passwd"
    look = ("changed", "stat", "-c", "%u:%g %n", "/made", "/made/own", "/made/of33", "/etc/passwd")
    assert mc.ok(*RUN, *look) == expected
    assert mc.ok(*RUN, "--uidmap", "0:900000:1000", *look) == expected
    assert mc(*RUN, "changed", "test", "-e", "/bin/ls").code == 1


def test_started_again(mc: Runner) -> None:
    """The writable layer is on disk with the image's ids, whoever mapped it before."""
    mc.ok("run", "--name", "box", "--network", "none", *MAPPED, "busybox", "sh", "-c", "echo one > /note")
    assert os.stat(f"{mc.root}/containers/{mc.ok('inspect', '-f', '{{.Id}}', 'box')}/upper/note").st_uid == 0


def test_automatic_ids_never_overlap(mc: Runner, subordinate: str) -> None:
    ids = [ids_on_host_of(mc, background(mc, name, "--userns", "auto")) for name in ("box1", "box2")]
    assert ids == [FIRST, 1_000_000]
    refused = mc(*RUN, "--userns", "auto", "busybox", "true")
    assert (refused.code, "could not find enough available UIDs" in refused.err) == (125, True)
    small = background(mc, "box3", "--userns", "auto:size=2000")
    assert ids_on_host_of(mc, small) == FIRST + 65536
    mc.ok("rm", "-f", "box1")
    assert ids_on_host_of(mc, background(mc, "box4", "--userns", "auto")) == FIRST
    maps = [json.loads(mc.ok("inspect", "-f", "{{json .HostConfig}}", name)) for name in ("box2", "box3")]
    assert [one["UsernsMode"] for one in maps] == ["auto", "auto:size=2000"]
    assert maps[1]["IDMappings"]["UidMap"] == [f"0:{FIRST + 65536}:2000"]


def ids_on_host_of(mc: Runner, pid: int) -> int:
    return int(mc.host.sh(f"stat -c %u /proc/{pid}"))


def test_nobody_gave_subordinate_ids(mc: Runner, tmp_path: Path, subordinate: str) -> None:
    with open(subordinate, "w") as file:
        file.write("someone:1:2\n")
    refused = mc(*RUN, "--userns", "auto", "busybox", "true")
    assert (refused.code, 'Cannot find mappings for user "containers"' in refused.err) == (125, True)


def test_devices_are_bound(mc: Runner) -> None:
    script = "stat -c %t:%T /dev/nil /dev/null; head -c 2 /dev/nil | wc -c; mknod /tmp/d c 1 3"
    ran = mc(*RUN, *MAPPED, "--device", "/dev/zero:/dev/nil", "busybox", "sh", "-c", script)
    assert ran.out.split() == ["1:5", "1:3", "2"]
    assert "not permitted" in ran.err


def test_a_volume_with_the_container_s_owners(mc: Runner, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    look = ("busybox", "sh", "-c", "stat -c %u:%g /mnt; touch /mnt/new && stat -c %u:%g /mnt/new")
    plain = mc(*RUN, *MAPPED, "-v", f"{shared}:/mnt", *look)
    assert (plain.code, plain.out) == (1, "65534:65534\n")
    assert mc.ok(*RUN, *MAPPED, "-v", f"{shared}:/mnt:idmap", *look) == "0:0\n0:0"
    assert os.stat(shared / "new").st_uid == 0


def test_another_container_s_user_namespace(mc: Runner) -> None:
    background(mc, "donor", *MAPPED, "--ipc", "shareable")
    mc.ok("exec", "donor", "sh", "-c", "echo shared > /dev/shm/note")
    options = [f"--{kind}=container:donor" for kind in ("userns", "ipc", "pid", "uts")]
    spaces = "for kind in user ipc pid uts; do readlink /proc/self/ns/$kind; done"
    script = f"cat /dev/shm/note; touch /mine; stat -c %u /mine; ps; {spaces}"
    shown = mc.ok(*RUN, *options, "busybox", "sh", "-c", script).splitlines()
    assert shown[:2] == ["shared", "0"]
    assert any("sleep 1000" in line for line in shown)
    theirs = mc.ok("exec", "donor", "sh", "-c", spaces).splitlines()
    assert shown[-4:] == theirs
    alone = mc.ok(*RUN, options[0], "busybox", "sh", "-c", spaces).splitlines()
    assert [one == other for one, other in zip(alone, theirs, strict=True)] == [True, False, False, False]


@pytest.fixture
def without_overlay(mc: Runner) -> Iterator[None]:
    """The root works with the other driver."""
    path = f"{mc.root}/layers/driver"
    with open(path) as file:
        before = file.read()
    with open(path, "w") as file:
        file.write(before.replace("overlay", "vfs"))
    yield
    with open(path, "w") as file:
        file.write(before)
    shutil.rmtree(f"{mc.root}/layers/vfs")


@pytest.mark.parametrize("options", [(), MAPPED], ids=["plain", "mapped"])
def test_layers_that_are_copied(mc: Runner, without_overlay: None, options: tuple[str, ...]) -> None:
    """And a container of theirs goes with --rm, though what is mounted there is of the same file system."""
    script = "stat -c %u:%g /etc; touch /x; chown 5:6 /x; stat -c %u:%g /x"
    assert mc.ok(*RUN, *options, "busybox", "sh", "-c", script) == "0:0\n5:6"
    assert [name for name in os.listdir(f"{mc.root}/containers") if name != ".names"] == []


def test_refused_at_any_step_of_the_mapping(mc: Runner, tmp_path: Path) -> None:
    """One line, exit status 125, and nothing left."""
    listed = tmp_path / "steps"
    mc.ok(*RUN, *MAPPED, "busybox", "true", env={"MINICONTAINER_FAULT": f"list:{listed}"})
    steps = [
        line.split()[1].partition("#")[0]
        for line in listed.read_text().splitlines()
        if line[:8] == "monitor:"
    ]
    last = max(number for number, name in enumerate(steps, 1) if name == "setfsuid")
    for number in range(steps.index("clone3") + 1, last):
        refused = mc(*RUN, *MAPPED, "busybox", "true", env={"MINICONTAINER_FAULT": f"monitor:{number}:EPERM"})
        assert (refused.code, len(refused.err.splitlines())) == (125, 1), (steps[number - 1], refused)
        assert mc.ok("ps", "-aq") == ""


REFUSED = {
    ("--userns", "private"): "must provide at least one UID or GID mapping",
    ("--userns", "nonsense"): "invalid userns mode",
    ("--userns", "auto:colour=blue"): "there is size=N",
    ("--userns", "auto", "--uidmap", "0:1:1"): "cannot use --uidmap and --gidmap with --userns auto",
    ("--uidmap", "1:2:3"): "the container's id 0 must be mapped",
    ("--uidmap", "0:1:5", "--uidmap", "4:9:2"): "id 4 in the container is mapped twice",
    ("--uidmap", "0:1:5", "--uidmap", "9:4:2"): "id 4 on the host is mapped twice",
    ("--uidmap", "nonsense"): "CONTAINER:HOST[:SIZE]",
    ("--uidmap", "0:1:9", "--privileged"): "privileged mode is incompatible with user namespaces",
    ("--uidmap", "0:1:9", "--network", "host"): "cannot share the host's network namespace",
    ("--uidmap", "0:1:9", "--pid", "host"): "cannot share the host PID namespace",
    ("--userns", "container:nobody"): "No such container: nobody",
    ("-v", "/tmp:/mnt:idmap"): "give --userns or --uidmap",
}  # fmt: skip


@pytest.mark.parametrize("options", list(REFUSED), ids=lambda options: " ".join(options))
def test_refused_and_nothing_made(mc: Runner, options: tuple[str, ...]) -> None:
    refused = mc("run", "--rm", *(() if "--network" in options else RUN[2:]), *options, "busybox", "true")
    assert refused.code == 125
    assert REFUSED[options] in refused.err
    assert mc.ok("ps", "-aq") == ""
