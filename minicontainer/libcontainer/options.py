"""What whoever creates a container asks for, beside what config.json says."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# An annotation asks for the reaping init: config.json has no field for it.
INIT_ANNOTATION = "io.minicontainer.init"


class Options:
    """For `Container.create`; the defaults are those of a caller who waits for the container.

    ========================  =====================================================================
    ``stdio``                 the program's standard streams, unless it has a terminal
    ``on_console``            is given the terminal's master
    ``console_expected``      somebody waits for a master: a configuration without terminal is wrong
    ``prepare``               is called with init's pid once its namespaces exist, while init mounts
    ``die_with_parent``       init is killed when this process ends, however it ends
    ``preserve_fds``          so many descriptors from 3 on go to the program
    ``listen_fds``            the first of them are listening sockets (sd_listen_fds(3))
    ``new_keyring``           a session keyring of the container's own
    ``pivots``                False: the host's root is the initramfs and cannot be moved, only covered
    ``warn``                  is told, in a line, what is asked for and cannot be had
    ``rootless``              do without a control group where none may be made, as long as no limit
                              asks for one; None: if the caller is not the host's root
    ========================  =====================================================================
    """

    __slots__ = (
        "console_expected", "die_with_parent", "listen_fds", "new_keyring", "on_console", "pivots",
        "prepare", "preserve_fds", "rootless", "stdio", "warn",
    )  # fmt: skip

    def __init__(
        self,
        *,
        stdio: tuple[int, int, int] = (0, 1, 2),
        on_console: Callable[[int], None] | None = None,
        console_expected: bool = False,
        prepare: Callable[[int], None] | None = None,
        die_with_parent: bool = False,
        preserve_fds: int = 0,
        listen_fds: int = 0,
        new_keyring: bool = True,
        pivots: bool = True,
        rootless: bool | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.stdio = stdio
        self.on_console = on_console
        self.console_expected = console_expected
        self.prepare = prepare
        self.die_with_parent = die_with_parent
        self.preserve_fds = preserve_fds
        self.listen_fds = listen_fds
        self.new_keyring = new_keyring
        self.pivots = pivots
        self.rootless = rootless
        self.warn = warn
