"""What a shell offers at the cursor: asked of `complete`, and of real shells with their scripts.

home    roots with three containers (web runs: this process is its monitor) and two images
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from minicontainer.cli.completing import complete
from minicontainer.cli.completion import SCRIPTS
from minicontainer.cli.group import cli
from minicontainer.cli.onclick import Verbs
from minicontainer.engine import records
from minicontainer.image.layout import ImageLayout
from minicontainer.libcontainer.state import start_time
from minicontainer.oci import image as oci

PROJECT = Path(__file__).parents[3]


def add_container(root: Path, name: str, state: str) -> None:
    one = name.encode().hex().ljust(64, "0")
    folder = root / "containers" / one
    folder.mkdir(parents=True)
    config = records.Config(image="busybox")
    container = records.Container(one, name, 1.0, "sha256:1", [], "vfs", config, records.HostConfig())
    me = os.getpid()
    start = start_time(me) or 0
    running = state == "running"
    status = records.Status(state, pid=me * running, monitor=me * running, monitor_start=start * running)
    records.save(f"{folder}/container.json", container)
    records.save(f"{folder}/status.json", status)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINICONTAINER_ROOT", str(tmp_path))
    monkeypatch.setenv("MINICONTAINER_RUN_ROOT", str(tmp_path / "run"))
    for name, state in (("web", "running"), ("worker", "exited"), ("base", "created")):
        add_container(tmp_path, name, state)
    layout = ImageLayout(f"{tmp_path}/images")
    entries = [
        oci.Descriptor(oci.MEDIA_MANIFEST, f"sha256:{n:064}", 1, annotations={oci.REF_NAME: name})
        for n, name in enumerate(("busybox:latest", "shop/site:v1"))
    ]
    with layout.lock():
        layout.write_index(entries)
    return tmp_path


def offered(line: str) -> list[str]:
    """The values behind ``line``, whose last word is being typed."""
    *words, partial = line.split(" ")
    return [str(item.value) for item in complete(cli, words, partial)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("start ", {"worker", "base"}),
        ("start w", {"worker"}),
        ("stop ", {"web"}),
        ("exec -it ", {"web"}),
        ("attach --no-stdin ", {"web"}),
        ("container stop ", {"web"}),
        ("rm ", {"web", "worker", "base"}),
        ("rm web ", {"worker", "base"}),
        ("rename ", {"web", "worker", "base"}),
        ("rename web ", set()),
        ("logs web ", set()),
        ("inspect b", {"base", "busybox"}),
        ("rmi ", {"busybox", "shop/site:v1"}),
        ("rmi busybox ", {"shop/site:v1"}),
        ("run ", {"busybox", "shop/site:v1"}),
        ("run busybox:", {"busybox:latest"}),
        ("run --rm -it --name web -m 5m bu", {"busybox"}),
        ("run busybox ", set()),
        ("run busybox -", set()),
        ("run --network ", {"none", "host", "bridge"}),
        ("run --network=h", {"--network=host"}),
        ("run -a st", {"stdin", "stdout", "stderr"}),
        ("run --pull ", {"missing", "never"}),
        ("stats ", {"web"}),
        ("system d", {"df"}),
        ("image p", {"prune"}),
        ("run --pid ", {"host", "container:"}),
        ("run --pid container:we", {"container:web"}),
        ("run -it --cap-add SYS_AD", {"SYS_ADMIN"}),
        ("kill -s TER", {"TERM"}),
        ("kill --signal=SIGTER", {"--signal=SIGTERM"}),
        ("run --rm=t", {"--rm=true"}),
        ("doctor --format ", {"text", "json"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("ps --no-t", {"--no-trunc"}),
        ("ps --no-trunc --no-t", set()),
        ("run -e A=1 --env", {"--env", "--env-file"}),
        ("image l", {"ls"}),
        ("nonsense ", set()),
        ("ps -- -", set()),
        ("cp we", {"web:", "we"}),  # a container, and whatever file the shell knows
        ("cp web:/x ", {""}),
    ],
)
def test_what_is_offered(home: Path, line: str, expected: set[str]) -> None:
    assert set(offered(line)) == expected


def test_paths_of_a_running_container_are_offered(home: Path) -> None:
    # This process is the running container here, and its root folder is the host's.
    assert "web:/etc/" in offered("cp web:/et")
    assert "web:/etc/passwd" in offered("cp web:/etc/pass")
    assert offered("cp worker:/et") == []


def test_a_root_in_the_line_counts(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    add_container(other, "elsewhere", "exited")
    assert offered(f"--root {other} rm ") == ["elsewhere"]
    assert offered(f"--root={other} rm ") == ["elsewhere"]


def test_damaged_records_are_left_out(home: Path) -> None:
    for path in home.glob("containers/*/status.json"):
        path.write_bytes(b"{")
        break
    assert len(offered("rm ")) == 2
    (home / "images" / "index.json").write_bytes(b"\0")
    assert offered("rmi ") == []


def every_command() -> list[tuple[str, click.Command]]:
    """Path and command of each verb, from the tables."""
    found: list[tuple[str, click.Command]] = []

    def walk(path: str, command: click.Command) -> None:
        found.append((path, command))
        if isinstance(command, Verbs):
            for name in command.table:
                sub = command.get_command(click.Context(command), name)
                assert sub is not None
                walk(f"{path} {name}".strip(), sub)

    walk("", cli)
    return found


def test_every_verb_and_every_flag_is_offered(home: Path) -> None:
    for path, command in every_command():
        prefix = f"{path} ".lstrip()
        if isinstance(command, Verbs):
            assert offered(prefix) == list(command.table)
        flags = set(offered(f"{prefix}--"))
        for param in command.get_params(click.Context(command)):
            if isinstance(param, click.Option) and not param.hidden:
                assert {name for name in param.opts if name.startswith("--")} <= flags, path


# Real shells


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """With the command on the PATH."""
    program = home / "bin" / "minicontainer"
    program.parent.mkdir()
    code = "from minicontainer.cli.main import main; main()"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(PROJECT),
        "HOME": str(home),
        "TERM": "dumb",
        "PS1": "$ ",
    }


CASES = [
    ("minicontainer unp", "unpause "),
    ("minicontainer stop ", "stop web "),
    ("minicontainer run --network=ho", "--network=host "),
    ("minicontainer run --pid container:", "container:web "),
    ("minicontainer rmi shop/site:", "shop/site:v1 "),
    ("minicontainer run --env-file ./a.e", "./a.env "),
    ("minicontainer cp we", "cp web:"),
    ("minicontainer cp web:/proc/sys/kernel/ostyp", "web:/proc/sys/kernel/ostype "),
]
STARTS = {
    "bash": (["bash", "--norc", "-i"], "source <(minicontainer completion bash)"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -U compinit && compinit -u -D && source <(minicontainer completion zsh)",
    ),
}


class Screen:
    """A shell on a terminal."""

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str, seconds: float = 60) -> None:
        seen = ""
        deadline = time.monotonic() + seconds
        while text not in seen:
            ready, _, _ = select.select([self.master], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{text!r} was not shown, but {seen!r}"
            seen += os.read(self.master, 4096).decode(errors="replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.mark.parametrize(
    "shell", [pytest.param(name, marks=pytest.mark.needs(f"command:{name}")) for name in STARTS]
)
def test_a_shell_completes(shell: str, environment: dict[str, str], home: Path) -> None:
    (home / "a.env").write_text("")
    words, load = STARTS[shell]
    screen = Screen(words, environment, home)
    try:
        screen.type(f"{load}; echo rea''dy\n")
        screen.expect("ready")
        for typed, shown in CASES:
            screen.type(f"{typed}\t")
            screen.expect(shown)
            screen.type("\x15")  # the line is forgotten
    finally:
        screen.close()


@pytest.mark.needs("command:fish")
def test_fish_completes(environment: dict[str, str], home: Path) -> None:
    (home / "a.env").write_text("")
    for typed, shown in CASES:
        script = f"minicontainer completion fish | source; complete -C '{typed}'"
        ran = subprocess.run(
            ["fish", "--no-config", "-c", script],
            env=environment, cwd=home, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        values = [line.partition("\t")[0] for line in ran.stdout.splitlines()]
        assert shown.split()[-1] in values, ran


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_has_no_syntax_error(shell: str, tmp_path: Path) -> None:
    from tests import needs

    if reason := needs.lacks(f"command:{shell}"):
        pytest.skip(reason)
    script = tmp_path / "script"
    script.write_text(SCRIPTS[shell])
    ran = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
