"""Which versions of a repomd.xml still count: within the grace period, and when that is judged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.catalogue.versions import acceptable
from app.model import ProbeRound, RepomdVersion
from app.snapshot.schema import encode
from tests.builders import NOW, Network, a_config, a_mirror, a_repomd, a_state

DAY_S = 24 * 3600
KEY = "9.8/baseos/x86_64"


def versions(*seen_h_ago: float) -> tuple[RepomdVersion, ...]:
    """First seen at the origin so many hours before NOW, newest first."""
    return tuple(
        a_repomd(1_795_000_000 - number, seen_at=NOW - timedelta(hours=hours))
        for number, hours in enumerate(seen_h_ago)
    )


@pytest.mark.parametrize(
    ("seen_h_ago", "kept"),
    [
        pytest.param((), 0, id="nothing known"),
        pytest.param((1000,), 1, id="the newest, however old"),
        pytest.param((1, 1000), 2, id="replaced an hour ago"),
        pytest.param((23.9, 1000), 2, id="replaced just within the period"),
        pytest.param((24, 1000), 1, id="replaced a period ago"),
        pytest.param((1, 5, 20, 30, 1000), 4, id="several in a day"),
    ],
)
def test_acceptable(seen_h_ago: tuple[float, ...], kept: int) -> None:
    """A version counts until a period after the next one came, not after it came itself."""
    known = versions(*seen_h_ago)
    assert acceptable(known, NOW, DAY_S) == known[:kept]


def compiled(network: Network) -> tuple[RepomdVersion, ...]:
    return network.compile().repomd.get(KEY, ())


def network(
    known: tuple[RepomdVersion, ...], last_round: ProbeRound | None = None, **others: object
) -> Network:
    return Network([a_mirror("one", "munich")], repomd={KEY: known}, last_round=last_round, **others)  # type: ignore[arg-type]  # fields of Network


def test_judged_at_the_last_round() -> None:
    """The prober's last complete round is the moment that counts: without newer rounds, the passing of
    time makes nobody's content worse and no new generation."""
    known = versions(10, 1000)
    later = ProbeRound(completed_at=NOW + timedelta(hours=20))
    assert compiled(network(known, ProbeRound(completed_at=NOW))) == known
    assert compiled(network(known, later)) == known[:1]
    between = [ProbeRound(completed_at=NOW + timedelta(minutes=minutes)) for minutes in (0, 15, 30)]
    assert len({encode(network(known, done).compile()) for done in between}) == 1


def test_judged_without_a_complete_round() -> None:
    """Before the first complete round it is the newest look at any mirror, and before any look
    everything counts that is in the file."""
    known = versions(10, 1000)
    states = [a_state("one", probed_at=NOW - timedelta(hours=5)), a_state("two", probed_at=NOW)]
    assert compiled(network(known)) == known
    assert compiled(network(known, states=states)) == known
    states.append(a_state("three", probed_at=NOW + timedelta(hours=20)))
    assert compiled(network(known, states=states)) == known[:1]


def test_grace_is_the_configs() -> None:
    """`probe: grace` says how long the period is."""
    known, done = versions(10, 1000), ProbeRound(completed_at=NOW)
    probe = type(a_config().probe)(grace_s=9 * 3600)
    assert compiled(network(known, done, config=a_config(probe=probe))) == known[:1]


def test_version_without_hashes() -> None:
    """A version of which no hash is known would let clients accept anything: as the newest it makes
    the repo unknown, as an older one it is left out."""
    bare = a_repomd(1, sha256=None, sha512=None)
    whole = a_repomd(2)
    assert compiled(network((bare, whole))) == ()
    assert compiled(network((whole, bare))) == (whole,)
