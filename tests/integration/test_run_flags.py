"""Flags of ``run`` and ``create`` that need nothing but a file, a name or a stream."""

from __future__ import annotations

import json
import os

import pytest

from minicontainer.cgroups.host import hierarchies
from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

ALONE = ("--network", "none")


def told(mc: Runner, name: str, part: str) -> dict[str, object]:
    """A part of what inspect says."""
    found: dict[str, object] = json.loads(mc.ok("inspect", name))[0][part]
    return found


# -- --cidfile


@pytest.mark.parametrize("verb", ["create", "run"])
def test_the_id_is_in_the_file(mc: Runner, tmp_path: Path, verb: str) -> None:
    file = tmp_path / "id"
    mc.ok(verb, "--name", "known", "--cidfile", str(file), *ALONE, "busybox", "true")
    assert file.read_text() == mc.state("known", "{{.Id}}")
    assert told(mc, "known", "HostConfig")["ContainerIDFile"] == str(file)


def test_a_file_that_exists_is_left_alone(mc: Runner, tmp_path: Path) -> None:
    file = tmp_path / "id"
    file.write_text("mine")
    said = f"container ID file found, make sure the other container isn't running or delete {file}"
    refused(mc, "run", "--cidfile", str(file), *ALONE, "busybox", "true", code=125, said=said)
    assert file.read_text() == "mine"


def test_no_file_is_left_of_a_container_that_was_not_made(mc: Runner, tmp_path: Path) -> None:
    file = tmp_path / "id"
    refused(mc, "run", "--cidfile", str(file), "nosuch", code=125, said="no such image")
    assert not file.exists()
    refused(mc, "create", "--cidfile", f"{tmp_path}/no/such", "busybox", code=1, said="No such file")
    # One that was made, and did not start, keeps it: it is there.
    assert mc("run", "--cidfile", str(file), "--name", "made", *ALONE, "busybox", "nosuch").code == 127
    assert file.read_text() == mc.state("made", "{{.Id}}")


# -- --attach


def test_only_the_streams_that_are_asked_for(mc: Runner) -> None:
    script = ("busybox", "sh", "-c", "echo out; echo err >&2; exit 3")
    for streams, out, err in (
        (["stdout"], "out\n", ""), (["STDERR"], "", "err\n"), (["stdout", "stderr"], "out\n", "err\n"),
    ):  # fmt: skip
        flags = [word for stream in streams for word in ("-a", stream)]
        result = mc("run", "--rm", *ALONE, *flags, *script)
        assert (result.code, result.out, result.err) == (3, out, err)


def test_standard_input_alone(mc: Runner) -> None:
    """As docker: the id, and the end of the command when standard input ends."""
    data = b"x" * 300_000
    result = mc("run", "--name", "eats", "-i", "-a", "stdin", *ALONE, "busybox", "wc", "-c", input=data)
    assert (result.code, result.out) == (0, mc.state("eats", "{{.Id}}") + "\n")
    assert mc.ok("wait", "eats") == "0"
    assert mc.ok("logs", "eats") == "300000"
    config = told(mc, "eats", "Config")
    assert [config[f"Attach{name}"] for name in ("Stdin", "Stdout", "Stderr")] == [True, False, False]


def test_attach_refuses(mc: Runner) -> None:
    said = "conflicting options: cannot specify both --attach and --detach"
    refused(mc, "run", "-d", "-a", "stdout", "busybox", "true", code=1, said=said)
    said = 'invalid argument "nosuch" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR'
    refused(mc, "run", "-a", "nosuch", "busybox", "true", code=125, said=said)


# -- names and addresses


def test_hosts_and_resolvers(mc: Runner) -> None:
    flags = [
        "--dns", "1.1.1.1", "--dns", "2606:4700::1", "--dns-search", "a.example", "--dns-search", "b.example",
        "--dns-option", "ndots:3", "--dns-opt", "timeout:1",
        "--add-host", "one:192.0.2.1", "--add-host", "six=2001:db8::1", "--add-host", "box:[2001:db8::2]",
    ]  # fmt: skip
    mc.ok("run", "--name", "named", *ALONE, *flags, "busybox", "cat", "/etc/resolv.conf", "/etc/hosts")
    lines = mc.ok("logs", "named").splitlines()
    assert lines[:4] == [
        "search a.example b.example", "nameserver 1.1.1.1", "nameserver 2606:4700::1",
        "options ndots:3 timeout:1",
    ]  # fmt: skip
    assert lines[-3:] == ["192.0.2.1\tone", "2001:db8::1\tsix", "2001:db8::2\tbox"]
    host = told(mc, "named", "HostConfig")
    assert host["Dns"] == ["1.1.1.1", "2606:4700::1"]
    assert host["ExtraHosts"] == ["one:192.0.2.1", "six:2001:db8::1", "box:2001:db8::2"]


