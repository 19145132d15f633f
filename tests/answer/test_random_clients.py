"""A thousand clients from everywhere, who ask in every way for lists of a network in which mirrors share
URLs."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from app.explain.explanation import explain
from app.explain.inquiry import Inquiry
from app.model import ClientClass
from app.snapshot.loaded import LoadedSnapshot
from tests.answer.test_same_address import urls_in
from tests.builders import (
    TOWNS,
    Network,
    a_client,
    a_config,
    a_mirror,
    a_repomd,
    an_overlay,
    cell,
    in_cloud,
    lists_of,
    netblock,
    policy,
    question,
)
from tests.explain.test_explanation import AWS, OWN, facts_of, live_of

CDN = {"https": "https://cdn.example.org/alma/", "http": "http://cdn.example.org/alma/"}
PLACES = [*map(cell, TOWNS), "DE", "US", "~EU", "", "XX/1/1"]
PARAMETERS = {
    "avoid": [
        "cdn.example.org",
        "site0.example.org",
        "m01.example.org,m02.example.org",
        "nobody.example.org",
    ],
    "fill": ["no", "continent", "yes"],
    "limit": ["1", "3", "50"],
    "protocol": ["https", "http", "https,ftp"],
    "country": ["de", "uk,de", "global"],
    "region": ["aws:eu-central-1", "aws:eu-central-9"],
    "family": ["4", "6"],
}


def a_network() -> Network:
    """Two dozen mirrors, three files with one URL, and one of them in a cloud."""
    towns = list(TOWNS)
    return Network(
        [
            *(a_mirror(f"m{number:02}", towns[number % len(towns)]) for number in range(24)),
            *(a_mirror(f"site{number}", towns[5 * number], addresses=CDN) for number in range(2)),
            in_cloud("site2", "frankfurt", "aws", "eu-central-1", addresses=CDN),
            a_mirror("own", "paris", private=True, addresses=CDN),
        ],
        config=a_config(selection=policy(origin_last=True)),
        overlays=[an_overlay(OWN, netblocks=(netblock("192.0.2.0/24", "own"),)), an_overlay(AWS)],
        repomd={"9.8/baseos/x86_64": (a_repomd(),)},
    )


def askers(count: int, seed: int) -> Iterator[tuple[ClientClass, dict[str, str]]]:
    """Clients, and the parameters of each."""
    draw = random.Random(seed)
    for _ in range(count):
        client = a_client(
            place=draw.choice(PLACES),
            network=draw.choice(["", "", OWN, AWS]),
            spread=draw.randrange(32),
            family=draw.choice([4, 6]),
            private=draw.random() < 0.8,
        )
        names = draw.sample(list(PARAMETERS), draw.randrange(3))
        yield client, {name: draw.choice(PARAMETERS[name]) for name in names}


@pytest.fixture(scope="module")
def snapshot() -> LoadedSnapshot:
    return a_network().load()


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_url_is_listed_once(snapshot: LoadedSnapshot, count: int) -> None:
    """In text, in both kinds of JSON, in metalinks and in Link headers."""
    listed = 0
    for client, parameters in askers(count, seed=1):
        for urls in urls_in(snapshot, client, question(snapshot.config, **parameters)).values():
            assert len(urls) == len(set(urls)), (client, parameters)
            listed += any("//cdn.example.org/" in url for url in urls)
    assert listed > count  # the URL was in many of the lists


def test_every_mirror_has_one_standing(snapshot: LoadedSnapshot) -> None:
    """Whatever is asked, a mirror is served or left out, once."""
    lists, everyone = lists_of(snapshot), list(range(len(snapshot.mirrors)))
    for client, parameters in askers(1000, seed=2):
        walk = lists.walk(client, question(snapshot.config, **parameters))
        assert sorted(standing.mirror for standing in walk.standings()) == everyone, (client, parameters)


def test_explanations_have_every_mirror_once(snapshot: LoadedSnapshot) -> None:
    """Those that the client may know of, each in one of the two lists."""
    live = live_of(snapshot, a_network())
    for client, parameters in askers(100, seed=3):
        told = explain(live, client, facts_of(client), Inquiry(question(snapshot.config, **parameters)))
        served = [entry.mirror for entry in told.served if entry.mirror]
        names = [*served, *(entry.mirror for entry in told.excluded)]
        inside = client.private and client.network == OWN
        assert sorted(names) == sorted(
            mirror.name for mirror in snapshot.mirrors if inside or not mirror.private
        )
