"""Documents: read, checked, written; and every class of the specification's."""

from __future__ import annotations

import pytest

from minicontainer.errors import InvalidConfig
from minicontainer.oci import document, runtime
from minicontainer.oci.document import Document, Int64, Uint16


class Inner(Document):
    NAMES = {"some_id": "someID"}

    some_id: Uint16
    note: str | None = None


class Kept(Document):
    CAMEL = False

    long_name: str
    pairs: list[tuple[str, int]] = []


class Outer(Document):
    ALWAYS = ("count",)

    name: str
    count: int = 0
    big: Int64 = 0
    on: bool = False
    items: list[Inner] = []
    table: dict[str, Inner] = {}
    inner: Inner | None = None


def read(text: str) -> Outer:
    return document.load(Outer, text, "outer.json")


def test_what_is_there_and_what_is_not() -> None:
    found = read('{"name": "n", "items": [{"someID": 3}], "unknown": {"a": 1}, "inner": null}')
    assert (found.name, found.count, found.on, found.inner) == ("n", 0, False, None)
    assert found.items[0].some_id == 3
    assert found == Outer("n", items=[Inner(3)])


def test_written_without_defaults_but_those_always_there() -> None:
    assert document.to_builtins(Outer("n", table={"a": Inner(1, note="x")})) == {
        "name": "n",
        "count": 0,
        "table": {"a": {"someID": 1, "note": "x"}},
    }


def test_names_as_they_are_and_tuples() -> None:
    found = document.load(Kept, '{"long_name": "n", "pairs": [["a", 1]]}', "kept.json")
    assert found == Kept("n", pairs=[("a", 1)])
    assert document.pack(found) == b'{"long_name":"n","pairs":[["a",1]]}'


@pytest.mark.parametrize("wrong", ['["a"]', '["a", 1, 2]', '["a", "b"]', '"ab"'])
def test_a_tuple_has_its_length_and_types(wrong: str) -> None:
    with pytest.raises(InvalidConfig, match=r"kept.json: pairs\[0\]: expected an "):
        document.load(Kept, f'{{"long_name": "n", "pairs": [{wrong}]}}', "kept.json")


def test_a_default_is_nobody_s_to_change() -> None:
    found = read('{"name": "n"}')
    assert found.items is Outer.items
    assert document.replace(found, items=[Inner(1)]).items != found.items == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "outer.json: expected an object, found an array"),
        ("{}", "outer.json: name is missing"),
        ('{"name": null}', "outer.json: name is missing"),
        ('{"name": 1}', "outer.json: name: expected a string, found 1"),
        ('{"name": "a\\u0000b"}', r'outer.json: name: "a\u0000b" has a null byte'),
        ('{"name": "n", "count": 1.0}', "outer.json: count: expected an integer, found 1.0"),
        ('{"name": "n", "count": true}', "outer.json: count: expected an integer, found true"),
        ('{"name": "n", "on": 1}', "outer.json: on: expected true or false, found 1"),
        (
            '{"name": "n", "items": [{"someID": 1}, {"someID": 65536}]}',
            "outer.json: items[1].someID: 65536 is outside the range 0..65535",
        ),
        ('{"name": "n", "table": {"k": {}}}', "outer.json: table.k: someID is missing"),
        ('{"name": "n", "table": []}', "outer.json: table: expected an object, found an array"),
        ('{"name": "n"', "outer.json: Expecting"),
    ],
)
def test_errors_name_the_field(text: str, told: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        read(text)
    assert str(refused.value).startswith(told)


DOCUMENTS = [
    kind
    for kind in vars(runtime).values()
    if isinstance(kind, type) and issubclass(kind, Document) and kind is not Document
]


@pytest.mark.parametrize("kind", DOCUMENTS, ids=lambda kind: kind.__name__)
def test_the_annotations_of_the_specification_s_classes_can_be_read(kind: type[Document]) -> None:
    with pytest.raises(InvalidConfig):
        document.convert(kind, [], "x")
    try:
        document.convert(kind, {}, "x")
    except InvalidConfig as error:
        assert str(error).endswith("is missing")  # noqa: PT017 - some classes have required fields
