"""``system df``: sizes compared with the files on the disk."""

from __future__ import annotations

import json
import os

import pytest

from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

ALONE = ("--network", "none")
KB = 1000


def files(folder: str) -> int:
    """Bytes of the files and symbolic links below a folder, each once whatever its names."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(where, name))
            found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values())


def layers(mc: Runner) -> dict[str, int]:
    """Bytes of the files of each unpacked layer."""
    top = f"{mc.root}/layers"
    (driver,) = (name for name in os.listdir(top) if os.path.isdir(f"{top}/{name}"))
    return {
        name: files(f"{top}/{driver}/{name}") for name in os.listdir(f"{top}/{driver}") if len(name) == 64
    }


def table(mc: Runner) -> dict[str, dict[str, str]]:
    """The rows by their type."""
    lines = mc.ok("system", "df", "--format", "json").splitlines()
    return {row["Type"]: row for row in map(json.loads, lines)}


def human(size: int) -> str:
    """As Docker writes sums: four digits."""
    for unit in ("B", "kB", "MB"):
        if size < KB or unit == "MB":
            return f"{size:.4g}{unit}"
        size /= KB  # type: ignore[assignment]
    raise AssertionError


def commit(mc: Runner, name: str, size: int) -> str:
    """An image of busybox and one file; its id.  Its layer is unpacked."""
    write = f"head -c {size} /dev/zero > /{name}"
    mc.ok("run", "--name", name, *ALONE, "busybox", "sh", "-c", write)
    made = mc.ok("commit", name, name)
    mc.ok("rm", name)
    mc.ok("run", "--rm", *ALONE, name, "true")
    return made


def test_the_table_is_docker_s(mc: Runner) -> None:
    lines = mc.ok("system", "df").splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["Images", "1", "0", human(sum(layers(mc).values())), human(sum(layers(mc).values())), "(100%)"],
        ["Containers", "0", "0", "0B", "0B"],
        ["Local", "Volumes", "0", "0", "0B", "0B"],
        ["Build", "Cache", "0", "0", "0B", "0B"],
    ]
    assert lines[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]


def test_a_layer_of_several_images_is_counted_once(mc: Runner) -> None:
    base = sum(layers(mc).values())
    commit(mc, "small", 3000)
    commit(mc, "large", 50_000)
    mc.ok("tag", "large", "another:name")
    assert sum(layers(mc).values()) == base + 53_000
    images = table(mc)["Images"]
    assert (images["TotalCount"], images["Size"]) == ("3", human(base + 53_000))
    form = "{{range .Images}}{{.Repository}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}}\n{{end}}"
    rows = [line.split() for line in mc.ok("system", "df", "-v", "--format", form).split("\n") if line]
    assert sorted(rows) == [
        ["another", human(base), "50kB", "0"],
        ["busybox", human(base), "0B", "0"],
        ["small", human(base), "3kB", "0"],
    ]


def test_reclaimable_is_what_a_prune_gives_back(mc: Runner) -> None:
    base = sum(layers(mc).values())
    commit(mc, "unused", 30_000)
    commit(mc, "used", 10_000)
    mc.ok("create", "--name", "keeps", *ALONE, "used", "true")
    images = table(mc)["Images"]
    assert (images["Active"], images["Reclaimable"]) == ("1", f"30kB ({30_000 * 100 // (base + 40_000)}%)")
    mc.ok("tag", "busybox", "aside:1")  # what the other tests need is kept by a container
    mc.ok("create", "--name", "also", *ALONE, "busybox", "true")
    assert mc.ok("image", "prune", "-af").endswith("Total reclaimed space: 30kB")
    assert sum(layers(mc).values()) == base + 10_000
    assert table(mc)["Images"]["Reclaimable"] == "0B (0%)"
    mc.ok("rmi", "aside:1")


def test_containers_are_measured_by_what_they_wrote(mc: Runner) -> None:
    write = "head -c 70000 /dev/zero > /x; sync; exec sleep 60"
    mc.ok("run", "-d", "--name", "runs", *ALONE, "busybox", "sh", "-c", write)
    mc.ok("run", "--name", "ended", *ALONE, "busybox", "sh", "-c", "head -c 5000 /dev/zero > /y")
    mc.ok("exec", "runs", "sh", "-c", "until [ $(stat -c %s /x) = 70000 ]; do sleep 0.1; done")
    row = table(mc)["Containers"]
    assert (row["TotalCount"], row["Active"], row["Size"], row["Reclaimable"]) == (
        "2",
        "1",
        "75kB",
        "5kB (6%)",
    )
    assert mc.ok("container", "prune", "-f").endswith("Total reclaimed space: 5kB")
    assert table(mc)["Containers"]["Reclaimable"] == "0B (0%)"


def test_in_detail(mc: Runner) -> None:
    mc.ok("create", "--name", "never", *ALONE, "busybox", "true")
    text = mc.ok("system", "df", "-v")
    headings = [line for line in text.splitlines() if line.endswith((":", "0B"))]
    assert headings == [
        "Images space usage:", "Containers space usage:", "Local Volumes space usage:",
        "Build cache usage: 0B",
    ]  # fmt: skip
    image = next(line.split() for line in text.splitlines() if line.startswith("busybox"))
    assert (image[:2], image[-1]) == (["busybox", "latest"], "1")
    container = next(line.split() for line in text.splitlines() if line.endswith("never"))
    assert container[1:3] == ["busybox", '"true"']
    assert "Created" in container
    found = json.loads(mc.ok("system", "df", "-v", "--format", "json"))
    assert list(found) == ["Images", "Containers", "Volumes", "BuildCache"]
    assert found["Containers"][0]["Names"] == "never"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["extra"], 1, "'minicontainer system df' accepts no arguments"),
        (["--nonsense"], 125, "unknown flag: --nonsense"),
        (["--format", "{{.Nosuch}}"], 1, "Nosuch"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, "system", "df", *arguments, code=code, said=said)
