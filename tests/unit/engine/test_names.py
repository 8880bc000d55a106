"""Random names and ids."""

from __future__ import annotations

from minicontainer.engine import names


def test_an_id_is_64_hex_digits_and_never_the_same() -> None:
    ids = {names.random_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(len(i) == 64 and set(i) <= set("0123456789abcdef") for i in ids)


def test_a_name_is_two_words() -> None:
    adjective, surname = names.random_name().split("_")
    assert adjective in names.ADJECTIVES
    assert surname in names.SURNAMES


def test_the_words_are_usable_in_container_names_and_unique() -> None:
    for words in (names.ADJECTIVES, names.SURNAMES):
        assert len(set(words)) == len(words) >= 80
        assert all(word.isascii() and word.isalpha() and word.islower() for word in words)


def test_a_taken_name_is_not_given() -> None:
    refused: list[str] = []

    def taken(name: str) -> bool:
        refused.append(name)
        return len(refused) < 4

    assert names.fresh_name(taken) == refused[3]
    assert len(refused) == 4


def test_a_number_is_appended_when_plain_pairs_are_taken() -> None:
    name = names.fresh_name(lambda name: not name.endswith("3"))
    assert name.endswith("3")
    assert name[:-1].split("_")[0] in names.ADJECTIVES
