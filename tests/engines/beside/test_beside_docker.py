"""The same commands given to Docker: exit codes, and what a container sees, are the same.

Docker is the private dockerd of this tier, with runc; ours is on the integration tests' host, which is
compared before and after each test.
"""

from __future__ import annotations

import json
import re
import subprocess
import time

import pytest

from tests.engines import engine
from tests.integration.runner import until
from tests.integration.waiting import held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.engines.docker import Docker
    from tests.integration.runner import Runner

IMAGE = "minicontainer-comparison"
NAME = "minicontainer-compared"
ENVIRONMENT: dict[str, str] = {}  # of docker's client, once its daemon runs
# Of signals 1 to 28: make's children ignore two of the C library's own, and Go's do not.
SIGNALS = "sed -n -E 's/^(Sig(Pnd|Blk|Ign|Cgt)|ShdPnd).*([0-9a-f]{7})$/\\1 \\3/p' /proc/self/status"


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Docker's command line to its end."""
    ran = subprocess.run(
        ["docker", *arguments], capture_output=True, timeout=60, check=False, env=ENVIRONMENT
    )
    out, err = ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace")
    return subprocess.CompletedProcess(ran.args, ran.returncode, out, err)


@pytest.fixture(scope="session")
def image(busybox_tar: Path, dockerd: Docker) -> Iterator[str]:
    """busybox under the same name in Docker's store."""
    if not engine.runtime_path("runc"):
        pytest.skip("runc is not installed")
    ENVIRONMENT.update(dockerd.environment)
    docker("import", "--change", 'CMD ["sh"]', str(busybox_tar), IMAGE)
    yield IMAGE
    docker("rmi", "-f", IMAGE)


@pytest.fixture
def both(mc: Runner, image: str, busybox_tar: Path) -> Iterator[str]:
    """The image, in both stores; the containers of that name are removed from both."""
    mc.ok("import", "--change", 'CMD ["sh"]', str(busybox_tar), image)
    yield image
    docker("rm", "-f", NAME)


def compare(mc: Runner, arguments: list[str], *, output: bool) -> None:
    """Exit codes are the same, and so is ``output`` if it can be."""
    runtime = ["--runtime=runc"] if arguments[0] == "run" else []
    theirs = docker(arguments[0], *runtime, *arguments[1:])
    ours = mc(*arguments)
    assert ours.code == theirs.returncode, f"{ours}\n{theirs}"
    if output:
        assert ours.out == theirs.stdout, f"{ours}\n{theirs}"


