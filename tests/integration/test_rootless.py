"""Without root: an ordinary user's containers, with one id, and with subordinate ids.

The user is nobody's number in the tests' own host.  He is shown an interpreter, its packages and the
project below a folder that he can reach; where they lie is often root's alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile

import pytest

from tests.integration.host import Host, Ids
from tests.integration.over import over
from tests.integration.runner import PROGRAM, PROJECT, Runner, until
from tests.needs import SBIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

UID = 61234
FIRST = 400_000
RUN = ("run", "--rm", "--network", "none")

pytestmark = pytest.mark.needs("user namespace", "command:setpriv")


class User(Runner):
    """The command line of an ordinary user, whose folders are where XDG puts them."""

    def __init__(self, host: Host, folder: str) -> None:
        data = f"{folder}/home/.local/share/minicontainer"
        super().__init__(host, data, f"{folder}/run/minicontainer", f"{folder}/home/bytecode")
        self.interpreter = os.path.join(folder, "python", _below(sys.base_prefix, sys.executable))
        self.environment = {
            "PATH": f"{os.environ.get('PATH', os.defpath)}:{SBIN}",
            "HOME": f"{folder}/home",
            "XDG_RUNTIME_DIR": f"{folder}/run",
            "PYTHONPATH": ":".join([f"{folder}/project", *(f"{folder}/site{n}" for n in range(len(SITES)))]),
            "PYTHONPYCACHEPREFIX": f"{folder}/home/bytecode",
        }

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a command as the user."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        streams.update({name: options.pop(name) for name in streams if name in options})
        user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        return self.host.popen(
            [*user, self.interpreter, "-c", PROGRAM, *arguments],
            env={**self.environment, **(env or {})},
            cwd="/",
            **streams,
            **options,
        )


SITES = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]


def _below(prefix: str, program: str) -> str:
    return os.path.relpath(os.path.realpath(program), os.path.realpath(prefix))


@pytest.fixture(scope="module")
def user(own_host: Host, busybox_tar: Path) -> Iterator[User]:
    """A user with an image, and nothing else."""
    folder = tempfile.mkdtemp(prefix="minicontainer-user-")
    sites = {f"site{n}": path for n, path in enumerate(SITES)}
    shown = {"python": sys.base_prefix, "project": PROJECT, **sites}
    os.chmod(folder, 0o755)
    for name in (*shown, "home", "run"):
        os.mkdir(f"{folder}/{name}")
    for name in ("home", "run"):
        os.chown(f"{folder}/{name}", UID, UID)
    try:
        for name, path in shown.items():
            own_host.sh(f"mount --bind {os.path.realpath(path)} {folder}/{name}")
        made = User(own_host, folder)
        with open(busybox_tar, "rb") as archive:
            made.ok("import", "-", "busybox", input=archive.read())
        made.ok(*RUN, "busybox", "true")  # what the first container leaves for good
        yield made
    finally:
        for name in shown:
            own_host.sh(f"umount {folder}/{name} || true")
        subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


@pytest.fixture
def subordinate(user: User, tmp_path: Path) -> Iterator[None]:
    """The user has subordinate ids (subuid(5))."""
    files = {"subuid": f"learner:{FIRST}:65536\n", "subgid": f"{UID}:{FIRST}:65536\n"}
    with open("/etc/passwd") as passwd:
        files["passwd"] = f"{passwd.read()}learner:x:{UID}:{UID}::/:/bin/sh\n"
    with contextlib.ExitStack() as stack:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            stack.enter_context(over(user.host, f"/etc/{name}", f"{tmp_path}/{name}"))
        yield


@pytest.fixture(autouse=True)
def no_container_left(user: User) -> Iterator[None]:
    """What the tests of the whole tier compare is root's; here it is the user's."""
    seen = Ids(f"{user.run_root}/locks")
    before = user.host.look(set(), user.root, user.run_root)
    yield
    left = user.ok("ps", "-aq").split()
    if left:
        user.ok("rm", "-f", *left)
    made = [name for name in user.ok("images", "--format", "{{.Repository}}").split() if name != "busybox"]
    if made:
        user.ok("rmi", "-f", *made)
    assert user.host.settled(before, seen(), user.root, user.run_root) == {}
    seen.close()


def test_an_ordinary_user_is_root_inside(user: User) -> None:
    assert user.ok(*RUN, "busybox", "id", "-u") == "0"
    user.ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    pid = user.pid("box")
    owners = user.host.sh(f"stat -c %u:%g /proc/{pid} /proc/{user.monitor('box')}").split()
    assert owners == [f"{UID}:{UID}"] * 2
    maps = user.ok("exec", "box", "cat", "/proc/self/uid_map", "/proc/self/gid_map").split()
    assert maps == ["0", "0", "1"] * 2


def test_isolated_as_any_other(user: User) -> None:
    # The shell lists /proc itself: the commands of a pipe need not have started when one of them counts.
    script = (
        "hostname; echo /proc/[0-9]*; ls /sys/class/net; touch /tmp/x; "
        "grep -c ' /proc/sys ro' /proc/self/mountinfo"
    )
    shown = user.ok(*RUN, "--hostname", "inside", "busybox", "sh", "-c", script).split()
    assert shown == ["inside", "/proc/1", "lo", "1"]
    assert "Read-only" in user(*RUN, "--read-only", "busybox", "touch", "/x").err
    assert user(*RUN, "busybox", "mknod", "/tmp/d", "c", "1", "3").code == 1


def test_its_whole_life(user: User) -> None:
    user.ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c",
            "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")  # fmt: skip
    until(lambda: user.ok("logs", "box") == "ready", "it has written")
    assert user.ok("ps", "--format", "{{.Names}}") == "box"
    assert user.ok("exec", "box", "sh", "-c", "echo $((6 * 7))") == "42"
    user.ok("stop", "box")
    assert user.state("box") == "exited 9"
    user.ok("rm", "box")


def test_two_at_once_are_reached_by_every_command(user: User) -> None:
    for name in ("one", "two"):
        user.ok("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "1000")
    assert {user.ok("exec", name, "id", "-u") for name in ("one", "two")} == {"0"}
    user.ok("rm", "-f", "one")
    assert user.ok("exec", "two", "id", "-u") == "0"


def test_a_monitor_that_is_killed_leaves_nothing(user: User) -> None:
    user.ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    user.host.kill(user.monitor("box"))
    until(lambda: user.state("box") == "exited 137", "its end is known")


def test_a_terminal(user: User) -> None:
    with user.terminal("run", "--rm", "-it", "--network", "none", "busybox", "sh") as terminal:
        terminal.type("echo $((40 + 2)); exit 5\n")
        terminal.expect("42")
        assert terminal.wait() == 5


def test_committed_with_what_was_deleted(user: User) -> None:
    script = "rm -r /usr && mkdir /usr && touch /usr/new && rm /etc/passwd"
    user.ok("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
    user.ok("commit", "box", "changed")
    user.ok("run", "--name", "more", "--network", "none", "changed", "/bin/sh", "-c", "echo more > /usr/new")
    user.ok("commit", "more", "again")
    script = "/bin/busybox ls /usr; /bin/busybox cat /usr/new; [ -e /etc/passwd ] || echo gone"
    assert user.ok(*RUN, "again", "/bin/sh", "-c", script) == "new\nmore\ngone"


@pytest.mark.needs("command:newuidmap", "command:newgidmap")
def test_subordinate_ids(user: User, subordinate: None) -> None:
    """newuidmap(1) maps them; without it there is one id, as in the other tests."""
    script = "id -u; touch /tmp/x; chown 33:44 /tmp/x && stat -c %u:%g /tmp/x; echo out > /dev/stdout"
    assert user.ok(*RUN, "busybox", "sh", "-c", script) == "0\n33:44\nout"
    assert user.ok(*RUN, "-u", "33", "busybox", "sh", "-c", "id -u; echo out > /dev/stdout") == "33\nout"
    user.ok("run", "-d", "--name", "box", "--network", "none", "-u", "33", "busybox", "sleep", "1000")
    assert user.host.sh(f"stat -c %u /proc/{user.pid('box')}").strip() == str(FIRST + 32)
    user.ok("rm", "-f", "box")


def test_many_at_once(user: User) -> None:
    """Each finds the namespace of the others, or makes one, or finds one that is just ending."""
    started = [user.start(*RUN, "busybox", "echo", str(n)) for n in range(6)]
    shown = [process.communicate(timeout=60) for process in started]
    assert [out for out, _ in shown] == [f"{n}\n".encode() for n in range(6)], shown


REFUSED = {
    ("--network", "bridge"): "--network bridge needs root",
    ("--network", "host"): "--network host needs root",
    ("--network", "none", "-m", "64m"): "a limit of memory cannot be set",
    ("--network", "none", "--pids-limit", "9"): "a limit of pids cannot be set",
    ("--network", "none", "--userns", "auto"): "--userns auto needs root",
    ("--network", "none", "--privileged"): "--privileged needs root",
    ("--network", "none", "--pid", "host"): "cannot share the host PID",
    ("--network", "none", "-u", "33"): "is not mapped in this user namespace",
}


@pytest.mark.parametrize("options", list(REFUSED), ids=lambda options: " ".join(options))
def test_what_needs_root_is_refused(user: User, options: tuple[str, ...]) -> None:
    refused = user("run", "--rm", *options, "busybox", "true")
    assert refused.code == 125
    assert REFUSED[options] in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_running_one_cannot_be_frozen(user: User) -> None:
    user.ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    assert "cannot be frozen" in user("commit", "box", "changed").err
    user.ok("commit", "--pause=false", "box", "changed")


def test_the_kernel_s_refusal_is_said(user: User) -> None:
    """As where a distribution forbids user namespaces to ordinary users; looking still works."""
    refusal = {"MINICONTAINER_FAULT": "unshare#1:EPERM"}
    refused = user(*RUN, "busybox", "true", env=refusal)
    assert (refused.code, "containers need root, or user namespaces" in refused.err) == (125, True)
    assert "busybox" in user.ok("images", env=refusal)


def test_an_image_with_owners_that_the_user_has_not(user: User) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("own")
        member.uid, member.gid = 33, 44
        archive.addfile(member)
    refused = user("import", "-", "foreign", input=made.getvalue())
    assert refused.code == 1
    assert "belongs to 33:44, ids that this user namespace has not" in refused.err
    assert "foreign" not in user.ok("images")


def test_a_health_check(user: User) -> None:
    check = ("--health-cmd", "test -e /ok", "--health-interval", "50ms", "--health-retries", "1")
    container = user.ok("run", "-d", "--name", "box", "--network", "none", *check, "busybox", "sleep", "1000")
    for status in ("unhealthy", "healthy"):
        listed = ("ps", "-q", "--no-trunc", "--filter", f"health={status}")
        until(lambda listed=listed: user.ok(*listed) == container, f"it is {status}", timeout=60)
        user.ok("exec", "box", "touch", "/ok")
