"""``diff``, ``top``, ``history`` and ``tag``: what is told is what the kernel and the store have."""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.integration.refusals import refused
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

ALONE = ("--network", "none")


# -- diff


def changes(mc: Runner, name: str) -> set[str]:
    """The lines."""
    return set(mc.ok("diff", name).splitlines())


def test_what_was_added_changed_and_deleted(mc: Runner) -> None:
    new = "mkdir /new; echo x > /new/file; ln -s file /new/link"
    script = f"{new}; echo y >> /etc/passwd; rm /bin/vi; chmod 700 /tmp"
    mc.ok("run", "--name", "changes", *ALONE, "busybox", "sh", "-c", script)
    # /bin is a link to /usr/bin in the image, or a folder of its own: then that is what changed.
    found = {re.sub("^(.) /usr", r"\1 ", line).replace("  /", " /") for line in changes(mc, "changes")}
    assert found - {"C "} == {
        "A /new", "A /new/file", "A /new/link", "C /etc", "C /etc/passwd", "C /bin", "D /bin/vi", "C /tmp",
    }  # fmt: skip


def test_what_is_mounted_is_no_change(mc: Runner, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("bound"))
    mc.ok(
        "run", "--name", "mounted", *ALONE, "--tmpfs", "/tmp", "-v", f"{folder}:/etc/bound", "busybox",
        "sh", "-c", "echo a > /tmp/x; echo b > /etc/bound/y; echo c > /dev/shm/z; hostname > /dev/null",
    )  # fmt: skip
    assert not {line for line in changes(mc, "mounted") if line[2:] not in ("/etc", "/etc/bound")}
    assert os.listdir(folder) == ["y"]


def test_a_running_container_and_one_that_never_ran(mc: Runner) -> None:
    mc.ok("create", "--name", "never", *ALONE, "busybox", "true")
    assert changes(mc, "never") == set()
    mc.ok("run", "-d", "--name", "runs", *ALONE, "busybox", "sh", "-c", "echo x > /made; exec sleep 60")
    until(lambda: changes(mc, "runs") == {"A /made"}, "the file is there")
    mc.ok("exec", "runs", "rm", "/made")
    assert changes(mc, "runs") == set()


# -- top


def test_the_container_s_processes_and_no_others(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "other", *ALONE, "busybox", "sleep", "71")
    mc.ok("run", "-d", "--name", "family", *ALONE, "busybox", "sh", "-c", "sleep 72 & sleep 73 & wait")

    def shown() -> list[list[str]]:
        return [line.split(None, 1) for line in mc.ok("top", "family", "-eo", "pid,args").splitlines()]

    wanted = ["COMMAND", "sh -c sleep 72 & sleep 73 & wait", "sleep 72", "sleep 73"]
    # Between fork and execve, a child has its parent's words.
    until(lambda: [args for _, args in shown()] == wanted, "all three run")
    heading, *rows = shown()
    assert heading == ["PID", "COMMAND"]
    assert int(rows[0][0]) == mc.pid("family")


def test_the_default_is_ps_ef(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "one", *ALONE, "busybox", "sleep", "60")
    heading, row = mc.ok("top", "one").splitlines()
    assert heading.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert row.split()[1] == str(mc.pid("one"))
    assert row.split()[2] == str(mc.monitor("one"))
    assert row.endswith("sleep 60")


def test_a_paused_container_has_processes(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "still", *ALONE, "busybox", "sleep", "60")
    mc.ok("pause", "still")
    assert mc.ok("top", "still", "-eo", "pid").split() == ["PID", str(mc.pid("still"))]


def test_top_refuses(mc: Runner) -> None:
    mc.ok("create", "--name", "never", *ALONE, "busybox", "true")
    refused(mc, "top", "never", code=1, said="is not running")
    refused(mc, "top", "nosuch", code=1, said="No such container: nosuch")
    mc.ok("run", "-d", "--name", "runs", *ALONE, "busybox", "sleep", "60")
    refused(mc, "top", "runs", "-o", "args", code=1, said="Couldn't find PID field in ps output")
    refused(mc, "top", "runs", "--nonsense", code=1, said="ps: ")


# -- history


def test_each_step_with_its_size_the_newest_first(mc: Runner) -> None:
    mc.ok("run", "--name", "maker", *ALONE, "busybox", "sh", "-c", "head -c 12345 /dev/zero > /file")
    made = mc.ok("commit", "-m", "a file", "maker", "made")
    lines = mc.ok("history", "--no-trunc", "--format", "json", "made").splitlines()
    newest, oldest = map(json.loads, lines)
    assert (newest["ID"], newest["Size"], newest["Comment"]) == (made, "12.3kB", "a file")
    assert newest["CreatedBy"] == "sh -c head -c 12345 /dev/zero > /file"
    assert (oldest["ID"], oldest["Comment"].split()[0]) == ("<missing>", "Imported")
    assert oldest["Size"] == mc.ok("images", "--format", "{{.Size}}", "busybox")
    assert mc.ok("history", "-q", "made").split() == [made.removeprefix("sha256:")[:12], "<missing>"]
    exact = mc.ok("history", "-H=false", "made").splitlines()
    assert "12345" in exact[1].split()
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", exact[1])


def test_history_s_columns(mc: Runner, busybox_id: str) -> None:
    heading, row = mc.ok("history", "busybox").splitlines()
    assert re.split(" {2,}", heading.rstrip()) == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    assert row.startswith(busybox_id.removeprefix("sha256:")[:12])
    refused(mc, "history", "nosuch", code=1, said="no such image: nosuch")


# -- tag


def references(mc: Runner) -> dict[str, str]:
    """Ids by reference."""
    rows = mc.ok("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    return dict(row.split() for row in rows)


def test_a_tag_is_one_more_name_of_the_same_image(mc: Runner, busybox_id: str) -> None:
    for name in ("other", "a/b:v1", "registry.example:5000/x/y:z"):
        assert mc.ok("tag", "busybox", name) == ""
    assert references(mc) == dict.fromkeys(
        ["busybox:latest", "other:latest", "a/b:v1", "registry.example:5000/x/y:z"], busybox_id
    )
    assert mc.ok("run", "--rm", *ALONE, "a/b:v1", "echo", "runs") == "runs"
    assert sorted(json.loads(mc.ok("image", "inspect", "busybox"))[0]["RepoTags"]) == sorted(references(mc))
    mc.ok("rmi", "other", "a/b:v1", "registry.example:5000/x/y:z")


def test_a_tag_is_taken_from_who_had_it(mc: Runner, busybox_id: str) -> None:
    mc.ok("create", "--name", "maker", *ALONE, "busybox", "true")
    made = mc.ok("commit", "maker", "mine:1")
    mc.ok("tag", busybox_id, "mine:1")
    assert references(mc)["mine:1"] == busybox_id
    assert references(mc)["<none>:<none>"] == made
    mc.ok("tag", made[:20], "mine:1")
    assert references(mc) == {"busybox:latest": busybox_id, "mine:1": made}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch", "x"], "no such image: nosuch"),
        (["busybox", "UPPER"], "UPPER"),
        (["busybox", "a:b:c"], "a:b:c"),
        (["busybox"], "requires 2 arguments"),
        (["busybox", "x", "y"], "requires 2 arguments"),
    ],
)
def test_tag_refuses(mc: Runner, arguments: list[str], said: str) -> None:
    refused(mc, "tag", *arguments, code=1, said=said)
