"""From an OCI bundle (config.json and a root file system) to an isolated process.

    container.py   the life of a container: create, start, kill, state, delete
    state.py       what is remembered of it, and the states it can be in
    creation.py    everything up to an init that waits; options.py, what its caller asks for
    validate.py    what is wrong with a config.json on any host
    sync.py        what a parent and its init say to each other

    init.py        what the new process does, in order, until it becomes the container's program
    guest.py       the same for an init that joins a user namespace
    rootfs.py      the mount namespace: pivot_root, mounts, masked paths
        mounting.py       one mount          mounts.py        options of mounts as flags
        devices.py        /dev               cgroup_mounts.py /sys/fs/cgroup
        idmap.py          other owners       borrowing.py     no mount namespace of its own
    process.py     the last steps before execve, of init and exec: limits, capabilities, user
        executable.py     the program's file  user.py          users and groups of the image
        scheduling.py     processor, memory   labels.py        AppArmor, SELinux
        seccomp*.py       system calls        console.py       its terminal
    reaper.py      the small init of ``--init``
    exec.py        one more process in a running container

    hooks.py, sysctl.py, netdevices.py       the fields of config.json of these names
    checkpoint.py, restore.py, criu.py       a container as image files, and back

Nothing here knows of images, storage or networks.
"""
