"""The prober where one network has several products."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from app.model import Content, Status
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Asked, Behaviour, Fleet

ALPHA, BETA = "alpha-9/base/x86_64", "beta-9/base/x86_64"
TWENTY_HOURS = dt.timedelta(hours=20)


def having(*products: str) -> Behaviour:
    """A host with the directories of these products. The files of beta were made 20 hours before those of
    alpha."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        product = asked.path.split("/")[1]
        body = None
        if product in products and asked.path.endswith("/TIME"):
            made = fleet.synced_at - (TWENTY_HOURS if product == "beta" else dt.timedelta())
            body = f"{made.timestamp():.0f}\n".encode()
        elif product in products and asked.path.endswith("/repomd.xml"):
            body = f.repomd(asked.path, fleet.dates[0])
        f.send_file(asked, body)

    return behave


@pytest.fixture
def products(fleet: Fleet) -> Fleet:
    """A network with two products, whose origins are in one directory."""
    one = {
        "versions": ["9"],
        "arches": {"9": ["x86_64"]},
        "isos": False,
        "repos": [{"name": "base", "path": "releases/$releasever/$basearch/os/"}],
    }
    config = {
        "config_version": 3,
        "origin": fleet.http(f.ORIGIN),
        "products": {"alpha": one, "beta": one},
        "probe": fleet.probe,
    }
    (fleet.folder / "config.yml").write_text(json.dumps(config))
    fleet.behaviours[f.ORIGIN] = having("alpha", "beta")
    return fleet


def test_each_product_is_looked_at(products: Fleet, probing: Probing) -> None:
    """A mirror of all products is asked for each, below one address."""
    name = products.add("a.example.org", having("alpha", "beta"))
    probing()
    state = probing.state(name)
    assert (state.status, state.reason) == (Status.OK, None)
    assert state.content == {ALPHA: Content.CURRENT, BETA: Content.CURRENT}
    assert ("GET", "/beta/releases/9/x86_64/os/repodata/repomd.xml") in products.requests_to(name)


@pytest.mark.parametrize("there", ["alpha", "beta"])
def test_one_product_is_missing(products: Fleet, probing: Probing, there: str) -> None:
    """A mirror without one of its products, whichever, is degraded, and serves the other one."""
    name = products.add("a.example.org", having(there))
    probing()
    state = probing.state(name)
    assert state.status is Status.DEGRADED
    good = {"alpha": ALPHA, "beta": BETA}[there]
    assert {key for key, content in state.content.items() if content.is_good} == {good}


def test_none_is_there(products: Fleet, probing: Probing) -> None:
    """A mirror that answers and has nothing of any product is broken, after two failures."""
    name = products.add("a.example.org", having())
    probing()
    products.now += dt.timedelta(minutes=15)
    probing()
    assert probing.state(name).status is Status.BROKEN


def test_timestamps_are_those_of_the_product(products: Fleet, probing: Probing) -> None:
    """A mirror of one product is as old as that product's origin, and no older."""
    own = {"address": {"beta": {"http": f"{products.http('a.example.org')}beta/"}}}
    name = products.add("a.example.org", having("beta"), **own)
    probing()
    state = probing.state(name)
    assert (state.status, state.reason) == (Status.OK, None)
    assert state.timestamp == state.origin_timestamp == products.synced_at - TWENTY_HOURS
    assert state.content == {BETA: Content.CURRENT}
