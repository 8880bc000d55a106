"""Fields of config.json that this host or this runtime cannot honour: named, and nothing made."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import InvalidConfig, Unsupported
from minicontainer.libcontainer import labels
from tests.kernel.libcontainer.containers import dies_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

without_apparmor = pytest.mark.skipif(labels.apparmor(), reason="AppArmor runs here")
without_selinux = pytest.mark.skipif(labels.selinux(), reason="SELinux runs here")
SELINUX = "system_u:system_r:container_t:s0"


def refused(containers: Containers, bundle: Bundle, changes: dict[str, Any], error: type[Exception]) -> str:
    bundle.change(changes)
    with pytest.raises(error) as caught:
        containers.create(bundle)
    assert os.listdir(containers.root) == []
    return str(caught.value)


@without_apparmor
def test_a_profile_without_apparmor(containers: Containers, bundle: Bundle) -> None:
    found = refused(containers, bundle, {"process.apparmorProfile": "docker-default"}, Unsupported)
    assert found == (
        "config.json: process.apparmorProfile: 'docker-default' cannot be applied: AppArmor does not run here"
    )


@without_apparmor
def test_without_apparmor_everything_is_unconfined(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.apparmorProfile": "unconfined"})
    assert containers.run(bundle).code == 0


@without_selinux
@pytest.mark.parametrize("field", ["process.selinuxLabel", "linux.mountLabel"])
def test_a_label_without_selinux(containers: Containers, bundle: Bundle, field: str) -> None:
    found = refused(containers, bundle, {field: SELINUX}, Unsupported)
    assert found == f"config.json: {field}: '{SELINUX}' cannot be applied: SELinux does not run here"


@without_apparmor
@without_selinux
@pytest.mark.parametrize("field", ["apparmorProfile", "selinuxLabel"])
def test_a_label_for_exec(containers: Containers, bundle: Bundle, field: str) -> None:
    container = containers.sleeping(bundle)
    with pytest.raises(Unsupported, match=f"process.{field}: 'x' cannot be applied"):
        containers.exec(container, {"cwd": "/", "args": ["/bin/true"], field: "x"})
    assert dies_of(container) == 137


@pytest.mark.parametrize("version", ["", "1", "1.0", "one", "1.0.x", "01.0.0", "1.0.0-"])
def test_a_version_that_is_none(containers: Containers, bundle: Bundle, version: str) -> None:
    found = refused(containers, bundle, {"ociVersion": version}, InvalidConfig)
    assert found == f"config.json: ociVersion: {version!r} is not a version such as 1.2.0"


@pytest.mark.parametrize("version", ["0.9.0", "1.9.0", "2.0.0"])
def test_a_version_that_is_not_understood(containers: Containers, bundle: Bundle, version: str) -> None:
    found = refused(containers, bundle, {"ociVersion": version}, Unsupported)
    assert found.startswith(f"config.json: ociVersion: {version} is not understood")


@pytest.mark.parametrize("version", ["1.0.0-rc5-dev", "1.0.2-dev", "1.1.0+dev", "1.2.1", "1.3.0"])
def test_versions_that_are_understood(containers: Containers, bundle: Bundle, version: str) -> None:
    bundle.change({"ociVersion": version})
    assert containers.run(bundle).code == 0


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"linux.intelRdt": {"closID": "x"}}, Unsupported, "linux.intelRdt"),
        ({"linux.personality": {"domain": "LINUX", "flags": ["X"]}}, Unsupported, "linux.personality.flags"),
        ({"linux.namespaces+": [{"type": "ipc"}]}, InvalidConfig, "a second namespace of type 'ipc'"),
        ({"linux.uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}, InvalidConfig,
         "linux.uidMappings: there is no user namespace"),
        ({"linux.timeOffsets": {"boottime": {"secs": 1}}}, InvalidConfig, "linux.timeOffsets"),
        ({"linux.cgroupsPath": "system.slice:docker:x"}, Unsupported, "linux.cgroupsPath"),
        ({"root": None}, InvalidConfig, "root is missing"),
        ({"linux.netDevices": {"a/b": {}}}, InvalidConfig, "linux.netDevices: 'a/b' cannot be"),
        ({"linux.netDevices": {"a": {"name": "much-too-long-for-it"}}}, InvalidConfig, "linux.netDevices"),
        ({"linux.netDevices": {"a": {"name": "c"}, "b": {"name": "c"}}}, InvalidConfig,
         "linux.netDevices.b: a second interface named 'c'"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_or_is_not_done(
    containers: Containers, bundle: Bundle, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    assert text in refused(containers, bundle, changes, error)


def test_interfaces_without_a_namespace_to_move_to(containers: Containers, bundle: Bundle) -> None:
    bundle.without_namespace("network")
    found = refused(containers, bundle, {"linux.netDevices": {"lo": {}}}, InvalidConfig)
    assert "linux.netDevices" in found


def test_unknown_properties_are_ignored(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"nonsense": {"a": 1}, "process.nonsense": True, "linux.nonsense": [1]})
    assert containers.run(bundle).code == 0
