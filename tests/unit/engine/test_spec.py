"""The OCI configuration that a container's record becomes."""

from __future__ import annotations

import pytest

from minicontainer.engine import defaults, identity, spec
from minicontainer.engine.records import Bind, Config, Container, HostConfig, Ulimit
from minicontainer.errors import InvalidConfig, UsageError
from minicontainer.libcontainer.user import Account
from minicontainer.oci import runtime as oci
from minicontainer.oci.document import dump, to_builtins
from minicontainer.oci.image import ContainerConfig

ROOT = Account(0, 0, [], "/root")
ORDINARY = Account(1000, 1000, [10], "/var/u")


def built(config: Config | None = None, host: HostConfig | None = None, account: Account = ROOT) -> oci.Spec:
    container = Container("f" * 64, "n", 0.0, "", [], "", config or Config(cmd=["sh"]), host or HostConfig())
    return spec.build(container, account, "/bundle", ["hosts"])


def process(document: oci.Spec) -> oci.Process:
    assert document.process is not None
    return document.process


def linux(document: oci.Spec) -> oci.Linux:
    assert document.linux is not None
    return document.linux


def test_it_is_what_the_runtime_reads() -> None:
    document = built(host=HostConfig(memory=64 << 20, privileged=True, mounts=[Bind("tmpfs", "/t")]))
    assert oci.load_spec(dump(document)) == document


def test_defaults_are_dockers() -> None:
    document = built()
    assert {n.type for n in linux(document).namespaces} == {"mount", "pid", "ipc", "cgroup", "network", "uts"}
    held = process(document).capabilities
    assert held is not None
    assert set(held.bounding) == set(held.effective) == set(identity.CAPABILITIES)
    assert "/proc/kcore" in linux(document).masked_paths
    assert "/proc/sys" in linux(document).readonly_paths
    resources = linux(document).resources
    assert resources is not None
    assert resources.memory is None
    assert [rule.allow for rule in resources.devices] == [False]
    sysfs = next(m for m in document.mounts if m.destination == "/sys")
    assert "ro" in sysfs.options


def test_an_ordinary_user_holds_no_capability_but_may_be_given_them() -> None:
    held = process(built(account=ORDINARY)).capabilities
    assert held is not None
    assert (held.effective, held.permitted, held.ambient) == ([], [], [])
    assert set(held.bounding) == set(identity.CAPABILITIES)


def test_host_network_shares_the_network_and_the_name() -> None:
    document = built(host=HostConfig(network_mode="host"))
    assert {"network", "uts"}.isdisjoint(n.type for n in linux(document).namespaces)
    assert document.hostname is None


@pytest.mark.parametrize(
    ("add", "drop", "there", "missing"),
    [
        (["net_admin"], [], {"CAP_NET_ADMIN", "CAP_CHOWN"}, {"CAP_SYS_ADMIN"}),
        ([], ["ALL"], set(), set(identity.CAPABILITIES)),
        (["CAP_CHOWN"], ["all"], {"CAP_CHOWN"}, {"CAP_KILL"}),
        (["ALL"], ["sys_admin"], {"CAP_NET_ADMIN"}, {"CAP_SYS_ADMIN"}),
        (["ALL"], ["ALL"], {"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}, set()),
        ([], ["mknod"], {"CAP_CHOWN"}, {"CAP_MKNOD"}),
    ],
)
def test_capabilities_are_added_and_dropped(
    add: list[str], drop: list[str], there: set[str], missing: set[str]
) -> None:
    found = set(identity.capability_list(HostConfig(cap_add=add, cap_drop=drop)))
    assert there <= found
    assert not missing & found


def test_an_unknown_capability_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="SYS_NONSENSE"):
        identity.capability_list(HostConfig(cap_add=["SYS_NONSENSE"]))


def test_limits_are_in_the_specifications_units() -> None:
    host = HostConfig(
        memory=100, memory_swap=150, nano_cpus=1_500_000_000, pids_limit=7, cpuset_cpus="0", cpu_shares=512
    )
    found = spec.resources(host)
    assert found.memory == oci.Memory(limit=100, swap=150)
    assert found.cpu == oci.CPU(shares=512, quota=150_000, period=100_000, cpus="0")
    assert found.pids == oci.Pids(7)


def test_a_throttle_needs_a_block_device() -> None:
    with pytest.raises(InvalidConfig, match="not a block device"):
        spec.resources(HostConfig(device_read_bps=[("/dev/null", 1000)]))


def test_mounts_asked_for_replace_the_defaults_and_nest_in_order() -> None:
    binds = [Bind("bind", "/a/b", "/x", ["ro"]), Bind("tmpfs", "/a"), Bind("bind", "/etc/hosts", "/h")]
    found = [m.destination for m in built(host=HostConfig(mounts=binds)).mounts]
    assert found.index("/a") < found.index("/a/b")
    assert found.count("/etc/hosts") == 1
    hosts = next(m for m in built(host=HostConfig(mounts=binds)).mounts if m.destination == "/etc/hosts")
    assert (hosts.source, hosts.options[0]) == ("/h", "rbind")


@pytest.mark.parametrize(
    ("options", "propagation"),
    [([], None), (["rslave"], "rslave"), (["slave"], "rslave"), (["shared"], "shared")],
)
def test_propagation_follows_the_mounts(options: list[str], propagation: str | None) -> None:
    document = built(host=HostConfig(mounts=[Bind("bind", "/a", "/x", options)]))
    assert linux(document).rootfs_propagation == propagation


def test_ulimits_and_environment() -> None:
    config = Config(cmd=["sh"], hostname="h", tty=True, env=["PATH=/p", "A=1", "A=2"])
    ulimits = [Ulimit("nofile", 10, 20), Ulimit("core", 0, -1)]
    document = oci.load_spec(dump(built(config, HostConfig(ulimits=ulimits))))
    assert [to_builtins(r) for r in process(document).rlimits] == [
        {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1},
    ]
    assert set(process(document).env) == {"PATH=/p", "HOSTNAME=h", "HOME=/root", "TERM=xterm", "A=2"}


class TestMerge:
    def test_the_image_fills_what_was_not_asked_for(self) -> None:
        config = Config(env=["A=mine"], labels={"x": "mine"})
        image = ContainerConfig(
            user="u", env=["A=its", "B=its"], entrypoint=["/e"], cmd=["c"], working_dir="/w",
            labels={"x": "its", "y": "its"}, stop_signal="SIGQUIT",
        )  # fmt: skip
        defaults.merge(config, image)
        assert (config.entrypoint, config.cmd, config.user, config.working_dir) == (["/e"], ["c"], "u", "/w")
        assert config.env == ["A=mine", "B=its"]
        assert config.labels == {"x": "mine", "y": "its"}
        assert config.stop_signal == "SIGQUIT"

    def test_an_entrypoint_asked_for_discards_the_images_command(self) -> None:
        config = Config(entrypoint=["/mine"])
        defaults.merge(config, ContainerConfig(entrypoint=["/e"], cmd=["c"]))
        assert (config.entrypoint, config.cmd) == (["/mine"], [])

    def test_a_command_asked_for_keeps_the_images_entrypoint(self) -> None:
        config = Config(cmd=["mine"])
        defaults.merge(config, ContainerConfig(entrypoint=["/e"], cmd=["c"]))
        assert (config.entrypoint, config.cmd) == (["/e"], ["mine"])

    def test_no_program_is_an_error(self) -> None:
        with pytest.raises(UsageError, match="no command specified"):
            defaults.merge(Config(entrypoint=[]), ContainerConfig(entrypoint=["/e"], cmd=["c"]))
