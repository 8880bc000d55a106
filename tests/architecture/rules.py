"""The one door, as rules over syntax trees: what only ``linux/`` may do.

Nothing is imported or run.  A name is followed through the file's own imports, so ``os.kill``,
``from os import kill`` and ``import os as system; system.kill`` are the same to it.

    break_ins(source)     what a file outside the door does that belongs inside
    Wrapper               a public function of linux/, what it calls, and how it is declared
"""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Modules whose purpose is to change the kernel's state or to reach libc.
MODULES = {
    "_ctypes", "_posixsubprocess", "_prctl", "ctypes", "multiprocessing", "prctl", "pty", "resource",
    "subprocess",
}  # fmt: skip
NETLINK_MODULES = {"pyroute2"}

# Calls of the standard library that change the state of a process, of the mount tree, or of the
# kernel at large.  Files and folders of one's own (open, mkdir, chmod, rename, symlink, setxattr ...),
# descriptors (dup, pipe, pidfd_open) and waiting are not in it.
CALLS = {
    "os": {
        # processes: clone(2), execve(2), kill(2), setsid(2), sched(7)
        "abort", "execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe", "fork",
        "forkpty", "kill", "killpg", "nice", "popen", "posix_spawn", "posix_spawnp",
        "sched_setaffinity", "sched_setparam", "sched_setscheduler", "setpgid", "setpgrp", "setpriority",
        "setsid", "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe",
        "startfile", "system", "tcsetpgrp",
        # namespaces, roots and device nodes: namespaces(7), chroot(2), mknod(2)
        "chdir", "chroot", "fchdir", "mknod", "setns", "unshare",
        # identity: credentials(7)
        "initgroups", "setegid", "seteuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid",
        "setreuid", "setuid",
    },
    "posix": {"*"},
    "fcntl": {"ioctl"},
    "socket": {"sethostname"},
    "_signal": {"pidfd_send_signal", "pthread_kill", "raise_signal"},
    "signal": {"pidfd_send_signal", "pthread_kill", "raise_signal"},
    "termios": {"tcsetattr"},
}  # fmt: skip

NETLINK_NAMES = {"AF_NETLINK", "PF_NETLINK"}

KERNEL_FOLDERS = ("/proc/", "/sys/")
# Functions that may write to the path which is their first argument.
PATH_WRITERS = {
    "open", "os.open", "io.open", "os.mkdir", "os.makedirs", "os.rmdir", "os.truncate", "os.rename",
    "os.replace", "os.symlink", "os.unlink", "os.remove", "os.chmod", "os.chown", "files.write_atomic",
    "minicontainer.util.files.write_atomic",
}  # fmt: skip
READ_MODES = {"r", "rb", "rt"}
WRITE_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}


