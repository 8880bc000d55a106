"""Cgroup v2: one tree, in which a group hands controllers down to the groups below it."""