RUNS: list[tuple[list[str], list[str]]] = [
    ([], ["true"]),
    ([], ["false"]),
    ([], ["sh", "-c", "exit 42"]),
    ([], ["sh", "-c", "sh -c 'kill -9 $$'; exit $?"]),
    ([], ["nosuch"]),
    ([], ["/etc"]),
    ([], ["/etc/passwd"]),
    ([], [""]),
    ([], ["--", "true"]),
    ([], ["id"]),
    (["-u", "nobody"], ["id"]),
    (["-u", "1234"], ["id"]),
    (["-u", "1234:5678"], ["id"]),
    (["-u", "nobody:mail"], ["id"]),
    (["-u", ":33"], ["id"]),
    (["-u", ""], ["id"]),
    (["-u", "nosuch"], ["id"]),
    (["-u", "root:nosuch"], ["id"]),
    (["-u", "99999999999"], ["id"]),
    (["-u", "nobody"], ["grep", "Cap", "/proc/self/status"]),
    ([], ["grep", "Cap", "/proc/self/status"]),
    ([], ["sh", "-c", SIGNALS]),
    (["--cap-drop", "ALL"], ["grep", "Cap", "/proc/self/status"]),
    (["--cap-drop", "ALL", "--cap-add", "net_raw"], ["grep", "Cap", "/proc/self/status"]),
    (["--cap-add", "nosuch"], ["true"]),
    (["-w", "/made/for/it"], ["pwd"]),
    (["-w", "/"], ["pwd"]),
    (["-w", ""], ["pwd"]),
    (["-w", "relative"], ["pwd"]),
    (["-w", "/etc/passwd"], ["pwd"]),
    (["-h", "me"], ["sh", "-c", "hostname; cat /etc/hostname"]),
    (["-h", "me", "-e", "A=1", "-e", "B=", "-e", "UNSET_HERE"], ["sh", "-c", "env | sort"]),
    (["-e", "=1"], ["true"]),
    (["--env-file", "/no/such"], ["true"]),
    (["--entrypoint", "echo"], ["hi"]),
    (["--entrypoint", ""], ["echo", "hi"]),
    (["--entrypoint", "/no/such"], []),
    (["--read-only"], ["touch", "/x"]),
    (["--read-only", "--tmpfs", "/t"], ["touch", "/t/x"]),
    (["--tmpfs", "/t:size=1m"], ["sh", "-c", "df -k /t | tail -n 1"]),
    (["--tmpfs", "/t"], ["sh", "-c", "mount | grep ' /t ' | grep -o 'nosuid,nodev,noexec'; stat -c %a /t"]),
    (["--mount", "type=tmpfs,dst=/t"], ["stat", "-c", "%a", "/t"]),
    (["-v", "/etc/passwd:/p:ro"], ["touch", "/p"]),
    (["-v", "/a:b"], ["true"]),
    (["--mount", "type=bind,src=/no/such,dst=/x"], ["true"]),
    (["-m", "5z"], ["true"]),
    (["-m", "1m"], ["true"]),
    (["--cpus", "4096"], ["true"]),
    (["--cpuset-cpus", "4096"], ["true"]),
    (["--ulimit", "core=0"], ["sh", "-c", "ulimit -c"]),
    (["--ulimit", "nosuch=1"], ["true"]),
    (["--name", ""], ["true"]),
    (["--name", "-x"], ["true"]),
    (["--nosuch"], ["true"]),
    (["--no-healthcheck", "--health-cmd", "x"], ["true"]),
    (["--no-healthcheck"], ["true"]),
    (["--health-interval=-1s"], ["true"]),
    (["--health-interval=1"], ["true"]),
    (["--health-interval=0"], ["true"]),
    (["--health-timeout=1us"], ["true"]),
    (["--health-retries=-1"], ["true"]),
    (["--health-retries=x"], ["true"]),
    (["--health-start-period=1us"], ["true"]),
    (["--health-cmd", ""], ["true"]),
    (["--stop-signal", "NOSUCH"], ["true"]),
    (["--oom-score-adj", "500"], ["cat", "/proc/self/oom_score_adj"]),
    (["--oom-score-adj", "5000"], ["true"]),
    (["-t"], ["tty"]),
    (["-it"], ["true"]),
    (["-a", "stderr"], ["sh", "-c", "echo out; echo err >&2; exit 4"]),
    (["-a", "nosuch"], ["true"]),
    (["-d", "-a", "stdout"], ["true"]),
    (["--dns", "1.1.1.1", "--dns-search", "a.b", "--dns-option", "ndots:3"], ["cat", "/etc/resolv.conf"]),
    (["--dns", "x"], ["true"]),
    (["--add-host", "a:192.0.2.1", "--add-host", "b=::1"], ["cat", "/etc/hosts"]),
    (["--add-host", "a"], ["true"]),
    (["--add-host", "a:b"], ["true"]),
    (["--memory-swappiness", "101"], ["true"]),
    (["--label-file", "/no/such"], ["true"]),
    (["--pull", "sometimes"], ["true"]),
    (["--device-read-iops", "x"], ["true"]),
    (["--device-write-iops", "/dev/null:x"], ["true"]),
    (["--blkio-weight-device", "x"], ["true"]),
    (["--log-opt", "compress=true"], ["true"]),
    (["--log-opt", "labels-regex=("], ["true"]),
    (["--log-opt", "mode=nosuch"], ["true"]),
    (["--log-opt", "tag={{.Nosuch}}"], ["true"]),
    ([], ["sh", "-c", "ls -l /dev | awk '{print $1, $3, $4, $5, $6, $NF}'"]),
    ([], ["sh", "-c", "ls -ld /proc /sys /dev /tmp /dev/shm | awk '{print $1, $3, $4}'"]),
    ([], ["sh", "-c", "umask; ulimit -c; cat /proc/1/comm"]),
    ([], ["sh", "-c", "cat /proc/kcore /proc/keys /proc/timer_list | wc -c"]),
    ([], ["sh", "-c", "mount | awk '{print $3}' | sort | grep -v -e cgroup -e /proc/ -e /sys/"]),
    ([], ["sh", "-c", "echo x > /proc/sys/kernel/domainname"]),
    ([], ["cat", "/etc/hosts"]),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "command"), RUNS, ids=lambda words: " ".join(words)[:60])