class Names:
    """What the imports of one file call things: local name -> full name."""

    def __init__(self, tree: ast.AST) -> None:
        self.full: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    self.full[bound] = alias.name if alias.asname else bound
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.full[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def of(self, node: ast.expr) -> str:
        """``os.kill`` for the expression ``system.kill``; "" for what has no name."""
        if isinstance(node, ast.Name):
            return self.full.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (owner := self.of(node.value)):
            return f"{owner}.{node.attr}"
        return ""


def break_ins(source: str, *, netlink: bool = False) -> list[str]:
    """``line: what`` for everything that should have gone through the door.

    ``netlink``: the file is the network's one netlink module, which may use pyroute2 and AF_NETLINK.
    """
    tree = ast.parse(source)
    names = Names(tree)
    found = list(_imports(tree, netlink=netlink))
    for node in ast.walk(tree):
        # What a type checker alone reads does nothing.
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            full = names.of(node)
            if forbidden(full):
                found.append((node.lineno, full))
            if not netlink and full.rpartition(".")[2] in NETLINK_NAMES:
                found.append((node.lineno, full))
        if isinstance(node, ast.Call) and (path := _kernel_file_written(node, names)):
            found.append((node.lineno, f"writes {path}"))
    return [f"{line}: {what}" for line, what in sorted(set(found))]


def forbidden(full: str) -> bool:
    """Whether the name belongs to `CALLS`."""
    module, _, name = full.rpartition(".")
    return name in CALLS.get(module, ()) or "*" in CALLS.get(module, ())


def imported(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every module that a file imports, with the statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module


def _imports(tree: ast.AST, *, netlink: bool) -> Iterator[tuple[int, str]]:
    banned = MODULES if netlink else MODULES | NETLINK_MODULES
    for node, module in imported(tree):
        if module.partition(".")[0] in banned:
            yield node.lineno, f"imports {module}"


def _kernel_file_written(call: ast.Call, names: Names) -> str:
    """The path below /proc or /sys that a call writes to, as far as its text begins with it."""
    function = names.of(call.func)
    if function not in PATH_WRITERS or not call.args:
        return ""
    path = _beginning(call.args[0])
    if not path.startswith(KERNEL_FOLDERS) or not _may_write(function, call):
        return ""
    return path


def _beginning(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr) and node.values:
        return _beginning(node.values[0])
    if isinstance(node, ast.BinOp):
        return _beginning(node.left)
    if isinstance(node, ast.Call) and node.args:  # os.path.join("/sys", ...)
        first = _beginning(node.args[0])
        return f"{first}/" if first in ("/proc", "/sys") else first
    return ""


def _may_write(function: str, call: ast.Call) -> bool:
    if function == "os.open":
        given = {
            node.attr for part in call.args[1:2] for node in ast.walk(part) if isinstance(node, ast.Attribute)
        }
        return bool(given & WRITE_FLAGS)
    if function in ("open", "io.open"):
        modes = [*call.args[1:2], *(key.value for key in call.keywords if key.arg == "mode")]
        return any(not isinstance(mode, ast.Constant) or mode.value not in READ_MODES for mode in modes)
    return True


class Wrapper:
    """A public function of a file in linux/."""

    __slots__ = ("calls", "decorator", "name", "node")

    def __init__(self, node: ast.FunctionDef, calls: set[str]) -> None:
        self.node = node
        self.name = node.name
        self.calls = calls
        self.decorator = next(
            (d for d in node.decorator_list if isinstance(d, ast.Call) and _last(d.func) == "step"), None
        )

    def native(self) -> set[str]:
        """Its calls that reach the kernel to change something, as far as names tell."""
        return {
            call
            for call in self.calls
            if call.startswith(("libc.", "syscall.", "prctl.", "resource.")) or forbidden(call)
        }

    def keyword(self, name: str) -> ast.expr | None:
        """An argument of its ``@step(...)``."""
        keywords = self.decorator.keywords if self.decorator else []
        return next((key.value for key in keywords if key.arg == name), None)

    def parameters(self) -> set[str]:
        """The names of its parameters."""
        given = self.node.args
        return {argument.arg for argument in [*given.posonlyargs, *given.args, *given.kwonlyargs]}

    def keys_used(self, name: str) -> set[str]:
        """``path`` for ``lambda a: f"... {a['path']}"`` as the keyword ``name`` of its step."""
        value = self.keyword(name)
        if not isinstance(value, ast.Lambda):
            return set()
        argument = value.args.args[0].arg
        return {
            node.slice.value
            for node in ast.walk(value.body)
            if isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == argument
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        }


def wrappers(source: str) -> list[Wrapper]:
    """The public functions of a file in linux/, each with all that it calls, also through its helpers."""
    tree = ast.parse(source)
    names = Names(tree)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    # _mount = function("mount", ...): the name then stands for libc's.
    natives = {
        target.id: f"libc.{node.value.args[0].value}"
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and _last(node.value.func) == "function"
        and node.value.args
        and isinstance(node.value.args[0], ast.Constant)
        and isinstance(node.value.args[0].value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        Wrapper(node, _reached(node, functions, natives, names))
        for name, node in functions.items()
        if not name.startswith("_")
    ]


def _reached(
    start: ast.FunctionDef, functions: dict[str, ast.FunctionDef], natives: dict[str, str], names: Names
) -> set[str]:
    calls: set[str] = set()
    todo, seen = [start], {start.name}
    while todo:
        for node in ast.walk(ast.Module(body=todo.pop().body, type_ignores=[])):
            if not isinstance(node, ast.Call):
                continue
            full = names.of(node.func)
            calls.add(natives.get(full, full))
            # A private helper is part of its caller; a public one is a wrapper of its own.
            if full in functions and full.startswith("_") and full not in seen:
                seen.add(full)
                todo.append(functions[full])
            if full.rpartition(".")[2] == "syscall" and node.args:
                calls.add(f"syscall.{ast.unparse(node.args[0])}")
    return calls


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
