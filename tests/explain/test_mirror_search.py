"""Mirrors are found by what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from app.explain.mirror_report import MirrorSummary, mirror_summaries
from app.explain.mirror_search import Found, find
from app.model import Content, Status
from app.request.mirror_filter import read_filter
from app.snapshot.loaded import LoadedSnapshot
from tests.builders import NOW, Network, a_mirror, a_state, endpoints, in_cloud

MIRRORS = [
    a_mirror("alpha", "sao paulo", city="São Paulo", sponsor="Universidade Exemplo"),
    a_mirror("beta", "sao paulo", arches=("x86_64",), addresses={"rsync": "rsync://beta.example.org/x/"}),
    a_mirror("gamma", "frankfurt", sponsor="Example Hosting"),
    a_mirror("delta", "tokyo"),
    in_cloud("epsilon", "ashburn", "aws", "us-east-1"),
    a_mirror("kitten", addresses={}, module_addresses={"kitten": {"http": "http://k.example.org/k/"}}),
    a_mirror("secret", "sao paulo", city="São Paulo", private=True, asns=(64500,)),
]
STATES = [
    a_state("alpha", endpoints=endpoints(ipv4=True, ipv6=True), content={"9.8/nfv/x86_64": Content.MISSING}),
    a_state("beta"),
    a_state("gamma", Status.STALE, timedelta(hours=31)),
    a_state("delta", age=timedelta(hours=2), endpoints=endpoints(ipv4=False, ipv6=True)),
    a_state("epsilon"),
]
SHARES = {"gamma.example.org": 0.1, "delta.example.org": 0.6}


@pytest.fixture(scope="module")
def snapshot() -> LoadedSnapshot:
    return Network(mirrors=MIRRORS, states=STATES).load()


def summaries(snapshot: LoadedSnapshot) -> list[MirrorSummary]:
    return mirror_summaries(snapshot, {state.mirror: state for state in STATES}, (), SHARES)


def found(snapshot: LoadedSnapshot, parameters: Mapping[str, str]) -> Found:
    return find(snapshot, summaries(snapshot), read_filter(snapshot.config, parameters))


def names(mirrors: Found) -> str:
    return " ".join(mirror.mirror.removesuffix(".example.org") for mirror in mirrors.mirrors)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, "alpha beta gamma delta epsilon kitten", id="all but private ones"),
        pytest.param({"q": "sao"}, "alpha", id="a word without its accent"),
        pytest.param({"q": "exemplo universidade"}, "alpha", id="words in any order"),
        pytest.param({"q": "exempl hosting"}, "", id="each word has to be there"),
        pytest.param({"q": "gamma.example"}, "gamma", id="a part of the name"),
        pytest.param({"q": "japan"}, "delta", id="the country's name"),
        pytest.param({"q": "us-east"}, "epsilon", id="a cloud's region"),
        pytest.param({"country": "BR"}, "alpha beta", id="country"),
        pytest.param({"country": "BR,JP"}, "alpha beta delta", id="countries"),
        pytest.param({"continent": "AS"}, "delta", id="continent"),
        pytest.param({"status": "stale"}, "gamma", id="status"),
        pytest.param({"status": "degraded"}, "alpha", id="degraded"),
        pytest.param({"protocol": "rsync"}, "beta", id="protocol"),
        pytest.param({"protocol": "http"}, "alpha gamma delta epsilon kitten", id="a module's protocol"),
        pytest.param({"family": "6"}, "alpha delta", id="known to work over IPv6"),
        pytest.param({"family": "4"}, "alpha beta gamma epsilon kitten", id="not known to fail over IPv4"),
        pytest.param({"cloud": "aws"}, "epsilon", id="cloud"),
        pytest.param({"arch": "aarch64"}, "alpha delta epsilon kitten", id="served for an arch"),
        pytest.param({"release": "10-kitten"}, "kitten", id="served for a release"),
        pytest.param({"repo": "nfv"}, "beta delta epsilon", id="served for a repo, which one lacks"),
        pytest.param(
            {"repo": "sources", "arch": "s390x"}, "alpha beta delta epsilon", id="a repo for all arches"
        ),
        pytest.param({"country": "BR", "arch": "aarch64"}, "alpha", id="in Brazil, with aarch64"),
        pytest.param({"release": "9", "repo": "nfv", "arch": "s390x"}, "", id="what no mirror has"),
        pytest.param({"sort": "name"}, "alpha beta delta epsilon gamma kitten", id="by name"),
        pytest.param({"sort": "age"}, "gamma delta alpha beta epsilon kitten", id="the oldest first"),
        pytest.param({"sort": "share"}, "delta gamma alpha beta epsilon kitten", id="the largest first"),
    ],
)
def test_found(snapshot: LoadedSnapshot, parameters: Mapping[str, str], expected: str) -> None:
    """Mirrors are found by words, place, status, protocol and contents, and by several of these, and come in
    the order that is asked for."""
    assert names(found(snapshot, parameters)) == expected


def test_counts_are_of_every_status(snapshot: LoadedSnapshot) -> None:
    """The counts say what another status would show, with the rest of the filter."""
    assert found(snapshot, {"status": "stale"}).by_status == found(snapshot, {}).by_status
    assert found(snapshot, {}).by_status == {"ok": 3, "degraded": 1, "not probed": 1, "stale": 1}
    assert found(snapshot, {"country": "BR"}).by_status == {"ok": 1, "degraded": 1}


def test_what_programs_read(snapshot: LoadedSnapshot) -> None:
    """Each mirror has its base URLs, its sponsor, and whether it is served."""
    by_name = {mirror.mirror.partition(".")[0]: mirror for mirror in summaries(snapshot)}
    assert by_name["gamma"].urls == {
        "https": "https://gamma.example.org/alma/",
        "http": "http://gamma.example.org/alma/",
    }
    assert by_name["kitten"].module_urls == {"kitten": {"http": "http://k.example.org/k/"}}
    assert by_name["alpha"].sponsor == "Universidade Exemplo"
    assert {name: mirror.served for name, mirror in by_name.items() if not mirror.served} == {"gamma": False}
    assert by_name["alpha"].probed_at == NOW
