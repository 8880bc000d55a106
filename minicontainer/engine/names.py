"""Names and ids for new containers: ``sleepy_lovelace``, and 64 hex digits.

A name is an adjective and the surname of somebody who advanced science or computing: fourteen
thousand pairs, and a number behind them where that is not enough.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ADJECTIVES = (  # noqa: SIM905 (words are readable without quotes)
    "agile amber ample ardent artful blithe bold brave breezy bright brisk calm candid cheerful clever "
    "cordial cosmic crisp curious dapper daring deft dreamy eager earnest elated fearless fervent "
    "festive fluent fond frank friendly gentle genial giddy gleeful graceful gracious happy hardy "
    "hearty honest hopeful humble jaunty jolly jovial keen kind lively lucid lucky mellow merry mighty "
    "modest nifty nimble noble patient placid playful plucky polite proud quiet quick quirky radiant "
    "rapid serene sharp silent sleepy smooth snug sober spirited spry steady sturdy sunny swift "
    "tender thrifty tidy tranquil upbeat valiant vivid warm wise witty zealous zesty"
).split()

SURNAMES = (  # noqa: SIM905 (as above)
    "abel agnesi aiken ampere archimedes aryabhata atanasoff avicenna avogadro babbage bartik bell "
    "bernoulli bohr boltzmann boole borg bose brahe brahmagupta brattain cantor carson cauchy "
    "cerf chandrasekhar church codd copernicus curie dalton darwin davy dijkstra dirac edison "
    "einstein elion engelbart eratosthenes erdos euclid euler fano faraday fermat fermi feynman "
    "fibonacci fourier franklin galileo galois gauss germain goedel goldberg goodall hamilton "
    "hamming heisenberg hero herschel hertz hilbert hoare hodgkin holberton hooke hopper hubble "
    "huygens hypatia jacobi jacquard johnson joliot joule kepler khayyam kilby knuth kolmogorov "
    "kovalevskaya lagrange lamarr lamport laplace lavoisier leavitt leibniz linnaeus liskov "
    "lovelace maxwell mccarthy mclean meitner mendel mendeleev mirzakhani moore morse nash napier "
    "naur newton nobel noether noyce pascal pasteur pauling perlman planck poincare ptolemy "
    "pythagoras raman ramanujan ride riemann ritchie roentgen rubin sagan salk schroedinger shannon "
    "shockley sinoussi somerville stallman tesla thompson torvalds turing villani volta wiles "
    "wilkes wing wirth wu yalow yonath zuse"
).split()


def random_id() -> str:
    """64 lower-case hex digits from the kernel's random source."""
    return os.urandom(32).hex()


def random_name() -> str:
    """``adjective_surname``."""
    return f"{_one_of(ADJECTIVES)}_{_one_of(SURNAMES)}"


def fresh_name(taken: Callable[[str], bool]) -> str:
    """A random name for which ``taken`` says no; it is asked once for each candidate.

    The first tries are plain pairs; later ones carry a growing number, so that this always ends.
    """
    for _ in range(6):
        name = random_name()
        if not taken(name):
            return name
    number = 0
    while True:
        name = f"{random_name()}{number}"
        if not taken(name):
            return name
        number += 1


def _one_of(words: Sequence[str]) -> str:
    # Four bytes over some hundred words: the bias is below one in ten million.
    return words[int.from_bytes(os.urandom(4), "little") % len(words)]
