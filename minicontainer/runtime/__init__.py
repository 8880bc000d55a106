"""minicontainer-runtime: an OCI runtime with runc's command line, for other people's engines.

    main.py       global flags, the table of verbs, errors to standard error and to the log
    flags.py      how words become flags, as runc's command line reads them
    log.py        runc's log: text or JSON lines, which engines read for what went wrong
    console.py    a container's terminal: handed over a socket, or relayed to ours
    <verb>.py     one file per verb: create, start, state, kill, delete, run, exec, ...

It starts with every container, so it imports little: neither click nor json nor msgspec, and each
verb only when it is the one.  Nothing of it stays once a container runs but the container's init.
"""
