"""minicontainer: an educational container runtime that shows what it asks of the kernel.

The floors, from the top: ``cli`` parses and prints; ``engine`` composes a container's whole life;
``libcontainer``, ``image`` and ``network`` each do one thing; ``cgroups`` and ``storage`` serve
them; ``oci``, ``explain`` and ``util`` hold documents, listeners and files; ``linux`` is the one
door to the kernel.  A file imports only from floors below its own.
"""

__version__ = "0.1.0"
