"""The kernel's calls, one file per man-page family; see door.py for how each is declared.

Wrappers hold no opinions: one call, the kernel's own name, ``OSError`` with errno and the path.
"""
