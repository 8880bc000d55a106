"""The one door to the kernel.

Every function that changes the kernel's state is declared as a *step*::

    @step("mount(2)", why="attach a file system", shell=lambda a: f"mount ... {a['target']}",
          show={"flags": flags("MS_")}, watch=lambda a: [("mount", a["target"])])
    def mount(source, target, fstype, flags, data): ...

    caller ──► mount(...) ──► nobody listens ──────────────► the system call
                          └─► a listener: before(call) ───► the system call ──► after(call)

A listener is anything with ``before`` and ``after``.  There are four kinds: the narrator
(``explain/``), the fault injector (``linux/faults.py``), the test that counts, the timer.  Without
one, a step costs one test of a list.  ``before`` may raise OSError: the call is then not made, and
fails with that error.

An OSError that leaves a step carries ``error.step``, a dictionary ``{"name", "man", "args"}`` of
plain strings, so that whoever reports it can say which call with which arguments was refused.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FunctionType
    from typing import Any, ParamSpec, Protocol, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")
    Arguments = Mapping[str, Any]

    class Listener(Protocol):
        """Told of each step, in the process that makes it."""

        def before(self, call: Call) -> None:
            """May raise OSError in the call's stead."""

        def after(self, call: Call) -> None:
            """``call`` now has its result or error."""


class Step:
    """What is known of a kernel call before it is made.

    ``shell`` renders the arguments as the command a person would type; ``show`` decodes single
    arguments, and under ``return`` the result; ``watch`` lists what the call may change, as (kind,
    key) pairs for explain/observe.py.
    """

    __slots__ = ("decoders", "man", "name", "parameters", "shell", "watch", "why")

    def __init__(
        self,
        name: str,
        man: str,
        why: str,
        parameters: tuple[str, ...],
        shell: Callable[[Arguments], str],
        decoders: Mapping[str, Callable[[Any], str]],
        watch: Callable[[Arguments], list[tuple[str, str]]] | None,
    ) -> None:
        self.name = name
        self.man = man
        self.why = why
        self.parameters = parameters
        self.shell = shell
        self.decoders = decoders
        self.watch = watch

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], defaults: Arguments) -> dict[str, Any]:
        """Arguments by parameter name, in the order of the signature."""
        given = dict(zip(self.parameters, args, strict=False))
        given.update(kwargs)
        return {name: given.get(name, defaults.get(name)) for name in self.parameters}

    def decode(self, arguments: Arguments) -> dict[str, str]:
        """Arguments as text: constants by name, bytes as paths."""
        return {
            name: self.decoders[name](value) if name in self.decoders else plain(value)
            for name, value in arguments.items()
        }

    def decode_result(self, result: Any) -> str | None:
        """What the call returned, as text; None for nothing."""
        return None if result is None else self.decoders.get("return", plain)(result)


class Call:
    """One passage through the door."""

    __slots__ = (
        "arguments", "duration_ns", "error", "notes", "pid", "process", "result", "started_ns", "step", "why",
    )  # fmt: skip

    def __init__(self, step: Step, arguments: dict[str, Any], why: str) -> None:
        self.step = step
        self.arguments = arguments
        self.why = why
        self.pid = os.getpid()
        self.process = process_name
        self.started_ns = time.monotonic_ns()
        self.duration_ns = 0
        self.result: Any = None
        self.error: OSError | None = None
        self.notes: Any = None  # whatever a listener wants to carry from before() to after()


listeners: list[Listener] = []
steps: dict[str, Step] = {}
process_name = "caller"
_reason = ""


def because(reason: str) -> None:
    """Say why the next step is made, in place of the step's general line."""
    global _reason
    _reason = reason


def i_am(name: str) -> None:
    """Name this process in what it reports from now on: caller, monitor, init, ..."""
    global process_name
    process_name = name


def step(
    man: str,
    *,
    why: str,
    shell: Callable[[Arguments], str],
    show: Mapping[str, Callable[[Any], str]] | None = None,
    watch: Callable[[Arguments], list[tuple[str, str]]] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function as a step.  ``man`` is the manual page, as ``mount(2)``."""

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        plain_function: FunctionType = function  # type: ignore[assignment]
        code = plain_function.__code__
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        declared = Step(plain_function.__name__, man, why, parameters, shell, show or {}, watch)
        steps[f"{plain_function.__module__.rpartition('.')[2]}.{declared.name}"] = declared

        def through(*args: P.args, **kwargs: P.kwargs) -> R:
            global _reason
            reason, _reason = _reason, ""
            try:
                if not listeners:
                    return function(*args, **kwargs)
                result: R = _announced(declared, plain_function, args, kwargs, reason)
                return result
            except OSError as error:
                if not hasattr(error, "step"):
                    arguments = declared.bind(args, kwargs, _defaults(plain_function))
                    described = {"name": declared.name, "man": man, "args": declared.decode(arguments)}
                    error.step = described  # type: ignore[attr-defined]
                raise

        through.__name__ = plain_function.__name__
        through.__qualname__ = plain_function.__qualname__
        through.__module__ = plain_function.__module__
        through.__doc__ = plain_function.__doc__
        through.__wrapped__ = function  # type: ignore[attr-defined]
        return through

    return declare


def _defaults(function: FunctionType) -> dict[str, Any]:
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    values = function.__defaults__ or ()
    defaults = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    defaults.update(function.__kwdefaults__ or {})
    return defaults


def _announced(declared: Step, function: FunctionType, args: Any, kwargs: Any, reason: str) -> Any:
    call = Call(declared, declared.bind(args, kwargs, _defaults(function)), reason or declared.why)
    told: list[Listener] = []
    try:
        for listener in listeners:
            told.append(listener)
            listener.before(call)
        call.started_ns = time.monotonic_ns()
        call.result = function(*args, **kwargs)
    except OSError as error:
        call.error = error
        raise
    finally:
        call.duration_ns = time.monotonic_ns() - call.started_ns
        # A call that makes a process returns twice; only the parent's return is the step's.
        if call.pid == os.getpid():
            for listener in told:
                listener.after(call)
    return call.result


def flags(prefix: str, module: str) -> Callable[[int], str]:
    """A decoder that names the bits of a number by the constants ``prefix*`` of ``module``.

    ``module`` is the declaring file's ``__name__``: constants live once, where the call is.
    """

    def decode(value: int) -> str:
        names, rest = [], value
        constants = _constants(prefix, module)
        # Combined constants (AT_RECURSIVE is one bit, CLONE_* are one bit each) come first.
        for bits, name in sorted(constants.items(), reverse=True):
            if bits and rest & bits == bits:
                names.append(name)
                rest &= ~bits
        unknown = [hex(rest)] if rest else []
        return "|".join([*reversed(names), *unknown]) or constants.get(0, "0")

    return decode


def constant(prefix: str, module: str) -> Callable[[int], str]:
    """A decoder that names a number by the one constant ``prefix*`` that equals it."""
    return lambda value: _constants(prefix, module).get(value, str(value))


def _constants(prefix: str, module: str) -> dict[int, str]:
    import sys

    found = vars(sys.modules[module]).items()
    return {value: name for name, value in found if name.startswith(prefix) and isinstance(value, int)}


def plain(value: Any) -> str:
    """A value as a reader wants it: text without quotes, bytes as a path, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return os.fsdecode(value)
    return str(value)


def quote(value: Any) -> str:
    """``value`` as one word of a POSIX shell (shlex.quote without importing ``re``)."""
    text = plain(value)
    if text and all(c.isalnum() or c in "@%+=:,./-_" for c in text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"
