"""``minicontainer image``: the verbs of images, by Docker's longer names."""

from __future__ import annotations

from minicontainer.cli.command import Verb
from minicontainer.cli.groups import group

VERBS = (
    Verb("history", "minicontainer.cli.history", "Show the history of an image"),
    Verb("import", "minicontainer.cli.importing", "Make an image of a root file system"),
    Verb("inspect", "minicontainer.cli.image_inspect", "Show what is known of images"),
    Verb("ls", "minicontainer.cli.images", "List images", ("list",)),
    Verb("prune", "minicontainer.cli.image_prune", "Remove unused images"),
    Verb("rm", "minicontainer.cli.rmi", "Remove one or more images", ("remove",)),
    Verb("tag", "minicontainer.cli.tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
)

command = group("image", "Manage images", VERBS)
