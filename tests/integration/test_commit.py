"""``commit``: what a new image holds."""

from __future__ import annotations

import json

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")


def changed(mc: Runner, script: str, *arguments: str) -> str:
    """The name of an ended container that ran ``script``."""
    mc.ok("run", "--name", "changed", "--network", "none", *arguments, "busybox", "sh", "-c", script)
    return "changed"


def test_changes_are_found_again(mc: Runner) -> None:
    script = (
        "echo new > /root/new; echo more >> /etc/passwd; rm /etc/shells; rm -r /var/www; mkdir /var/www;"
        "ln -s new /root/link; chmod 4711 /root/new; mkdir -p /deep/er; chown 33:8 /deep/er"
    )
    image = mc.ok("commit", changed(mc, script), "changed:1")
    assert image.startswith("sha256:")
    shown = mc.ok(
        *RUN, "changed:1", "sh", "-c",
        "cat /root/link; tail -n 1 /etc/passwd; ls /etc/shells; stat -c '%a %u:%g' /root/new /deep/er;"
        "ls /var/www; true",
    )  # fmt: skip
    assert shown.splitlines() == ["new", "more", "4711 0:0", "755 33:8"]


def test_mounts_are_not_part_of_it(mc: Runner) -> None:
    script = "touch /t/in-memory /dev/shm/x /root/kept; echo x >> /etc/hosts"
    image = mc.ok("commit", changed(mc, script, "--tmpfs", "/t"))
    shown = mc.ok(*RUN, image, "sh", "-c", "ls /t /root; grep -c ^x /etc/hosts; true")
    assert shown.split() == ["/root:", "kept", "/t:", "0"]


def test_layers_stand_on_each_other(mc: Runner) -> None:
    mc.ok("commit", changed(mc, "echo 1 > /one"), "layer:1")
    mc.ok("run", "--name", "second", "--network", "none", "layer:1", "sh", "-c", "echo 2 > /two; rm /one")
    mc.ok("commit", "second", "layer:2")
    assert mc.ok(*RUN, "layer:2", "sh", "-c", "cat /two; ls /one 2>/dev/null; true") == "2"
    assert mc.ok(*RUN, "layer:1", "cat", "/one") == "1"
    layers = [
        json.loads(mc.ok("inspect", "-f", "{{json .RootFS.Layers}}", name)) for name in ("layer:1", "layer:2")
    ]
    assert layers[1][:2] == layers[0]
    assert (len(layers[0]), len(layers[1])) == (2, 3)


def test_author_message_and_config(mc: Runner) -> None:
    mc.ok(
        "commit",
        "-a",
        "Ada <ada@example.org>",
        "-m",
        "why",
        changed(mc, "true", "-e", "A=1", "-w", "/tmp"),
        "noted",
    )
    assert mc.ok("inspect", "-f", "{{.Author}}", "noted") == "Ada <ada@example.org>"
    config = json.loads(mc.ok("inspect", "-f", "{{json .Config}}", "noted"))
    assert config["Cmd"] == ["sh", "-c", "true"]
    assert "A=1" in config["Env"]
    assert config["WorkingDir"] == "/tmp"


def test_instructions(mc: Runner) -> None:
    mc.ok(
        "commit", "-c", 'CMD ["sh", "-c", "echo $GREETING; id -un; pwd"]', "-c", "ENV GREETING=hello",
        "-c", "USER nobody", "-c", "WORKDIR /var/log", "-c", "LABEL a=b", "-c", "EXPOSE 80/tcp",
        changed(mc, "true"), "instructed",
    )  # fmt: skip
    assert mc.ok(*RUN, "instructed") == "hello\nnobody\n/var/log"
    config = json.loads(mc.ok("inspect", "-f", "{{json .Config}}", "instructed"))
    assert (config["Labels"], config["ExposedPorts"]) == ({"a": "b"}, {"80/tcp": {}})
    mc.ok("commit", "-c", 'ENTRYPOINT ["echo", "said:"]', "-c", 'CMD ["default"]', "changed", "speaks")
    assert mc.ok(*RUN, "speaks") == "said: default"
    assert mc.ok(*RUN, "speaks", "given") == "said: given"


def test_running_container_goes_on(mc: Runner) -> None:
    mc.ok(
        "run",
        "-d",
        "--name",
        "busy",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "while :; do date > /now; done",
    )
    image = mc.ok("commit", "busy")
    assert mc.state("busy") == "running 0"
    assert mc.ok(*RUN, image, "test", "-e", "/now") == ""
    assert mc("exec", "busy", "true").code == 0
    mc.ok("commit", "--pause=false", "busy")


def test_without_a_name(mc: Runner) -> None:
    image = mc.ok("commit", changed(mc, "true"))
    listed = mc.ok("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}} {{.Tag}}").splitlines()
    assert f"{image} <none> <none>" in listed


def test_name_moves_to_the_new_image(mc: Runner) -> None:
    first = mc.ok("commit", changed(mc, "touch /1"), "moving")
    second = mc.ok("commit", "-m", "again", "changed", "moving")
    assert first != second
    assert mc.ok("inspect", "-f", "{{.Id}}", "moving") == second
    assert mc.ok("inspect", "-f", "{{.RepoTags}}", first) == "[]"


def test_explain(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "told", "--network", "none", "busybox", "sleep", "60")
    result = mc("commit", "--explain", "told")
    assert result.code == 0
    assert result.out.startswith("sha256:")
    assert "freezer.state" in result.err or "cgroup.freeze" in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["changed", "UPPER"], "must be lowercase"),
        (["changed", "a:b:c"], "invalid reference format"),
        (["-c", "NOSUCH x", "changed"], "not a valid change command"),
        (["-c", "EXPOSE abc", "changed"], "invalid containerPort"),
        (["-c", "USER", "changed"], "USER requires"),
        (["nosuch"], "No such container: nosuch"),
    ],
)
def test_refused(mc: Runner, arguments: list[str], said: str) -> None:
    changed(mc, "true")
    before = mc.ok("images", "-q")
    result = mc("commit", *arguments)
    assert (result.code, result.err.count("\n")) == (1, 1), result
    assert said in result.err
    assert mc.ok("images", "-q") == before


def test_a_commit_shows_itself_on_a_terminal_only(mc: Runner) -> None:
    mc.ok("create", "--name", "one", "--network", "none", "busybox", "true")
    with mc.terminal("commit", "one") as terminal:
        terminal.expect("committing one")
        terminal.expect("sha256:")
        assert terminal.wait() == 0
    assert mc("commit", "one").err == ""
