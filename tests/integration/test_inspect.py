"""``inspect``: what is known of containers and images."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner


def test_running_container(mc: Runner, tmp_path: Path) -> None:
    container = mc.ok(
        "run", "-d", "--name", "seen", "-h", "me", "-e", "A=1", "-l", "k=v", "-w", "/tmp", "-u", "nobody",
        "-v", f"{tmp_path}:/data:ro", "--tmpfs", "/t:size=1m", "--network", "none", "--cap-add", "NET_RAW",
        "--read-only", "--init", "--ulimit", "nofile=64:128", "busybox", "sleep", "60",
    )  # fmt: skip
    (found,) = json.loads(mc.ok("inspect", "seen"))
    assert (found["Id"], found["Name"], found["Path"], found["Args"]) == (container, "/seen", "sleep", ["60"])
    state, config, host = found["State"], found["Config"], found["HostConfig"]
    assert (state["Status"], state["Running"], state["ExitCode"], state["OOMKilled"]) == (
        "running",
        True,
        0,
        False,
    )
    assert state["Pid"] > 0
    assert (config["Hostname"], config["User"], config["WorkingDir"]) == ("me", "nobody", "/tmp")
    assert (config["Labels"], config["Image"], config["Cmd"]) == ({"k": "v"}, "busybox", ["sleep", "60"])
    assert "A=1" in config["Env"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Init"]) == ("none", True, True)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 64, "Hard": 128}]
    (mount,) = found["Mounts"]
    assert (mount["Source"], mount["Destination"], mount["RW"]) == (str(tmp_path), "/data", False)


def test_ended_container(mc: Runner) -> None:
    mc("run", "--name", "ended", "--network", "none", "busybox", "sh", "-c", "exit 9")
    (found,) = json.loads(mc.ok("inspect", "ended"))
    state = found["State"]
    assert (state["Status"], state["Running"], state["ExitCode"], state["Pid"]) == ("exited", False, 9, 0)
    assert found["Created"] <= state["StartedAt"] <= state["FinishedAt"]


def test_container_whose_program_is_missing(mc: Runner) -> None:
    mc("run", "--name", "never", "--network", "none", "busybox", "nosuch")
    shown = mc.state("never", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}")
    assert shown == 'created 127 exec: "nosuch": executable file not found in $PATH'


def test_image(mc: Runner) -> None:
    (found,) = json.loads(mc.ok("inspect", "--type", "image", "busybox"))
    assert found["Id"] == mc.ok("images", "-q", "--no-trunc", "busybox")
    assert found["RepoTags"] == ["busybox:latest"]
    assert found["Config"]["Cmd"] == ["sh"]
    assert (found["Os"], len(found["RootFS"]["Layers"])) == ("linux", 1)
    assert found["Size"] > 100_000


def test_several_with_a_format(mc: Runner) -> None:
    mc.ok("run", "--name", "one", "--network", "none", "busybox", "true")
    result = mc("inspect", "-f", "{{.Id}}", "busybox", "nosuch", "one")
    assert result.code == 1
    assert len(result.out.splitlines()) == 2
    assert result.err == "minicontainer: no such object: nosuch\n"


def test_missing_one_is_an_empty_list(mc: Runner) -> None:
    result = mc("inspect", "nosuch")
    assert (result.code, json.loads(result.out)) == (1, [])
    assert mc("inspect", "--type", "image", "nosuch").err == "minicontainer: no such image: nosuch\n"
    assert mc("inspect", "--type", "nosuch", "busybox").code == 1


def test_a_label_that_is_not_there_is_no_mistake_in_a_template(mc: Runner) -> None:
    container = mc.ok("create", "--network", "none", "-l", "k=v", "busybox", "true")
    assert mc.state(container, "{{.Config.Labels.k}} {{.Config.Labels.nosuch}}") == "v <no value>"
    assert mc.state(container, "{{json .NetworkSettings.Ports}} {{len .HostConfig.PortBindings}}") == "{} 0"
    driver = mc.state(container, "{{.GraphDriver.Name}}")
    place = mc.state(container, "{{with .GraphDriver.Data}}{{.UpperDir}}{{end}}")
    assert place.endswith("/upper") == (driver == "overlay")
    assert mc("inspect", "-f", "{{.Config.Nosuch}}", container).code == 1


def test_templates(mc: Runner) -> None:
    assert mc.ok("inspect", "-f", "{{json .RepoTags}}", "busybox") == '["busybox:latest"]'
    assert mc.ok("inspect", "-f", "{{range .RepoTags}}<{{.}}>{{end}}", "busybox") == "<busybox:latest>"
    assert mc("inspect", "-f", "{{.Nosuch}}", "busybox").code == 1
    assert mc("inspect", "-f", "{{", "busybox").code == 64
