"""From an OCI bundle (config.json and a root file system) to an isolated process.

    container.py   the life of a container: create, start, kill, state, delete
    sync.py        what a parent and its init say to each other
    init.py        what the new process does, in order, until it becomes the container's program
    rootfs.py      the mount namespace: pivot_root, mounts, devices, masked paths
    mounts.py      mount options as flags
    process.py     the last steps before execve: limits, capabilities, user, program; used by init and exec
    exec.py        one more process in a running container
    reaper.py      the small init of ``--init``
    user.py        users and groups, looked up inside the image

Nothing here knows of images, storage or networks.
"""
