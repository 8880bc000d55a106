"""What each call can fail with in practice, on a host that is full, busy, old or forbidding.

Of the manual pages' lists, those that a correct caller can meet: no EFAULT, no EBADF; and no ESRCH for
a process that is there, which would be a lie that no program can recover from.
"""

from __future__ import annotations

FORBIDDEN = ("EPERM", "ENOMEM")  # a security module, a full kernel: any call
ERRNOS = {
    # processes
    "fork": ("EAGAIN", "ENOMEM"),
    "clone3": ("EAGAIN", "ENOMEM", "ENOSPC"),
    "clone_sibling": ("EAGAIN", "ENOMEM"),
    "unshare": ("EPERM", "ENOSPC"),
    "setns": ("EPERM", "ENOMEM"),
    "wait": ("ECHILD",),
    "kill": ("EPERM",),
    "pidfd_open": ("EMFILE", "ENOMEM"),
    "pidfd_send_signal": ("EPERM",),
    "execve": ("EACCES", "ENOENT", "ENOMEM"),
    # files and mounts
    "mount": ("EINVAL", "EPERM", "ENOSPC"),
    "umount2": ("EBUSY", "EPERM"),
    "open_tree": ("EPERM", "EMFILE"),
    "move_mount": ("EINVAL", "ENOSPC"),
    "mount_setattr": ("EPERM", "EINVAL"),
    "fsopen": ("EPERM", "ENOMEM"),
    "fsconfig": ("EINVAL", "ENOMEM"),
    "fsmount": ("EBUSY", "EPERM"),
    "pivot_root": ("EINVAL", "EBUSY"),
    "chroot": ("EPERM", "EACCES"),
    "chdir": ("EACCES", "ENOENT"),
    "mknod": ("ENOSPC", "EPERM"),
    # control groups
    "make_group": ("ENOSPC", "ENOMEM"),
    "remove_group": ("EBUSY", "EPERM"),
    "write_control": ("EIO", "EINVAL", "EBUSY"),
    # users, limits
    "setuid": ("EAGAIN", "EPERM"),
    "setresuid": ("EAGAIN", "EPERM"),
    "prlimit": ("EPERM", "EINVAL"),
    "seccomp": ("EINVAL", "ENOMEM"),
    # the network
    "new_bridge": ("EPERM", "EOPNOTSUPP"),
    "new_veth": ("EPERM", "EEXIST"),
    "delete_link": ("EPERM", "EBUSY"),
    "delete_group": ("EPERM", "EBUSY"),
    "add_address": ("ENOBUFS", "EPERM"),
    "add_default_route": ("ENETUNREACH", "EPERM"),
    "interface_up": ("EPERM", "ENOBUFS"),
    "start_nft": ("ENOMEM", "ENOENT"),
    "_open_master": ("ENOSPC", "EIO"),
}


def of_step(name: str) -> tuple[str, ...]:
    """The names of the errnos that the step is to fail with."""
    return ERRNOS.get(name, FORBIDDEN)
