"""Which security modules run, by the files of the kernel; and that no label is lost in silence."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import InvalidConfig, Unsupported
from minicontainer.libcontainer import labels
from minicontainer.linux import procfs
from minicontainer.oci.runtime import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that tell: none of them is there at first."""
    for name in ("MODULES", "APPARMOR_ENABLED", "FILESYSTEMS"):
        monkeypatch.setattr(labels, name, str(tmp_path / name))
    return tmp_path


def test_a_kernel_without_any(kernel: Path) -> None:
    assert not labels.apparmor()
    assert not labels.selinux()


@pytest.mark.parametrize(("text", "runs"), [("Y\n", True), ("N\n", False)])
def test_apparmor(kernel: Path, text: str, runs: bool) -> None:
    (kernel / "APPARMOR_ENABLED").write_text(text)
    assert labels.apparmor() is runs


@pytest.mark.parametrize(
    ("modules", "runs"), [("lockdown,capability,selinux,bpf", True), ("lockdown,capability,apparmor", False)]
)
def test_selinux_by_the_list_of_modules(kernel: Path, modules: str, runs: bool) -> None:
    (kernel / "MODULES").write_text(modules)
    assert labels.selinux() is runs


def test_selinux_where_the_list_is_not_mounted(kernel: Path) -> None:
    (kernel / "FILESYSTEMS").write_text("nodev\tsysfs\nnodev\tselinuxfs\n\text4\n")
    assert labels.selinux()


def test_what_does_not_run_is_refused(kernel: Path) -> None:
    with pytest.raises(Unsupported, match=r"process\.apparmorProfile: 'p' cannot be applied: AppArmor"):
        labels.check(Process(cwd="/", apparmor_profile="p"), None)
    with pytest.raises(Unsupported, match=r"process\.selinuxLabel: 'l' cannot be applied: SELinux"):
        labels.check(Process(cwd="/", selinux_label="l"), None)
    with pytest.raises(Unsupported, match=r"linux\.mountLabel: 'm' cannot be applied: SELinux"):
        labels.check(Process(cwd="/"), "m")


def test_what_runs_is_not(kernel: Path) -> None:
    (kernel / "APPARMOR_ENABLED").write_text("Y")
    (kernel / "MODULES").write_text("selinux")
    labels.check(Process(cwd="/", apparmor_profile="p", selinux_label="l"), "m")
    with pytest.raises(InvalidConfig, match=r"linux\.mountLabel: .* holds a quotation mark"):
        labels.check(Process(cwd="/"), 'm",rootcontext="x')


def test_unconfined_needs_nothing(kernel: Path) -> None:
    process = Process(cwd="/", apparmor_profile="unconfined")
    labels.check(process, None)
    assert labels.hold(process) == -1


def test_without_labels_nothing_is_held() -> None:
    assert labels.hold(Process(cwd="/")) == -1


@pytest.mark.parametrize("field", ["apparmor_profile", "selinux_label"])
def test_a_label_that_the_kernel_does_not_take_is_an_error(field: str) -> None:
    if labels.apparmor() or labels.selinux():
        pytest.skip("a security module runs here, and could take it")
    process = Process(cwd="/")
    setattr(process, field, "nonsense")
    proc = procfs.hold()
    try:
        with pytest.raises(OSError, match="/attr/exec") as caught:
            labels.apply(process, proc)
    finally:
        os.close(proc)
    name = {"apparmor_profile": "apparmorProfile", "selinux_label": "selinuxLabel"}[field]
    assert caught.value.context == f"process.{name} (nonsense)"  # type: ignore[attr-defined]
