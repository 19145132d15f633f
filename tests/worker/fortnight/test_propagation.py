"""How the fortnight's two releases came to the mirrors, against its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from app.history.versions import KnownVersion, read_carriers, read_versions
from app.model import RepomdVersion
from app.snapshot.propagation import AFTER_H, PropagationDocument
from app.snapshot.statistics import decode
from tests.worker.fortnight.world import HOUR, REPOS, World

pytestmark = pytest.mark.slow

Known = Mapping[str, int]
"""The numbers of mirrors, by name."""


@pytest.fixture(scope="module")
def known(fortnight: World) -> tuple[Sequence[KnownVersion], Known]:
    """The versions that the database has."""
    with fortnight.database.reading() as connection:
        return list(read_versions(connection, 0)), read_carriers(connection)


def releases(world: World) -> Sequence[RepomdVersion]:
    """The versions that were new in the fortnight, the newest first."""
    return world.origin[:-1]


def scripted(world: World, version: RepomdVersion) -> Mapping[str, float]:
    """How long after the origin each mirror that was there before had a version."""
    there = world.delays[version.timestamp]
    return {name: after_s for name, after_s in world.delays_s(version).items() if name in there}


def test_each_arrival_as_scripted(fortnight: World, known: tuple[Sequence[KnownVersion], Known]) -> None:
    """Each version of each repo is there once, with the moment at which the origin had it, and with that of
    each mirror, to the round; none is missing, and none is one that was there before the fortnight."""
    versions, numbers = known
    names = {number: name for name, number in numbers.items()}
    found = {
        (one.repo, one.version, one.origin_s): {
            names[mirror]: at_s - one.origin_s
            for mirror, at_s, is_exact in zip(
                one.mirrors.tolist(), one.at_s.tolist(), one.is_exact.tolist(), strict=True
            )
            if is_exact
        }
        for one in versions
    }
    assert len(versions) == len(found)
    assert found == {
        (repo, version.name, float(version.timestamp)): scripted(fortnight, version)
        for version in releases(fortnight)
        for repo in REPOS
    }


def test_within_one_probe_interval(fortnight: World) -> None:
    """What the script says of mirrors that answered is found at most a round later."""
    for version in releases(fortnight):
        late = {
            name: after_s - HOUR * fortnight.delays[version.timestamp][name]
            for name, after_s in scripted(fortnight, version).items()
        }
        assert min(late.values()) >= 0
        assert sum(one <= HOUR for one in late.values()) >= 0.9 * len(late)


def test_what_is_published_of_it(fortnight: World) -> None:
    """The document that pages show counts the same mirrors after so many hours."""
    data = fortnight.store.statistics()
    document = decode(data).propagation if data else None
    assert isinstance(document, PropagationDocument)
    newest, before = releases(fortnight)
    for repo in REPOS:
        shown = document.of_repo(repo)
        assert shown is not None
        assert [one.version for one in shown.versions] == [newest.name, before.name]
        public = {one.mirror for one in document.of_service().mirrors}
        after_s = [value for name, value in scripted(fortnight, newest).items() if name in public]
        expected = tuple(sum(value <= after * HOUR for value in after_s) for after in AFTER_H)
        assert shown.versions[0].had == expected[: len(shown.versions[0].had)]
