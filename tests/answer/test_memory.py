"""What a process remembers of lists is bounded in bytes, whatever is asked."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count, product

import pytest

from app.answer.lists import PLANS_BYTES, QUESTIONS_BYTES, SELECTIONS_BYTES, MirrorLists
from app.model.countries import countries
from tests.builders import TOWNS, Network, a_client, a_mirror, question

HOSTILE = 300
NETWORK = Network([a_mirror(f"m{n}", list(TOWNS)[n % len(TOWNS)]) for n in range(100)])
CODES = list(countries())


def filters() -> Iterator[dict[str, str]]:
    """Different combinations without end."""
    draw = random.Random(1)
    for number in count():
        excluded = draw.sample(CODES, draw.choice([1, 8, 60]))
        yield {"exclude_country": ",".join(excluded), "limit": str(1 + number % 50)}


def few() -> Iterator[dict[str, str]]:
    while True:
        yield {"limit": "50"}


def protocols() -> Iterator[dict[str, str]]:
    """All protocols there are in every order, for names of releases in every case."""
    names = ["".join(letters) for letters in product(*zip("10-kitten", "10-KITTEN", strict=True))]
    for number in count():
        chosen = random.Random(number).sample(["https", "http", "rsync"], 1 + number % 3)
        yield {"release": names[number % len(names)], "protocol": ",".join(chosen), "country": "DE,JP"}


def names() -> Iterator[dict[str, str]]:
    """Long names of mirrors to leave out, and values that are ignored."""
    for number in count():
        hosts = [f"{'x' * 60}.{'y' * 60}.m{number}-{other}.example.org" for other in range(20)]
        yield {"avoid": ",".join(hosts), "region": f"aws:{number}", "fill": "no"}


@pytest.mark.slow
@pytest.mark.parametrize("parameters", [filters, few, protocols, names])
def test_what_is_counted_is_what_is_taken(parameters: Callable[[], Iterator[dict[str, str]]]) -> None:
    """No question, plan or selection takes more memory than it is counted for; hundreds of different ones
    from hundreds of classes of clients."""
    snapshot = NETWORK.load()
    lists = MirrorLists(snapshot)
    asked = parameters()
    lists.select(a_client(), question(snapshot.config, **next(asked)))  # what is made once
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(HOSTILE):
            client = a_client(place=f"DE/{number % 180 - 90}/{number}", network=f"AS{number}")
            lists.select(client, question(snapshot.config, **next(asked)))
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(lists.selections) > HOSTILE
    assert taken < lists.counted_bytes


@pytest.mark.slow
def test_the_limits_are_kept() -> None:
    """What is counted stays below what a process may remember, and what was asked last is remembered."""
    lists = MirrorLists(NETWORK.load())
    for number, parameters in zip(range(4000), filters(), strict=False):
        lists.select(a_client(spread=number % 32), question(NETWORK.config, **parameters))
    assert lists.counted_bytes <= SELECTIONS_BYTES + PLANS_BYTES + QUESTIONS_BYTES
    assert len(lists._known) < 4000
