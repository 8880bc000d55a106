"""A JSON document as a class with typed attributes, without what a library for it costs at every start.

::

    class Root(Document):            {"path": "rootfs", "readonly": true}
        path: str                        required: it has no default
        readonly: bool = False           a default is the class's attribute, so an absent field is free

Attributes are the specification's names in snake case (``NAMES`` has the exceptions), keys are in
camel case, or the same where a class says ``CAMEL = False``.  The annotations are the schema; they are
read when the first document of a class is.  They may be::

    str  bool  int  Uint16  Uint32  Uint64  Int64  Number  object  a Document's name
    list[X]  tuple[X, Y]  dict[str, X]  X | None

A default that is a list or a dict is shared by all: who changes one puts another in its place.

Unknown keys are ignored, as the specifications ask; null is an absent field, as Go writes it.
What is wrong is named by its path: ``process.cwd: expected a string, found 5``.
"""

from __future__ import annotations

import sys

from minicontainer.errors import InvalidConfig
from minicontainer.oci import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, dataclass_transform

    D = TypeVar("D", bound="Document")
    Reader = Callable[[Any], Any]
else:

    def dataclass_transform(**_):
        return lambda kind: kind


Uint16 = int
Uint32 = int
Uint64 = int
Int64 = int
Number = float
RANGES = {
    "int": (-(2**63), 2**63 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "Uint16": (0, 2**16 - 1),
    "Uint32": (0, 2**32 - 1),
    "Uint64": (0, 2**64 - 1),
}


@dataclass_transform()
class Document:
    """What every document shares.  ``ALWAYS`` are written even where they are their defaults."""

    NAMES: dict[str, str] = {}
    CAMEL: bool = True
    ALWAYS: tuple[str, ...] = ()

    def __init__(self, *values: Any, **fields: Any) -> None:
        if values:
            fields.update(zip(_fields(type(self)), values, strict=False))
        self.__dict__.update(fields)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and to_builtins(self) == to_builtins(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"


class Mismatch(Exception):
    """A value that is not what its place asks for; ``path`` grows from the inside out."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path = ""


def replace(document: D, **changes: Any) -> D:
    """A copy with other values."""
    return type(document)(**{**document.__dict__, **changes})


def load(kind: type[D], data: bytes | str, source: str) -> D:
    """The document in a JSON text.  Raises InvalidConfig, beginning with ``source``."""
    try:
        value = jsontext.loads(data)
    except ValueError as error:
        raise InvalidConfig(f"{source}: {error}") from None
    return convert(kind, value, source)


def convert(kind: type[D], value: object, source: str) -> D:
    """The document that plain JSON values describe.  Raises InvalidConfig, beginning with ``source``."""
    try:
        return _read(kind, value)
    except Mismatch as wrong:
        path = wrong.path.lstrip(".")
        raise InvalidConfig(f"{source}: {path}: {wrong}" if path else f"{source}: {wrong}") from None


def to_builtins(document: Document) -> dict[str, Any]:
    """The document as plain JSON values, without the fields that have their defaults."""
    kind = type(document)
    found = {}
    for name, key in _fields(kind).items():
        value = getattr(document, name, None)
        if value is None or (value == getattr(kind, name, None) and name not in kind.ALWAYS):
            continue
        found[key] = _plain(value)
    return found


def dump(document: Document) -> bytes:
    """``document`` as JSON, indented by two, with a last newline."""
    return jsontext.dumps(to_builtins(document), "  ").encode() + b"\n"


def pack(document: Document) -> bytes:
    """The same on one line."""
    return jsontext.dumps(to_builtins(document)).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Document):
        return to_builtins(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


# -- the annotations as a schema

_schemas: dict[type[Document], tuple[dict[str, str], list[str]]] = {}
_readers: dict[tuple[type[Document], str], Reader] = {}


def _fields(kind: type[Document]) -> dict[str, str]:
    """attribute -> key, in the order of declaration."""
    spell = _camel if kind.CAMEL else str
    return {name: kind.NAMES.get(name) or spell(name) for name in kind.__annotations__}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _schema(kind: type[Document]) -> tuple[dict[str, str], list[str]]:
    """(key -> attribute, keys that are required)."""
    if kind not in _schemas:
        fields = _fields(kind)
        required = [key for name, key in fields.items() if not hasattr(kind, name)]
        _schemas[kind] = ({key: name for name, key in fields.items()}, required)
    return _schemas[kind]


def _read(kind: type[D], value: object) -> D:
    if not isinstance(value, dict):
        raise Mismatch(f"expected an object, found {_shown(value)}")
    attributes, required = _schema(kind)
    document = kind()
    held = document.__dict__
    key = ""
    try:
        for key, item in value.items():
            if item is not None and key in attributes:
                name = attributes[key]
                held[name] = (_readers.get((kind, name)) or _learn(kind, name))(item)
    except Mismatch as wrong:
        wrong.path = f".{key}{wrong.path}"
        raise
    for key in required:
        if attributes[key] not in held:
            raise Mismatch(f"{key} is missing")
    return document


def _learn(kind: type[Document], name: str) -> Reader:
    """The reader of an attribute: made when one is read, for most documents leave most of theirs out."""
    found = _readers[kind, name] = _reader(kind.__annotations__[name], kind)
    return found


def _reader(annotation: str, owner: type[Document]) -> Reader:
    """The function that checks and converts a JSON value of this annotation."""
    annotation = annotation.removesuffix(" | None")
    if annotation.startswith("list["):
        return _list_reader(_reader(annotation[5:-1], owner))
    if annotation.startswith("tuple["):
        return _tuple_reader([_reader(one, owner) for one in annotation[6:-1].split(", ")])
    if annotation.startswith("dict[str, "):
        return _dict_reader(_reader(annotation[10:-1], owner))
    if annotation in RANGES:
        return _integer_reader(*RANGES[annotation])
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    kind = vars(sys.modules[owner.__module__])[annotation]
    return lambda value: _read(kind, value)


def _list_reader(read: Reader) -> Reader:
    def read_list(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise Mismatch(f"expected an array, found {_shown(value)}")
        found = []
        try:
            for item in value:
                found.append(read(item))
        except Mismatch as wrong:
            wrong.path = f"[{len(found)}]{wrong.path}"
            raise
        return found

    return read_list


def _tuple_reader(readers: list[Reader]) -> Reader:
    def read_tuple(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(readers):
            raise Mismatch(f"expected an array of {len(readers)}, found {_shown(value)}")
        return tuple(read(item) for read, item in zip(readers, value, strict=True))

    return read_tuple


def _dict_reader(read: Reader) -> Reader:
    def read_dict(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Mismatch(f"expected an object, found {_shown(value)}")
        found = {}
        key = ""
        try:
            for key, item in value.items():
                found[_read_string(key)] = read(item)
        except Mismatch as wrong:
            wrong.path = f".{key}{wrong.path}"
            raise
        return found

    return read_dict


def _integer_reader(least: int, most: int) -> Reader:
    def read_integer(value: object) -> int:
        if type(value) is not int:
            raise Mismatch(f"expected an integer, found {_shown(value)}")
        if not least <= value <= most:
            raise Mismatch(f"{value} is outside the range {least}..{most}")
        return value

    return read_integer


def _read_string(value: object) -> str:
    if not isinstance(value, str):
        raise Mismatch(f"expected a string, found {_shown(value)}")
    if "\0" in value:
        # To the kernel it would be the end of the text.
        raise Mismatch(f"{_shown(value)} has a null byte")
    return value


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise Mismatch(f"expected true or false, found {_shown(value)}")
    return value


def _read_number(value: object) -> float:
    if type(value) not in (int, float):
        raise Mismatch(f"expected a number, found {_shown(value)}")
    return value  # type: ignore[return-value]


_PLAIN: dict[str, Reader] = {
    "str": _read_string,
    "bool": _read_bool,
    "Number": _read_number,
    "float": _read_number,
    "object": lambda value: value,
}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = jsontext.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