def test_run(mc: Runner, both: str, flags: list[str], command: list[str]) -> None:
    compare(mc, ["run", "--rm", "--network", "none", *flags, both, *command], output=True)


EXECS: list[tuple[list[str], list[str]]] = [
    ([], ["true"]),
    ([], ["sh", "-c", "exit 7"]),
    ([], ["sh", "-c", "kill -9 $$"]),
    ([], ["/etc"]),
    (["-u", "nosuch"], ["true"]),
    (["-w", "/no/such"], ["true"]),
    (["-w", "relative"], ["true"]),
    (["-d"], ["nosuch"]),
    (["-z"], ["true"]),
    (["-e", "=1"], ["true"]),
]


@pytest.mark.parametrize(("flags", "command"), EXECS, ids=lambda words: " ".join(words)[:60])
def test_exec(mc: Runner, both: str, flags: list[str], command: list[str]) -> None:
    start = ["run", "-d", "--name", NAME, "--network", "none", both, "sleep", "60"]
    assert docker("run", "--runtime=runc", *start[1:]).returncode == 0
    mc.ok(*start)
    # Docker prints what kept a program from starting on standard output.
    compare(mc, ["exec", *flags, NAME, *command], output=False)


OTHERS: list[list[str]] = [
    ["rm", "nosuch"], ["rm", "-f", "nosuch"], ["rm"], ["rm", "-f", ""], ["stop", "nosuch"],
    ["kill", "nosuch"],
    ["logs", "nosuch"], ["commit", "nosuch"], ["commit"], ["exec", "nosuch", "true"], ["exec", "x"],
    ["inspect", "nosuch"], ["inspect", "-f", "{{", IMAGE], ["inspect", "-f", "{{.Nosuch}}", IMAGE],
    ["ps", "extra"], ["ps", "--filter", "nosuch=1"], ["ps", "--filter", "x"], ["ps", "--filter", "status=x"],
    ["ps", "--format", "{{"], ["images", "nosuch", "-q"], ["rmi", "nosuch"], ["rmi"], ["nosuch"], ["run"],
    ["run", ""], ["run", "UPPER"], ["import", "/no/such", "x"], ["stop", "-t", "x", "nosuch"],
    ["kill", "-s", "NOSUCH", "nosuch"], ["version", "extra"], ["info", "extra"],
    ["stats", "nosuch"], ["stats", "--no-stream", "--format", "{{"], ["stats", "--nosuch"],
    ["system", "df", "extra"], ["system", "df", "--nosuch"], ["system", "prune", "extra"],
    ["system", "prune", "-f", "--filter", "nosuch=1"], ["system", "prune", "-f", "--filter", "until=x"],
    ["system", "prune", "-f", "--volumes", "--filter", "until=1h"],
    ["image", "prune", "-f", "--filter", "nosuch=1"], ["image", "inspect", "nosuch"],
    ["container", "prune", "-f", "--filter", "nosuch=1"], ["images", "-f", "nosuch=1"],
    ["images", "-f", "since=nosuch"], ["images", "-f", "dangling=x"], ["image", "remove", "nosuch"],
    ["container", "remove", "nosuch"], ["tag", "nosuch", "x"], ["history", "nosuch"], ["top", "nosuch"],
    ["diff", "nosuch"],
    ["create", "--health-timeout=1us", IMAGE], ["create", "--health-timeout=-1s", IMAGE],
    ["create", "--no-healthcheck", "--health-retries=1", IMAGE],
    ["create", "--rm", "--restart=always", IMAGE], ["run", "--rm", "--restart=on-failure", IMAGE],
    ["create", "--restart=nosuch", IMAGE], ["run", "--restart=nosuch", IMAGE],
    ["create", "--restart=on-failure:x", IMAGE], ["create", "--restart=:3", IMAGE],
    ["create", "--restart=on-failure:-1", IMAGE], ["create", "--restart=always:3", IMAGE],
    ["create", "--restart=no:1", IMAGE], ["update", "--restart=nosuch", "nosuch"],
    ["update", "--restart=on-failure:x", "nosuch"],
    ["import", "--change", "HEALTHCHECK TRY x", "-", "x"],
    ["import", "--change", "HEALTHCHECK --interval=1us CMD x", "-", "x"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_other_verbs(mc: Runner, both: str, arguments: list[str]) -> None:
    compare(mc, arguments, output=arguments[0] not in ("inspect", "nosuch"))


def test_columns_of_ps_and_images(mc: Runner, both: str) -> None:
    start = ["--name", NAME, "--network", "none", both, "sh", "-c", "echo a b; exit 3"]
    docker("run", "--runtime=runc", *start)
    mc("run", *start)
    for arguments in (["ps", "-a", "--filter", f"name={NAME}"], ["images", both]):
        theirs, ours = docker(*arguments).stdout.splitlines(), mc.ok(*arguments).splitlines()
        assert theirs[0].split() == ours[0].split()
        assert [_told(line) for line in theirs[1:]] == [_told(line) for line in ours[1:]]


CHECKS: list[tuple[list[str], str, str]] = [
    (["--health-cmd", "echo said; exit 3", "--health-retries", "1"], "sleep 60", "unhealthy"),
    (["--health-cmd", "printf '\\377'; id -u; pwd", "-u", "nobody", "-w", "/tmp"], "sleep 60", "healthy"),
    (["--health-cmd", "exec sleep 9", "--health-timeout", "100ms", "--health-retries", "2"], "sleep 60",
     "unhealthy"),
    (["--health-cmd", "nosuch", "--health-start-period", "1ms"], "sleep 60", "unhealthy"),
    (["--health-cmd", "head -c 5000 /dev/zero | tr '\\0' x"], "sleep 60", "healthy"),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "program", "status"), CHECKS, ids=lambda value: str(value)[:40])
def test_health(mc: Runner, both: str, flags: list[str], program: str, status: str) -> None:
    start = ["-d", "--name", NAME, "--network", "none", "--health-interval", "100ms", *flags, both]
    dockers = docker("run", "--runtime=runc", *start, *program.split())
    assert dockers.returncode == 0, dockers
    own = mc.ok("run", *start, *program.split())

    def theirs(form: str) -> str:
        return docker("inspect", "-f", form, NAME).stdout.strip()

    def ours(form: str) -> str:
        return mc.state(NAME, form)

    for look in (theirs, ours):
        until(lambda look=look: look("{{.State.Health.Status}}") == status, f"it is {status}", timeout=30)
    listed = ["--filter", f"name={NAME}", "--filter", f"health={status}", "--format", "{{.Status}}"]
    assert mc.ok("ps", *listed).partition("(")[2] == docker("ps", *listed).stdout.strip().partition("(")[2]
    compare(mc, ["inspect", "-f", "{{json .Config.Healthcheck}}", NAME], output=True)
    compare(mc, ["stop", "-t", "0", NAME], output=True)
    compare(mc, ["inspect", "-f", "{{.State.Health.Status}}", NAME], output=True)
    shapes = [_shape(json.loads(look("{{json .State.Health}}"))) for look in (theirs, ours)]
    assert shapes[0] == shapes[1]
    told = ["events", "--since", "1", "--until", f"{time.time():.9f}", "--format", "{{.Action}}",
            "--filter", "event=health_status", "--filter"]  # fmt: skip
    assert mc.ok(*told, f"container={own}") == f"health_status: {status}"
    # A daemon of Docker's keeps 256 events, and each probe is three.
    journal = docker(*told, f"container={dockers.stdout.strip()}").stdout.strip()
    assert journal in (f"health_status: {status}", "")


def _shape(health: dict[str, Any]) -> dict[str, Any]:
    """All but moments, and how often: Docker also counts a probe that the end cut short."""
    first = health["Log"][0]
    return {
        "keys": list(health),
        "result": list(first),
        "first": (first["ExitCode"], first["Output"]),
    }


WAITING: list[list[str]] = [
    ["exec", NAME, "true"], ["attach", NAME], ["pause", NAME], ["unpause", NAME], ["top", NAME],
    ["rm", NAME], ["start", NAME], ["update", "--restart", "always", NAME],
    ["ps", "--filter", f"name={NAME}"],
    ["ps", "-a", "--filter", "status=running", "--filter", f"name={NAME}"],
    ["ps", "-a", "--filter", "status=restarting", "--filter", f"name={NAME}"],
    ["ps", "-a", "--filter", "exited=3", "--filter", f"name={NAME}"],
    ["inspect", "-f", "{{.State.Status}} {{.State.Running}} {{.State.Restarting}} {{.State.Pid}} "
     "{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}}", NAME],
]  # fmt: skip


def test_waiting_to_be_restarted(mc: Runner, both: str) -> None:
    start = ["-d", "--name", NAME, "--network", "none", "--restart", "always", both, "sh", "-c", "exit 3"]
    assert docker("run", "--runtime=runc", *start).returncode == 0
    mc.ok("run", *start)
    held(mc, mc.state(NAME, "{{.Id}}"))
    form = "{{.State.Restarting}} {{.RestartCount}}"

    def theirs(arguments: list[str]) -> subprocess.CompletedProcess[str] | None:
        """What it did, if it waited before, and waited in the same way afterwards."""
        before = docker("inspect", "-f", form, NAME).stdout
        ran = docker(*arguments)
        same = docker("inspect", "-f", form, NAME).stdout == before
        return ran if before.startswith("true") and same else None

    for words in WAITING:
        ran = until(lambda words=words: theirs(words), f"{words} while it waits", timeout=60)
        ours = mc(*words)
        assert ours.code == ran.returncode, f"{ours}\n{ran}"
        assert [_told(line) for line in ours.out.splitlines()] == [_told(x) for x in ran.stdout.splitlines()]
        assert _said(ours.err) == _said(ran.stderr)
    for words in (["kill", NAME], ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", NAME]):
        compare(mc, words, output=True)
    compare(mc, ["kill", NAME], output=True)


def _said(text: str) -> str:
    """An error without who says it, and of which container."""
    text = re.sub("^(minicontainer|Error response from daemon): ", "", text)
    return re.sub("[0-9a-f]{64}", "ID", text).strip()


def test_columns_of_stats_and_df(mc: Runner, both: str) -> None:
    start = ["--name", NAME, "-m", "64m", "--network", "none", both, "sleep", "60"]
    docker("run", "-d", "--runtime=runc", *start)
    mc.ok("run", "-d", *start)
    form = "{{.Container}} {{.Name}} {{.PIDs}} {{.NetIO}}"
    arguments = ["stats", "--no-stream", "--format", form, NAME]
    assert mc.ok(*arguments) == docker(*arguments).stdout.rstrip("\n")
    for arguments in (["stats", "--no-stream", NAME], ["system", "df"]):
        theirs, ours = docker(*arguments).stdout.splitlines(), mc.ok(*arguments).splitlines()
        assert theirs[0].split() == ours[0].split()
        assert [len(re.split(" {2,}", line)) for line in theirs] == [
            len(re.split(" {2,}", line)) for line in ours
        ]
    fields = (["stats", "--no-stream", "--format", "json", NAME], ["system", "df", "--format", "json"])
    for arguments in fields:
        shown = docker(*arguments).stdout.splitlines()[0], mc.ok(*arguments).splitlines()[0]
        assert list(json.loads(shown[0])) == list(json.loads(shown[1]))


def test_the_same_image_takes_the_same_room(mc: Runner, both: str) -> None:
    arguments = ["images", "--format", "{{.Size}}", both]
    assert mc.ok(*arguments) == docker(*arguments).stdout.strip()


def test_headings_of_df_in_detail(mc: Runner, both: str) -> None:
    arguments = ["system", "df", "-v"]
    theirs, ours = docker(*arguments).stdout.splitlines(), mc.ok(*arguments).splitlines()
    assert [line.split() for line in theirs if line.isupper()] == [
        line.split() for line in ours if line.isupper()
    ]


@pytest.mark.parametrize(
    "verb", [["image", "prune"], ["image", "prune", "-a"], ["container", "prune"]], ids=" ".join
)
def test_questions(mc: Runner, both: str, verb: list[str]) -> None:
    compare(mc, verb, output=True)


def _told(line: str) -> str:
    """A line of a table without ids, times and sizes, which count different things."""
    line = re.sub(r"[0-9.]+[kM]B", "SIZE", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "ID", line)
    line = re.sub(r"(Less than a second|About a minute|\d+ \w+) ago", "AGO", line)
    return " ".join(line.split())
