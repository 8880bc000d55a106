"""A tree and data to text."""

from __future__ import annotations

from minicontainer.cli.template.errors import FunctionError, TemplateError
from minicontainer.cli.template.functions import FUNCTIONS, LAZY, is_true
from minicontainer.cli.template.parser import Branch, Command, Function, Jump, Literal, Output, Path, Text
from minicontainer.cli.template.printing import print_value, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from minicontainer.cli.template.parser import Field, Node, Pipeline

    Located = Command | Field | Function

_NOTHING = object()  # no value came down the pipeline


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Omitting(dict[str, "Any"]):
    """A document that lacks some fields of its type where they are empty: to a template they are nil.

    Of a map, whose keys are data (labels), that is every other name: ``omitted`` is None.
    """

    __slots__ = ("omitted",)

    def __init__(self, document: dict[str, Any], omitted: tuple[str, ...] | None) -> None:
        super().__init__(document)
        self.omitted = omitted

    def omits(self, name: str) -> bool:
        """Whether a template may ask for it, though it is not there."""
        return self.omitted is None or name in self.omitted


class Evaluator:
    """One rendering.  ``variables`` is a stack: the last of a name is the visible one."""

    def __init__(self, data: Any) -> None:
        self.variables: list[tuple[str, Any]] = [("$", data)]
        self.data = data
        self.out: list[str] = []

    def run(self, nodes: list[Node]) -> str:
        """The text.  Raises TemplateError."""
        self.walk(nodes, self.data)
        return "".join(self.out)

    def walk(self, nodes: list[Node], dot: Any) -> None:
        """Write the nodes; the variables they declare end with them."""
        known = len(self.variables)
        for node in nodes:
            if isinstance(node, Text):
                self.out.append(node.text)
            elif isinstance(node, Output):
                value = self.pipeline(node.pipeline, dot)
                if not node.pipeline.variables:
                    self.out.append(print_value(value))
            elif isinstance(node, Jump):
                raise _Break if node.kind == "break" else _Continue
            else:
                self.branch(node, dot)
        del self.variables[known:]

    def branch(self, node: Branch, dot: Any) -> None:
        known = len(self.variables)
        if node.kind == "range":
            self.range(node, dot)
        else:
            value = self.pipeline(node.pipeline, dot)
            if is_true(value):
                self.walk(node.body, value if node.kind == "with" else dot)
            else:
                self.walk(node.otherwise, dot)
        del self.variables[known:]

    def range(self, node: Branch, dot: Any) -> None:
        command = node.pipeline.commands[-1]
        value = self.value_of(node.pipeline, dot)
        known = len(self.variables)
        empty = True
        for key, item in _items(value, command):
            empty = False
            self.bind_range(node.pipeline, key, item)
            try:
                self.walk(node.body, item)
            except _Continue:
                continue
            except _Break:
                break
            finally:
                del self.variables[known:]
        if empty:
            self.walk(node.otherwise, dot)

    def bind_range(self, pipeline: Pipeline, key: Any, item: Any) -> None:
        values = (key, item) if len(pipeline.variables) == 2 else (item,)
        for name, value in zip(pipeline.variables, values, strict=False):
            self.bind(name, value, pipeline.assigns)

    def bind(self, name: str, value: Any, assigns: bool) -> None:
        """Declare a variable, or change the visible one of that name."""
        if not assigns:
            self.variables.append((name, value))
            return
        position = max(i for i, (known, _) in enumerate(self.variables) if known == name)
        self.variables[position] = (name, value)

    def pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        """The value, put into the variables too."""
        value = self.value_of(pipeline, dot)
        for name in pipeline.variables:
            self.bind(name, value, pipeline.assigns)
        return value

    def value_of(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self.command(command, dot, value)
        return value

    def command(self, command: Command, dot: Any, last: Any) -> Any:
        """The first operand, called with the others and with what came down the pipeline."""
        first, *others = command.operands
        more = [] if last is _NOTHING else [last]
        if isinstance(first, Function):
            if first.name in LAZY:
                return self.decide(first.name, others, dot, more, command)
            values = [self.operand(node, dot) for node in others] + more
            return _call(FUNCTIONS[first.name], first.name, values, command)
        if others or more:
            if not isinstance(first, Path) or not first.fields:
                raise _error(command, f"can't give argument to non-function {command.source}")
            values = [self.operand(node, dot) for node in others] + more
            return self.path(first, dot, values)
        return self.operand(first, dot)

    def decide(self, name: str, nodes: list[Node], dot: Any, more: list[Any], command: Command) -> Any:
        """``and`` and ``or``: the first value that decides, else the last; the rest is not evaluated."""
        if not nodes and not more:
            raise _error(command, f"wrong number of args for {name}: want at least 1 got 0")
        value: Any = None
        for node in nodes:
            value = self.operand(node, dot)
            if is_true(value) == (name == "or"):
                return value
        return more[0] if more else value

    def operand(self, node: Node, dot: Any) -> Any:
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Path):
            return self.path(node, dot, [])
        if node.name in LAZY:
            raise _error(node, f"wrong number of args for {node.name}: want at least 1 got 0")
        return _call(FUNCTIONS[node.name], node.name, [], node)

    def path(self, path: Path, dot: Any, arguments: list[Any]) -> Any:
        if path.start is None:
            value = dot
        elif isinstance(path.start, str):
            value = next(value for name, value in reversed(self.variables) if name == path.start)
        else:
            value = self.pipeline(path.start, dot)
        for position, field in enumerate(path.fields):
            last = position == len(path.fields) - 1
            value = _field(value, field, arguments if last else [])
        return value


def _field(value: Any, field: Field, arguments: list[Any]) -> Any:
    name = field.name
    if isinstance(value, dict):
        if name not in value and not (isinstance(value, Omitting) and value.omits(name)):
            raise _error(field, f'map has no entry for key "{name}"')
        found = value.get(name)
        if callable(found):
            return _call(found, name, arguments, field)
        if arguments:
            raise _error(field, f"{name} is not a method but has arguments")
        return found
    if value is None:
        raise _error(field, f"nil pointer evaluating interface {{}}.{name}")
    raise _error(field, f"can't evaluate field {name} in type {type_name(value)}")


def _call(function: Callable[..., Any], name: str, values: list[Any], node: Located) -> Any:
    code = function.__code__
    variadic = bool(code.co_flags & 0x04)  # inspect.CO_VARARGS
    if len(values) < code.co_argcount or (len(values) > code.co_argcount and not variadic):
        want = f"at least {code.co_argcount}" if variadic else str(code.co_argcount)
        raise _error(node, f"wrong number of args for {name}: want {want} got {len(values)}")
    try:
        return function(*values)
    except FunctionError as error:
        raise _error(node, f"error calling {name}: {error}") from None


def _items(value: Any, command: Command) -> Iterable[tuple[Any, Any]]:
    """(key, item) of what range goes through; dictionaries in the order of their keys."""
    if value is None:
        return ()
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ((number, number) for number in range(value))
    raise _error(command, f"range can't iterate over {print_value(value)}")


def _error(node: Located, what: str) -> TemplateError:
    return TemplateError(f'executing "" at <{node.source}>: {what}', node.where)
