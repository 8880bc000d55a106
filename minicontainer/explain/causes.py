"""What usually makes a call fail with an errno, and the command that shows whether it did.

One row: call, errno, the usual cause, how to check; optionally a test of the decoded arguments.
``call`` is a step's name or its manual page's; ``write:FILE`` is a write to a control file of that
name; ``*`` is any call.  The first row that fits is used, so special rows stand before general ones.

Sources: the calls' manual pages (man-pages 6.03), cgroups(7), user_namespaces(7), the kernel's
Documentation/admin-guide/cgroup-v2.rst and Documentation/filesystems/overlayfs.rst, and where these
are silent the kernel's own checks (fs/namespace.c, kernel/cgroup/, kernel/nsproxy.c).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Args = Mapping[str, str]
    Test = Callable[[Args], bool]
    Row = tuple[str, str, str, str] | tuple[str, str, str, str, Test]


def _with(name: str, *values: str) -> Test:
    """True if the decoded argument ``name`` contains one of ``values``."""
    return lambda args: any(value in args.get(name, "") for value in values)


CAPABILITIES = "grep CapEff /proc/self/status | cut -f2 | xargs -I_ capsh --decode=_"
PROPAGATION = "findmnt -o TARGET,PROPAGATION"
USER_LIMITS = "grep . /proc/sys/user/max_*_namespaces"
DMESG = "dmesg | tail"
PROCESSES = "ulimit -u; cat /proc/sys/kernel/pid_max; cat the cgroup's pids.max and pids.current"
MAPS = "cat /proc/self/uid_map /proc/self/gid_map"
FREE = "df -h PATH; df -i PATH"

MOUNTS: list[Row] = [
    ("mount", "ENODEV", "this kernel has no such file system, or its module is not loaded",
     "cat /proc/filesystems; modprobe TYPE"),
    ("mount", "EINVAL", "overlay refuses its upper folder: it lies on overlayfs itself or on a file system "
     "without xattrs or whiteouts, upperdir and workdir are not on one mount, or layers nest too deep",
     f"{DMESG}; findmnt -T UPPERDIR; try a tmpfs or ext4 for the state folder", _with("fstype", "overlay")),
    ("mount", "ENOENT", "lowerdir, upperdir or workdir does not exist, or the options are longer than the "
     "one page (4096 bytes) that mount(2) takes and were cut", f"ls -d each folder; {DMESG}",
     _with("fstype", "overlay")),
    ("mount", "ESTALE", "the upper folder was used with other lower layers before",
     f"{DMESG}; use a fresh upperdir and workdir", _with("fstype", "overlay")),
    ("mount", "EBUSY", "the upper or work folder is in use by another overlay mount",
     "findmnt -t overlay", _with("fstype", "overlay")),
    ("mount", "EPERM", "a user namespace may mount proc only if it owns the pid namespace and a /proc with "
     "nothing mounted over parts of it is visible", "findmnt -R /proc; was CLONE_NEWPID given?",
     _with("fstype", "proc")),
    ("mount", "EPERM", "a user namespace may mount sysfs only if it owns the network namespace and a /sys "
     "with nothing mounted over parts of it is visible", "findmnt -R /sys; was CLONE_NEWNET given?",
     _with("fstype", "sysfs")),
    ("mount", "EBUSY", "the controller is bound to another hierarchy, or to cgroup v2",
     "cat /proc/cgroups; findmnt -t cgroup,cgroup2", _with("fstype", "cgroup")),
    ("mount", "EPERM", "flags that the mount got from a more privileged namespace are locked (nosuid, nodev, "
     "noexec, ro, atime) and must be given again", "findmnt -o TARGET,OPTIONS TARGET",
     _with("flags", "MS_REMOUNT")),
    ("mount", "EBUSY", "a file on it is open for writing, so it cannot become read-only",
     "fuser -vm TARGET", _with("flags", "MS_REMOUNT")),
    ("mount", "EINVAL", "the target is not a mount point, or the flags contradict each other",
     "mountpoint TARGET", _with("flags", "MS_REMOUNT")),
    ("mount", "EINVAL", "the target is not a mount point: propagation belongs to mounts, not to folders",
     f"mountpoint TARGET; {PROPAGATION}",
     _with("flags", "MS_PRIVATE", "MS_SLAVE", "MS_SHARED", "MS_UNBINDABLE")),
    ("mount", "EINVAL", "the source is unbindable, is not in this mount namespace, or has locked mounts "
     "below "
     "it (then MS_REC is needed)", f"{PROPAGATION} SOURCE", _with("flags", "MS_BIND")),
    ("mount", "EINVAL", "the source is not a mount point, or its parent mount is shared",
     PROPAGATION, _with("flags", "MS_MOVE")),
    ("mount", "ENOTDIR", "one of source and target is a folder and the other is a file: a bind mount needs "
     "two "
     "of a kind", "ls -ld SOURCE TARGET"),
    ("mount", "ENOENT", "the target, or the source of a bind mount, does not exist", "ls -ld SOURCE TARGET"),
    ("mount", "EBUSY", "this file system is mounted at this very place already", "findmnt TARGET"),
    ("mount", "EPERM", "no CAP_SYS_ADMIN in the user namespace that owns this mount namespace, or the file "
     "system may not be mounted from a user namespace", f"id -u; {CAPABILITIES}"),
    ("mount", "EINVAL", "the file system refuses an option, or finds no super block it knows", DMESG),
    ("mount", "EACCES", "a folder on the way may not be searched, the source lies on a nodev mount, or a "
     "security module says no", f"namei -l TARGET; {DMESG}"),
    ("mount", "ENOSPC", "this mount namespace has as many mounts as it may", "cat /proc/sys/fs/mount-max"),
    ("mount", "ELOOP", "the target is a chain of symbolic links that does not end", "namei TARGET"),
    ("mount", "ENOTBLK", "this file system needs a block device as its source", "ls -l SOURCE"),
    ("umount2", "EBUSY", "something still uses the mount: an open file, a working folder, a mount below it",
     "fuser -vm TARGET; findmnt -R TARGET"),
    ("umount2", "EINVAL", "the target is not a mount point, or the mount is locked because it came with a "
     "more privileged mount namespace", "mountpoint TARGET; findmnt TARGET"),
    ("umount2", "EPERM", "no CAP_SYS_ADMIN in the user namespace that owns this mount namespace",
     CAPABILITIES),
    ("umount2", "ENOENT", "the target does not exist (any more)", "findmnt TARGET"),
    ("pivot_root", "EINVAL", "the parent mount or the new root is shared, the new root is not a mount point, "
     "the old root's place is not inside the new root, or this root is the kernel's initial ramfs",
     f"{PROPAGATION}; mountpoint NEW_ROOT; findmnt /"),
    ("pivot_root", "EBUSY", "the new root lies on the mount that is the root now: bind it onto itself first",
     "findmnt -T NEW_ROOT"),
    ("pivot_root", "EPERM", "no CAP_SYS_ADMIN in the user namespace that owns this mount namespace",
     CAPABILITIES),
    ("pivot_root", "ENOTDIR", "the new root or the old root's place is not a folder", "ls -ld NEW_ROOT"),
    ("pivot_root", "ENOENT", "the new root or the old root's place does not exist", "ls -ld NEW_ROOT"),
    ("chdir", "ENOENT", "the working folder does not exist in the container", "ls -ld PATH in the image"),
    ("chdir", "ENOTDIR", "the working folder is a file in the container", "ls -ld PATH in the image"),
    ("chdir", "EACCES", "the container's user may not enter the working folder", "namei -l PATH"),
    ("open_tree", "EPERM", "OPEN_TREE_CLONE needs CAP_SYS_ADMIN in this mount namespace's user namespace",
     CAPABILITIES),
    ("open_tree", "EINVAL", "the mount is unbindable, or has locked mounts below it", f"{PROPAGATION} PATH"),
    ("open_tree", "ENOENT", "the source does not exist", "ls -ld PATH"),
    ("move_mount", "EINVAL", "the mount that is moved has a shared parent, or belongs to another mount "
     "namespace",
     PROPAGATION),
    ("move_mount", "ENOENT", "the place to attach to does not exist", "ls -ld TO_PATH"),
    ("move_mount", "ENOTDIR", "a folder cannot be attached to a file, nor a file to a folder",
     "ls -ld TO_PATH"),
    ("mount_setattr", "EINVAL", "the mount is not at this path, or its file system has no id-mapped mounts",
     "uname -r; findmnt -T PATH"),
    ("mount_setattr", "EPERM", "the flag is locked, or an id mapping needs CAP_SYS_ADMIN over the file "
     "system",
     "findmnt -o TARGET,OPTIONS PATH"),
    ("mount_setattr", "EBUSY", "a file on it is open for writing, so it cannot become read-only",
     "fuser -vm PATH"),
    ("fsopen", "ENODEV", "this kernel has no such file system, or its module is not loaded",
     "cat /proc/filesystems; modprobe FSTYPE"),
    ("fsopen", "EPERM", "no CAP_SYS_ADMIN in the user namespace that owns this mount namespace",
     CAPABILITIES),
    ("fsconfig", "EINVAL", "the file system does not know this option or value", f"{DMESG}; man 5 TYPE"),
    ("fsconfig", "EBUSY", "the upper folder, controller or device is in use by another mount", "findmnt"),
    ("fsconfig", "ENOENT", "a folder that the option names does not exist", "ls -ld VALUE"),
]  # fmt: skip

PROCESS: list[Row] = [
    *(row for call in ("clone3", "clone", "unshare") for row in (
        (call, "EPERM", "no CAP_SYS_ADMIN (a user namespace needs none, but the host may forbid unprivileged "
         "ones, and forbids them to a process in a chroot)", "sysctl kernel.unprivileged_userns_clone "
         f"kernel.apparmor_restrict_unprivileged_userns; {CAPABILITIES}"),
        (call, "ENOSPC", "the user has as many namespaces as it may, or they nest 32 deep", USER_LIMITS),
        (call, "EUSERS", "user namespaces nest 32 deep", USER_LIMITS),
        (call, "ENOSYS", "the kernel is older than the call, or the seccomp filter of an outer container "
         "hides "
         "it", "uname -r; grep Seccomp /proc/self/status"),
    )),
    ("unshare", "EINVAL", "the process has several threads (a user, pid or time namespace allows one), or "
     "this "
     "kernel lacks a kind of namespace", "grep Threads /proc/self/status; ls /proc/self/ns"),
    ("clone3", "EINVAL", "this kernel lacks a kind of namespace, or a flag is newer than it",
     "ls /proc/self/ns; uname -r"),
    ("clone3", "EBUSY", "the cgroup to start in gives controllers to its children, so it takes no process "
     "(cgroup v2, \"no internal processes\")", "cat cgroup.subtree_control of that group"),
    ("clone3", "EOPNOTSUPP", "the cgroup to start in is in an invalid state", "cat cgroup.type of that "
     "group"),
    ("clone3", "EACCES", "the cgroup to start in was not delegated to this user",
     "ls -l cgroup.procs of that group and of the ancestor both share"),
    *(row for call in ("clone3", "clone", "fork") for row in (
        (call, "EAGAIN", "a limit on processes is reached: RLIMIT_NPROC, pids.max of the cgroup, "
         "kernel.pid_max",
         PROCESSES),
        (call, "ENOMEM", "no memory, or the pid namespace's init has ended and takes no new processes",
         "free -m; ps of the container"),
    )),
    ("setns", "EINVAL", "the descriptor is not a namespace of that kind, it is our own user namespace, or "
     "the "
     "process has several threads", "ls -l /proc/PID/ns; grep Threads /proc/self/status"),
    ("setns", "EPERM", "no CAP_SYS_ADMIN in the namespace to join, or none in our own user namespace",
     CAPABILITIES),
    ("setns", "ESRCH", "the container's init has ended", "ps -p PID"),
    ("setns", "EBADF", "the descriptor of the namespace is closed", "ls -l /proc/self/fd"),
    ("setsid", "EPERM", "the process leads a process group already: fork first", "ps -o pid,pgid,sid"),
    ("execve", "ENOENT", "the file does not exist, or its interpreter does not: the #! line, or the dynamic "
     "loader "
     "of another libc", "head -1 PATH; readelf -l PATH | grep interpreter"),
    ("execve", "ENOEXEC", "a program of another architecture, or a script without a #! line",
     "file PATH; uname -m"),
    ("execve", "EACCES", "not executable (no x bit, a folder, a noexec mount), or a folder on the way may "
     "not be "
     "searched", "ls -l PATH; findmnt -T PATH; namei -l PATH"),
    ("execve", "ENOTDIR", "a part of the path is a file", "namei PATH"),
    ("execve", "ELOOP", "symbolic links or #! lines that do not end", "namei PATH; head -1 PATH"),
    ("execve", "E2BIG", "arguments and environment are too long", "getconf ARG_MAX; ulimit -s"),
    ("execve", "ETXTBSY", "the program is open for writing", "fuser -v PATH"),
    ("execve", "EPERM", "the mount is nosuid, or a security module says no", f"findmnt -T PATH; {DMESG}"),
    ("execve", "EAGAIN", "the user that we became has as many processes as it may", PROCESSES),
    ("execve", "ENOMEM", "no memory, or the cgroup's memory limit is too low for a program to start",
     "cat the cgroup's memory.max and memory.current"),
    ("kill", "ESRCH", "the process has ended", "ps -p PID"),
    ("kill", "EPERM", "the process belongs to another user, and we lack CAP_KILL", CAPABILITIES),
    ("pidfd_send_signal", "ESRCH", "the process has ended", "ps"),
    ("close_range", "ENOSYS", "the kernel is older than 5.9", "uname -r"),
    ("close_range", "EINVAL", "CLOSE_RANGE_CLOEXEC needs Linux 5.11", "uname -r"),
    ("sethostname", "EPERM", "no CAP_SYS_ADMIN in the user namespace that owns this uts namespace: was "
     "CLONE_NEWUTS given?", f"readlink /proc/self/ns/uts; {CAPABILITIES}"),
    ("sethostname", "EINVAL", "a host name has at most 64 bytes", "getconf HOST_NAME_MAX"),
    ("setdomainname", "EPERM", "no CAP_SYS_ADMIN in the user namespace that owns this uts namespace",
     CAPABILITIES),
    ("setdomainname", "EINVAL", "a domain name has at most 64 bytes", "count the bytes"),
    *(row for call in ("setrlimit", "prlimit") for row in (
        (call, "EPERM", "RLIMIT_NOFILE cannot pass fs.nr_open, and raising a hard limit needs "
         "CAP_SYS_RESOURCE",
         f"sysctl fs.nr_open; ulimit -Hn; {CAPABILITIES}", _with("name", "NOFILE")),
        (call, "EPERM", "raising a hard limit needs CAP_SYS_RESOURCE", f"ulimit -Ha; {CAPABILITIES}"),
        (call, "EINVAL", "the soft limit is above the hard limit", "compare the two"),
    )),
    ("capset", "EPERM", "a permitted capability cannot be gained again, and an inheritable one must be in "
     "the "
     "bounding set", "grep Cap /proc/self/status"),
    ("drop_bounding", "EPERM", "dropping from the bounding set needs CAP_SETPCAP", CAPABILITIES),
    ("drop_bounding", "EINVAL", "this kernel does not know the capability",
     "cat /proc/sys/kernel/cap_last_cap"),
    ("raise_ambient", "EPERM", "an ambient capability must be permitted and inheritable",
     "grep Cap /proc/self/status"),
    ("setgroups", "EPERM", "no CAP_SETGID, or this user namespace has no gid map yet or denies setgroups",
     "cat /proc/self/gid_map /proc/self/setgroups"),
    ("setgroups", "EINVAL", "a group is not mapped in this user namespace", MAPS),
    *(row for call in ("setresuid", "setresgid", "chown") for row in (
        (call, "EINVAL", "the id is not mapped in this user namespace", MAPS),
        (call, "EPERM", "no CAP_SETUID, CAP_SETGID or CAP_CHOWN for it", CAPABILITIES),
    )),
    ("chown", "EROFS", "the file system is read-only", "findmnt -T PATH"),
    ("mknod", "EPERM", "no CAP_MKNOD, or we are in a user namespace, where no device node can be made",
     f"{MAPS}; {CAPABILITIES}"),
    ("mknod", "EEXIST", "something has this name already in the image", "ls -l PATH"),
    ("mknod", "EROFS", "the file system is read-only", "findmnt -T PATH"),
    ("mknod", "ENOENT", "the folder to make it in does not exist", "ls -ld the folder"),
    ("seccomp", "EACCES", "a filter needs no_new_privs or CAP_SYS_ADMIN", "grep NoNewPrivs "
     "/proc/self/status"),
    ("seccomp", "EINVAL", "the kernel was built without seccomp filters, or the filter is malformed or too "
     "long",
     "zgrep SECCOMP /proc/config.gz; grep Seccomp /proc/self/status"),
    ("seccomp", "ENOSYS", "the kernel lacks seccomp(2), or a filter on us hides it", "uname -r"),
    ("seccomp", "ENOMEM", "all filters on this process together are too long", "grep Seccomp "
     "/proc/self/status"),
    ("personality", "EINVAL", "this kernel has no such execution domain", "uname -m"),
    ("openat2", "EXDEV", "the path leaves the folder it must stay in", "namei PATH"),
    ("openat2", "ELOOP", "the path has a symbolic link where none may be", "namei PATH"),
    ("openat2", "EAGAIN", "something was renamed while the path was followed", "try again"),
    ("openat2", "ENOSYS", "the kernel is older than 5.6", "uname -r"),
    ("bpf", "EPERM", "no CAP_BPF or CAP_SYS_ADMIN, a parent group forbids another program, or (before Linux "
     "5.11) RLIMIT_MEMLOCK is too low", f"{CAPABILITIES}; ulimit -l; bpftool cgroup tree"),
    ("bpf", "EINVAL", "the kernel was built without CONFIG_CGROUP_BPF, or refuses the program's form",
     "zgrep CGROUP_BPF /proc/config.gz"),
    ("bpf", "EACCES", "the kernel's verifier found the program unsafe", "read the verifier's log"),
    ("bpf", "ENOSYS", "the kernel was built without bpf(2), or a seccomp filter hides it",
     "zgrep BPF_SYSCALL "
     "/proc/config.gz; grep Seccomp /proc/self/status"),
]  # fmt: skip

CONTROL: list[Row] = [
    ("write:cgroup.procs", "EBUSY", "the group gives controllers to its children, so it takes no process "
     "itself "
     "(cgroup v2, \"no internal processes\")", "cat cgroup.subtree_control of the group"),
    ("write:cgroup.procs", "EOPNOTSUPP", "the group's type is \"domain invalid\" or threaded",
     "cat cgroup.type"),
    ("write:cgroup.procs", "ESRCH", "the process has ended", "ps -p PID"),
    ("write:cgroup.procs", "ENOENT", "the process's group is not visible in this cgroup namespace, or the "
     "group "
     "was removed", "cat /proc/self/cgroup"),
    ("write:cgroup.procs", "EACCES", "the ancestor that both groups share was not delegated to this user",
     "ls -l its cgroup.procs"),
    ("write:cgroup.procs", "ENOSPC", "a v1 cpuset group needs cpuset.cpus and cpuset.mems before it takes a "
     "process", "cat cpuset.cpus cpuset.mems"),
    ("write:cgroup.procs", "EINVAL", "a real-time process needs a real-time budget in the group (v1 cpu)",
     "chrt -p PID; cat cpu.rt_runtime_us"),
    ("write:cgroup.subtree_control", "EBUSY", "the group has processes of its own: they must move to a child "
     "first; to disable, the children must disable first", "cat cgroup.procs; cat */cgroup.subtree_control"),
    ("write:cgroup.subtree_control", "ENOENT", "the controller is not available here: the parent does not "
     "give "
     "it, or it is bound to a v1 hierarchy", "cat cgroup.controllers; cat /proc/cgroups"),
    ("write:cgroup.subtree_control", "EINVAL", "no controller has this name", "cat cgroup.controllers"),
    ("write:cgroup.subtree_control", "EOPNOTSUPP", "the group is threaded or invalid, and this controller "
     "is for "
     "domains", "cat cgroup.type"),
    ("write:memory.limit_in_bytes", "EBUSY", "the group uses more than that, and it cannot be reclaimed",
     "cat memory.usage_in_bytes"),
    ("write:memory.limit_in_bytes", "EINVAL", "the limit is not a size, or is above "
     "memory.memsw.limit_in_bytes",
     "cat memory.memsw.limit_in_bytes"),
    ("write:memory.memsw.limit_in_bytes", "EINVAL", "memory and swap together cannot be less than memory "
     "alone",
     "cat memory.limit_in_bytes"),
    ("write:memory.memsw.limit_in_bytes", "ENOENT", "the kernel does not account for swap: boot with "
     "swapaccount=1", "cat /proc/cmdline"),
    ("write:memory.swap.max", "ENOENT", "the kernel does not account for swap, or the memory controller is "
     "not "
     "enabled for the group", "cat cgroup.controllers; cat /proc/cmdline"),
    ("write:cpu.max", "EINVAL", "quota is at least 1000 µs, period 1000 to 1000000 µs", "cat cpu.max"),
    ("write:cpu.cfs_quota_us", "EINVAL", "quota is at least 1000 µs, and its share of the period at most the "
     "parent's", "cat ../cpu.cfs_quota_us"),
    ("write:cpu.weight", "ERANGE", "a weight is 1 to 10000", "cat cpu.weight"),
    ("write:cpuset.cpus", "EACCES", "a v1 cpuset is a part of its parent's", "cat ../cpuset.cpus"),
    ("write:cpuset.cpus", "EINVAL", "no list of CPUs that this host has",
     "cat /sys/devices/system/cpu/online"),
    ("write:cpuset.cpus", "ERANGE", "no CPU has such a number", "cat /sys/devices/system/cpu/possible"),
    ("write:cpuset.mems", "EACCES", "a v1 cpuset is a part of its parent's", "cat ../cpuset.mems"),
    ("write:cpuset.mems", "EINVAL", "no list of memory nodes that this host has",
     "cat /sys/devices/system/node/online"),
    ("write:pids.max", "EINVAL", "a number of processes, or max", "cat pids.max"),
    ("write:io.max", "ENODEV", "no whole disk has this number: partitions cannot be limited", "lsblk"),
    ("write:io.weight", "ENOENT", "the kernel was built without the io.cost controller; BFQ has "
     "io.bfq.weight",
     "ls the group's io.*"),
    ("write:devices.allow", "EPERM", "a parent group does not allow the device", "cat ../devices.list"),
    ("write:uid_map", "EPERM", "the map was written before, maps ids that we do not own, or needs "
     "CAP_SETUID in "
     "the parent user namespace", "cat /proc/PID/uid_map; cat /etc/subuid"),
    ("write:gid_map", "EPERM", "an unprivileged map needs \"deny\" in setgroups first, or maps ids that we "
     "do "
     "not own", "cat /proc/PID/setgroups; cat /etc/subgid"),
    ("write:uid_map", "EINVAL", "ranges overlap, are empty, or are malformed", "cat /proc/PID/uid_map"),
    ("write:gid_map", "EINVAL", "ranges overlap, are empty, or are malformed", "cat /proc/PID/gid_map"),
    ("write:oom_score_adj", "EACCES", "a lower value than the least so far needs CAP_SYS_RESOURCE",
     "cat /proc/self/oom_score_adj"),
    ("write:timens_offsets", "EACCES", "the time namespace has a process already, and keeps its offsets",
     "readlink /proc/self/ns/time_for_children"),
    ("write:timens_offsets", "EPERM", "offsets need CAP_SYS_TIME in the user namespace", CAPABILITIES),
    ("write:ip_forward", "EROFS", "/proc/sys is mounted read-only: we are in a container ourselves",
     "findmnt -T /proc/sys/net"),
    ("write_control", "ENOENT", "the controller is not enabled for this group, or the kernel has no such "
     "file",
     "cat cgroup.controllers; ls the folder"),
    ("write_control", "EROFS", "the file system is mounted read-only, as in an unprivileged container",
     "findmnt -T PATH"),
    ("write_control", "EINVAL", "the kernel does not take this value in this file", "cat PATH"),
    ("write_control", "ERANGE", "the value is outside what the file takes", "cat PATH"),
    ("write_control", "ENODEV", "the group was removed, or no device has this number", "ls the folder; "
     "lsblk"),
    ("write_control", "EBUSY", "the kernel cannot change this while it is in use", "cat cgroup.procs"),
    ("write_control", "EOPNOTSUPP", "the kernel or the group's type does not support it", "cat cgroup.type"),
    ("make_group", "EROFS", "the cgroup file system is mounted read-only: a container must be given a "
     "writable "
     "one", "findmnt -t cgroup,cgroup2"),
    ("make_group", "ENOSPC", "the kernel has no number left for another memory group (65535, dying ones too)",
     "cat /proc/cgroups; cat cgroup.stat"),
    ("make_group", "EAGAIN", "an ancestor allows no more groups", "cat ../cgroup.max.descendants "
     "../cgroup.stat"),
    ("make_group", "ENOENT", "the parent group does not exist", "ls the parent"),
    ("make_group", "EEXIST", "a group of this name is there, perhaps of a run that was killed", "cat its "
     "cgroup.procs; rmdir it"),
    ("make_group", "EACCES", "the parent group was not delegated to this user", "ls -ld the parent"),
    ("make_group", "EOPNOTSUPP", "the parent is threaded or invalid", "cat ../cgroup.type"),
    ("remove_group", "EBUSY", "processes (zombies too) or groups are still in it", "cat cgroup.procs; ls -d "
     "*/"),
    ("remove_group", "ENOENT", "it was removed already", "ls the parent"),
]  # fmt: skip

NETWORK: list[Row] = [
    *(row for call in ("rtnetlink", "netdevice") for row in (
        (call, "EPERM", "no CAP_NET_ADMIN in the user namespace that owns this network namespace",
         CAPABILITIES),
        (call, "EEXIST", "an interface, address or route like that is there already", "ip addr; ip route"),
        (call, "ENODEV", "no interface has this name in this network namespace", "ip link"),
        (call, "EOPNOTSUPP", "the kernel has no such kind of interface, or its module is not loaded",
         "modprobe veth bridge; ip link add type help"),
        (call, "ENETUNREACH", "the gateway is not in the network of an address that is up", "ip addr; ip "
         "route"),
        (call, "EBUSY", "the interface belongs to another bridge", "ip -d link"),
        (call, "EADDRNOTAVAIL", "the interface does not have this address", "ip addr"),
        (call, "ENFILE", "the bridge has as many ports as it may (1023)", "ip link show master BRIDGE"),
        (call, "EINVAL", "the name is longer than 15 bytes, or the address is no address", "count the bytes"),
    )),
    ("nft", "EPERM", "no CAP_NET_ADMIN in the user namespace that owns this network namespace", CAPABILITIES),
    ("nft", "ENOENT", "the table or chain does not exist, or the kernel has no NAT", "nft list ruleset; "
     "modprobe nft_chain_nat nft_masq"),
    ("nft", "EEXIST", "the table, chain or element is there already", "nft list ruleset"),
    ("nft", "EBUSY", "something still refers to it", "nft list ruleset"),
    ("nft", "EOPNOTSUPP", "the kernel was built without this part of nf_tables", "modprobe nf_tables "
     "nft_masq"),
]  # fmt: skip

ANY: list[Row] = [
    ("*", "EPERM", "the process lacks a capability, or a security module or seccomp filter says no",
     CAPABILITIES),
    ("*", "EACCES", "permissions on the file or on a folder before it, or a security module",
     "namei -l PATH"),
    ("*", "ENOSYS", "the kernel is older than the call, or a seccomp filter hides it",
     "uname -r; grep Seccomp /proc/self/status"),
    ("*", "ENOSPC", "the disk is full, or out of inodes", FREE),
    ("*", "EDQUOT", "the user's quota is used up", "quota"),
    ("*", "EROFS", "the file system is read-only", "findmnt -T PATH"),
    ("*", "EMFILE", "the process has as many open files as it may", "ulimit -n"),
    ("*", "ENFILE", "the host has as many open files as it may", "sysctl fs.file-nr"),
    ("*", "ENOMEM", "no memory, or a cgroup's limit is reached", f"free -m; {DMESG}"),
    ("*", "EIO", "the disk or its driver failed", DMESG),
    ("*", "EUCLEAN", "the file system is damaged", DMESG),
]  # fmt: skip

ROWS: list[Row] = [*MOUNTS, *PROCESS, *CONTROL, *NETWORK, *ANY]