def test_no_search_and_the_host_s_servers_stay(mc: Runner) -> None:
    plain = mc.ok("run", "--rm", *ALONE, "busybox", "grep", "nameserver", "/etc/resolv.conf").splitlines()
    lines = mc.ok(
        "run", "--rm", *ALONE, "--dns-search", ".", "busybox", "cat", "/etc/resolv.conf"
    ).splitlines()
    assert [line for line in lines if line.startswith("nameserver")] == plain
    assert not any(line.startswith("search") for line in lines)


@pytest.mark.needs("nat")
def test_the_host_as_the_bridge_sees_it(mc: Runner) -> None:
    show = "grep gateway$ /etc/hosts; ip route | grep default"
    line, route = mc.ok(
        "run", "--rm", "--add-host", "gateway:host-gateway", "busybox", "sh", "-c", show
    ).splitlines()
    assert line.split()[0] == route.split()[2]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--dns", "x"], 'invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x'),
        (["--add-host", "x"], 'invalid argument "x" for "--add-host" flag: bad format for add-host: "x"'),
        (
            ["--add-host", "x:y"],
            'invalid argument "x:y" for "--add-host" flag: invalid IP address in add-host: "y"',
        ),
        (["--add-host", "x:host-gateway", *ALONE], "it needs --network bridge"),
        (["--device-read-iops", "x"], 'invalid argument "x" for "--device-read-iops" flag: bad format: x'),
        (["--device-read-iops", "/dev/x:y"], "Number must be a positive integer"),
        (["--device-write-iops", "/dev/null:10"], "/dev/null is not a block device"),
        (["--blkio-weight-device", "/dev/x:5"], "invalid weight for device: /dev/x:5"),
        (["--memory-swappiness", "101"], "invalid value: 101. Valid memory swappiness range is 0-100"),
        (["--cpu-rt-period", "1000", "--cpu-rt-runtime", "2000"], "cannot be higher than"),
        (["--label-file", "/no/such"], "No such file"),
        (["--pull", "sometimes"], 'must be one of "always", "missing" or "never"'),
        (["--pull", "always"], "images are not pulled yet"),
        (["--log-opt", "compress=true"], "compress cannot be true when max-file is less than 2"),
        (["--log-opt", "tag={{.Nosuch}}"], "log-opt tag"),
        (["--annotation", "=x"], "invalid annotation"),
    ],
)
def test_refusals(mc: Runner, flags: list[str], said: str) -> None:
    refused(mc, "run", *flags, "busybox", "true", code=125, said=said)


# -- labels and annotations


def test_labels_of_a_file_are_below_those_of_the_command_line(mc: Runner, tmp_path: Path) -> None:
    file = tmp_path / "labels"
    file.write_text("# of the file\n\none=1\ntwo=from the file\nempty\n")
    mc.ok("create", "--name", "has", "--label-file", str(file), "-l", "two=2", *ALONE, "busybox", "true")
    assert told(mc, "has", "Config")["Labels"] == {"one": "1", "two": "2", "empty": ""}
    file.write_text("a b=c\n")
    refused(mc, "create", "--label-file", str(file), "busybox", code=1, said="contains whitespaces")


def test_annotations_are_the_bundle_s(mc: Runner) -> None:
    mc.ok("run", "--name", "noted", "--annotation", "org.example.a=b", *ALONE, "busybox", "true")
    with open(f"{mc.root}/containers/{mc.state('noted', '{{.Id}}')}/config.json") as file:
        assert json.load(file)["annotations"] == {"org.example.a": "b"}
    assert told(mc, "noted", "HostConfig")["Annotations"] == {"org.example.a": "b"}


# -- limits that only one version of control groups has


def group(mc: Runner, name: str, controller: str) -> str:
    """The container's group of a v1 controller."""
    return f"{hierarchies().bound[controller]}/minicontainer/{mc.state(name, '{{.Id}}')}"


def test_swappiness_and_the_killer_that_waits(mc: Runner) -> None:
    flags = ("--memory-swappiness", "7", "--oom-kill-disable", "-m", "32m")
    if "memory" not in hierarchies().bound:
        refused(mc, "run", *flags, *ALONE, "busybox", "true", code=125, said="cgroup v2 has nothing like it")
        return
    result = mc("run", "-d", "--name", "waits", *flags, *ALONE, "busybox", "sleep", "60")
    assert (result.code, result.err) == (0, "")
    with open(f"{group(mc, 'waits', 'memory')}/memory.swappiness") as file:
        assert file.read() == "7\n"
    with open(f"{group(mc, 'waits', 'memory')}/memory.oom_control") as file:
        assert "oom_kill_disable 1" in file.read()


