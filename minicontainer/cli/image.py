"""``minicontainer image``: the verbs of images, by Docker's longer names."""

from __future__ import annotations

from minicontainer.cli.command import Verb
from minicontainer.cli.groups import group

VERBS = (
    Verb("history", "minicontainer.cli.history", "Show the history of an image"),
    Verb("import", "minicontainer.cli.importing", "Make an image of a root file system"),
    Verb("ls", "minicontainer.cli.images", "List images"),
    Verb("rm", "minicontainer.cli.rmi", "Remove one or more images"),
    Verb("tag", "minicontainer.cli.tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
)

command = group("image", "Manage images", VERBS)
