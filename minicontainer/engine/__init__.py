"""A container's whole life: the only place where images, storage, networks and libcontainer meet."""