def test_warnings(mc: Runner) -> None:
    result = mc("create", "--kernel-memory", "16m", *ALONE, "busybox", "true")
    assert result.code == 0
    assert result.err.startswith("WARNING: Specifying a kernel memory limit is deprecated")
    if "memory" in hierarchies().bound:
        result = mc("create", "--oom-kill-disable", *ALONE, "busybox", "true")
        assert result.err.startswith("WARNING: OOM killer is disabled for the container, but no memory limit")


@pytest.mark.needs("controller:blkio")
def test_operations_per_second(mc: Runner) -> None:
    disks = [f"/dev/{name}" for name in sorted(os.listdir("/sys/block")) if os.path.exists(f"/dev/{name}")]
    if not disks or not os.path.exists(f"{hierarchies().bound['blkio']}/blkio.throttle.read_iops_device"):
        pytest.skip("no block device, or no throttling of one")
    flags = ("--device-read-iops", f"{disks[0]}:100", "--device-write-iops", f"{disks[0]}:200")
    mc.ok("run", "-d", "--name", "slow", *flags, *ALONE, "busybox", "sleep", "60")
    status = os.stat(disks[0])
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    for kind, rate in (("read", 100), ("write", 200)):
        with open(f"{group(mc, 'slow', 'blkio')}/blkio.throttle.{kind}_iops_device") as file:
            assert file.read() == f"{number} {rate}\n"


def test_real_time_is_given_or_refused_with_the_control_s_name(mc: Runner) -> None:
    result = mc("run", "-d", "--name", "rt", "--cpu-rt-runtime", "1000", *ALONE, "busybox", "sleep", "60")
    if result.code == 0:
        with open(f"{group(mc, 'rt', 'cpu')}/cpu.rt_runtime_us") as file:
            assert file.read() == "1000\n"
    else:
        assert result.code == 125
        assert "rt_runtime_us" in result.err or "cpu.realtimeRuntime" in result.err


# -- inspect


def test_sizes(mc: Runner) -> None:
    mc.ok("run", "--name", "wrote", *ALONE, "busybox", "sh", "-c", "head -c 4321 /dev/zero > /file")
    found = json.loads(mc.ok("inspect", "-s", "wrote"))[0]
    image = json.loads(mc.ok("image", "inspect", "busybox"))[0]
    assert (found["SizeRw"], found["SizeRootFs"]) == (4321, 4321 + image["Size"])
    assert "SizeRw" not in json.loads(mc.ok("inspect", "wrote"))[0]
    assert mc.ok("container", "inspect", "--size", "-f", "{{.SizeRw}}", "wrote") == "4321"


def test_other_names_of_verbs(mc: Runner) -> None:
    mc.ok("create", "--name", "never", *ALONE, "busybox", "true")
    listing = ("-a", "--format", "table {{.ID}}\t{{.Names}}\t{{.Status}}")  # its age is another each time
    for words in (("container", "ps"), ("container", "list"), ("container", "ls")):
        assert mc.ok(*words, *listing) == mc.ok("ps", *listing)
    assert mc.ok("image", "list", "-q") == mc.ok("images", "-q") == mc.ok("image", "ls", "-qa")
    assert mc.ok("container", "remove", "never") == "never"
    refused(mc, "image", "remove", "nosuch", code=1, said="no such image: nosuch")
    refused(mc, "image", "inspect", "nosuch", code=1, said="no such image: nosuch")


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["reference=busy*"], ["busybox:latest"]),
        (["reference=*:v1"], ["other:v1"]),
        (["reference=a/*"], ["a/b:c"]),
        (["reference=*"], ["busybox:latest", "other:v1"]),
        (["dangling=true"], []),
        (["dangling=false"], ["a/b:c", "busybox:latest", "other:v1"]),
        (["label=tier=web"], ["other:v1"]),
        (["label=tier=db"], []),
        (["before=other:v1"], ["a/b:c", "busybox:latest"]),
        (["since=busybox"], ["other:v1"]),
        (["until=1h"], []),
    ],
)
def test_filters_of_images(mc: Runner, filters: list[str], found: list[str]) -> None:
    mc.ok("tag", "busybox", "a/b:c")
    mc.ok("create", "--name", "maker", *ALONE, "busybox", "true")
    mc.ok("commit", "-c", "LABEL tier=web", "maker", "other:v1")
    words = [word for one in filters for word in ("-f", one)]
    shown = mc.ok("images", *words, "--format", "{{.Repository}}:{{.Tag}}").split()
    mc.ok("rmi", "a/b:c")
    assert sorted(shown) == found


def test_an_empty_stop_signal_is_none(mc: Runner) -> None:
    container = mc.ok("create", "--network", "none", "--stop-signal", "", "busybox", "true")
    assert mc.ok("inspect", "-f", "{{.Config.StopSignal}}", container) in ("", "SIGTERM")
