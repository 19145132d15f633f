"""What clients got in the fortnight, as it is explained afterwards."""

from __future__ import annotations

import random
from bisect import bisect
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.cli.explain import explain_address
from app.past.archive import Archive
from tests.worker.fortnight.world import Answered, World

# What is kept of the past does not depend on the history's database.
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("fortnight", ["sqlite"], indirect=True)]

PAIRS = 200


@pytest.fixture(scope="module")
def asked(fortnight: World) -> list[tuple[float, Answered]]:
    """Clients, each with a random moment at which it would have got the very list that it got."""
    draw, times = random.Random(22), [at_s for at_s, _ in fortnight.published]
    found = []
    for answered in fortnight.answered:
        following = bisect(times, answered.at_s)
        until_s = times[following] if following < len(times) else fortnight.now
        found.append((answered.at_s + draw.random() * (until_s - answered.at_s), answered))
    return sorted(draw.sample(found, PAIRS), key=lambda one: one[0])


def test_byte_for_byte(fortnight: World, asked: list[tuple[float, Answered]]) -> None:
    """`explain --at` has the list that was served then, of the generation that was current then."""
    for moment_s, answered in asked:
        url = urlsplit(answered.path)
        _, release, repo = url.path.strip("/").split("/")
        parameters = {"release": release, "repo": repo, **dict(parse_qsl(url.query))}
        explanation = explain_address(fortnight.settings, answered.address, parameters, False, moment_s)
        listed = "".join(f"{entry.url}\n" for entry in explanation.served)
        assert (explanation.generation, listed.encode()) == (answered.generation, answered.body)


def test_each_machine_keeps_the_same(fortnight: World, asked: list[tuple[float, Answered]]) -> None:
    """Also one whose worker never leads; and it knows that nothing else was published meanwhile."""
    here = Archive.of(fortnight.settings.var_dir)
    for moment_s, answered in asked:
        one, other = here.at(moment_s), fortnight.elsewhere.at(moment_s)
        assert one.snapshot == other.snapshot
        assert (other.kept.generation, other.is_exact) == (answered.generation, True)


def test_each_generation_is_kept_once(fortnight: World) -> None:
    """In the order in which they became current, with the time at which they did."""
    published = [(at_s, generation) for at_s, generation in fortnight.published]
    kept = [(one.since_s, one.generation) for one in fortnight.elsewhere.kept()]
    assert [generation for _, generation in kept] == [generation for _, generation in published]
    assert max(abs(one - other) for (one, _), (other, _) in zip(kept, published, strict=True)) < 0.1
