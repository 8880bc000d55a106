"""An exception crosses from one process to another and stays what it was."""

from __future__ import annotations

import pytest

from minicontainer import errors
from minicontainer.linux import mount


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
)
def test_ours_keep_their_type_text_and_exit_code(kind: type[errors.MinicontainerError]) -> None:
    sent = kind("why: ü")
    made = errors.from_wire(errors.to_wire(sent))
    assert type(made) is kind
    assert str(made) == "why: ü"
    assert getattr(made, "exit_code") == sent.exit_code  # noqa: B009 - not known of Exception


def test_a_refused_call_keeps_errno_path_step_and_field() -> None:
    with pytest.raises(OSError, match="No such") as caught:
        mount.umount2("/no/such/path", mount.MNT_DETACH)
    caught.value.context = "mounts[3]"  # type: ignore[attr-defined]
    made = errors.from_wire(errors.to_wire(caught.value))
    assert isinstance(made, FileNotFoundError)
    assert made.filename == "/no/such/path"
    assert vars(made)["step"]["name"] == "umount2"
    assert vars(made)["step"]["args"]["flags"] == "MNT_DETACH"
    assert vars(made)["context"] == "mounts[3]"


def test_a_stranger_is_named() -> None:
    made = errors.from_wire(errors.to_wire(KeyError("k")))
    assert type(made) is errors.MinicontainerError
    assert str(made) == "KeyError: 'k'"


def test_an_error_without_errno_keeps_its_text() -> None:
    assert "timed out" in str(errors.from_wire(errors.to_wire(TimeoutError("timed out"))))
