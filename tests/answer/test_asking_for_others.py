"""A client that cannot use some mirrors (`avoid=`), or no far ones (`fill=`)."""

from __future__ import annotations

from typing import Any

import pytest

from app.answer.walk import Standing
from app.model import ClientClass, Exclusion, Mirror, Status
from app.snapshot.loaded import LoadedSnapshot
from tests.builders import (
    QUIET,
    Network,
    a_client,
    a_config,
    a_mirror,
    a_state,
    an_overlay,
    ask,
    in_cloud,
    listed,
    lists_of,
    load,
    netblock,
    policy,
    question,
    without_origin,
)
from tests.explain.test_explanation import explained

CDN = {"https": "https://cdn.example.org/alma/"}
EUROPE = [a_mirror("fra", "frankfurt"), a_mirror("muc", "munich"), a_mirror("par", "paris")]
WORLD = [*EUROPE, a_mirror("nyc", "new york"), a_mirror("tyo", "tokyo")]


def quiet(*mirrors: Mirror, **others: Any) -> LoadedSnapshot:
    return load(*mirrors, **{"config": a_config(selection=QUIET), **others})


def standings(snapshot: LoadedSnapshot, client: ClientClass, **parameters: str) -> dict[str, Standing]:
    """What became of each mirror, by name without its domain."""
    found = lists_of(snapshot).walk(client, question(snapshot.config, **parameters)).standings()
    return {snapshot.mirrors[s.mirror].name.removesuffix(".example.org"): s for s in found}


# --- avoid --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("avoid", "expected"),
    [
        pytest.param("fra.example.org", ["muc", "par", "nyc", "tyo"], id="by name"),
        pytest.param("FRA.Example.org,nyc.example.org", ["muc", "par", "tyo"], id="several"),
        pytest.param("https://fra.example.org/alma/", ["muc", "par", "nyc", "tyo"], id="by URL"),
        pytest.param("nobody.example.org", ["fra", "muc", "par", "nyc", "tyo"], id="unknown"),
        pytest.param("fra", ["fra", "muc", "par", "nyc", "tyo"], id="a part of a name"),
    ],
)
def test_avoid(avoid: str, expected: list[str]) -> None:
    """Those that are named are left out, and the others stay in order."""
    assert listed(quiet(*WORLD), a_client(), avoid=avoid) == expected


def test_avoid_by_host() -> None:
    """A client knows the host of a URL, which need not be the mirror's name; all there are left out."""
    snapshot = quiet(
        *EUROPE,
        a_mirror("one", "frankfurt", addresses={"https": "https://big.example.org/one/"}),
        a_mirror("two", "frankfurt", addresses={"http": "http://big.example.org:8080/two/"}),
    )
    assert listed(snapshot, a_client(), avoid="big.example.org") == ["fra", "muc", "par"]


def test_avoid_takes_all_sites_of_an_address() -> None:
    """Whoever cannot use one site of an anycast address is not given the same URL for another one."""
    snapshot = quiet(*EUROPE, *(a_mirror(name, "frankfurt", addresses=CDN) for name in ("site1", "site2")))
    assert "site1" in listed(snapshot, a_client())
    assert listed(snapshot, a_client(), avoid="site1.example.org") == ["fra", "muc", "par"]
    found = standings(snapshot, a_client(), avoid="site1.example.org")
    assert {found[name].fate.exclusion for name in ("site1", "site2")} == {Exclusion.AVOIDED}


def test_avoid_tells_nothing_of_private_mirrors() -> None:
    """A client that guesses a private mirror's name gets the same list as with a name that none has, even
    where a public mirror has the same URL."""
    snapshot = quiet(
        *EUROPE,
        a_mirror("secret", "frankfurt", addresses=CDN, private=True),
        a_mirror("site", "frankfurt", addresses=CDN),
    )
    guessed = ask(snapshot, a_client(), avoid="secret.example.org")
    unknown = ask(snapshot, a_client(), avoid="nobody.example.org")
    assert (guessed.urls, guessed.reason) == (unknown.urls, unknown.reason)


def test_avoid_an_own_mirror() -> None:
    """A network's own mirror fails: its clients get the ordinary list, with a sign."""
    overlay = an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "own"),))
    own = a_mirror("own", "tokyo", monopoly=True)
    snapshot = quiet(own, *EUROPE, overlays=[overlay])
    selection = ask(snapshot, a_client(network="net-1"), avoid="own.example.org")
    assert selection.reason == "exclusive unavailable"
    assert len(selection.urls) == 3


def test_avoid_all_with_an_origin() -> None:
    """No list is empty: the origin answers."""
    names = ",".join(mirror.name for mirror in EUROPE)
    assert ask(quiet(*EUROPE), a_client(), avoid=names).urls == [
        "https://origin.example.org/alma/9.8/BaseOS/x86_64/os/"
    ]


@pytest.mark.parametrize(
    ("avoid", "expected"),
    [("fra.example.org", ["muc"]), ("fra.example.org,muc.example.org", ["fra", "muc"])],
    ids=["one of those at fault", "all"],
)
def test_avoid_in_the_last_resort(avoid: str, expected: list[str]) -> None:
    """Without an origin, those at fault are listed, and of these the avoided ones only where all are."""
    snapshot = quiet(
        *EUROPE[:2],
        states=[a_state(name, Status.UNREACHABLE) for name in ("fra", "muc")],
        config=without_origin(selection=QUIET),
    )
    assert listed(snapshot, a_client(), avoid=avoid) == expected


# --- fill ---------------------------------------------------------------------------------------------

AWS = "aws:eu-central-1"
IN_AWS = [
    in_cloud("here", "frankfurt", "aws", "eu-central-1"),
    in_cloud("everywhere", "ashburn", "aws"),
    in_cloud("ireland", "paris", "aws", "eu-west-3"),
]


@pytest.mark.parametrize(
    ("client", "parameters", "expected"),
    [
        pytest.param(a_client(), {"fill": "no"}, ["fra", "muc"], id="the country"),
        pytest.param(a_client(), {"fill": "continent"}, ["fra", "muc", "par"], id="the continent"),
        pytest.param(a_client(), {"fill": "yes"}, ["fra", "muc", "par", "nyc", "tyo"], id="as without it"),
        pytest.param(a_client(), {"fill": "no", "limit": "1"}, ["fra"], id="a short list"),
        pytest.param(a_client("sydney"), {"fill": "no"}, ["tyo"], id="no mirror in the country: the nearest"),
        pytest.param(a_client("sydney"), {"fill": "continent"}, ["tyo"], id="none on the continent"),
        pytest.param(
            a_client(), {"fill": "no", "exclude_country": "DE"}, ["par"], id="none left in the country"
        ),
        pytest.param(
            a_client(), {"fill": "no", "country": "JP,US"}, ["nyc", "tyo"], id="the countries that are named"
        ),
        pytest.param(
            a_client(place="DE"), {"fill": "no"}, ["fra", "muc"], id="a client known by country alone"
        ),
        pytest.param(
            a_client(place="~EU"),
            {"fill": "no"},
            ["fra", "muc", "par"],
            id="a continent alone is known",
        ),
        pytest.param(
            a_client(place=""), {"fill": "no"}, ["fra", "muc", "nyc", "par", "tyo"], id="an unknown client"
        ),
        pytest.param(
            a_client(network=AWS), {"fill": "no"}, ["here", "everywhere", "fra", "muc"], id="a cloud region"
        ),
        pytest.param(
            a_client(network=AWS),
            {"fill": "continent"},
            ["here", "everywhere", "ireland", "fra", "muc", "par"],
            id="a cloud region's continent",
        ),
        pytest.param(
            a_client("paris", network="net-1"), {"fill": "no"}, ["tyo", "par"], id="the own network"
        ),
    ],
)
def test_fill(client: ClientClass, parameters: dict[str, str], expected: list[str]) -> None:
    """The list has what the client's network, cloud region and country have, or also its continent, and at
    least one mirror."""
    overlays = [an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "tyo"),)), an_overlay(AWS)]
    assert listed(quiet(*WORLD, *IN_AWS, overlays=overlays), client, **parameters) == expected


def test_the_one_farther_mirror_is_explained() -> None:
    """An explanation says why a list has a mirror outside of the country with which it was to end."""
    network = Network(WORLD)
    asked = question(network.config, fill="no")
    assert "so one is listed" in explained(network, a_client("sydney"), asked).notes[0]
    assert explained(network, a_client("tokyo"), asked).notes == ()


def test_fill_looks_at_all_mirrors() -> None:
    """Also where a country's mirrors are behind more of other countries than a place's candidates."""
    near = [a_mirror(f"near{number:02}", "frankfurt") for number in range(70)]
    config = a_config(selection=policy(spread_km=0.0, border_km=0.0))
    snapshot = load(*near, a_mirror("par", "paris"), a_mirror("par2", "paris"), config=config)
    strasbourg = a_client("strasbourg")
    assert "par" not in listed(snapshot, strasbourg)
    assert listed(snapshot, strasbourg, fill="no") == ["par", "par2"]


def test_fill_with_one_address_in_two_countries() -> None:
    """The site in the client's country speaks for the address, and stands where it ranks."""
    snapshot = quiet(
        a_mirror("far", "munich"),
        a_mirror("site1", "strasbourg", addresses=CDN),
        a_mirror("site2", "frankfurt", addresses=CDN),
        config=a_config(selection=QUIET),
    )
    assert listed(snapshot, a_client("munich"), fill="no") == ["far", "site2"]
    assert standings(snapshot, a_client("munich"), fill="no")["site1"].fate.exclusion == "same address"


def test_fill_with_a_monopoly() -> None:
    """A network's own mirror is its whole list, wherever it is."""
    overlay = an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "own"),))
    snapshot = quiet(a_mirror("own", "tokyo", monopoly=True), *EUROPE, overlays=[overlay])
    assert listed(snapshot, a_client(network="net-1"), fill="no") == ["own"]


def test_the_last_one_is_the_first_of_the_ordinary_list() -> None:
    """A list that would be empty has what it would begin with without `fill`, for IPv6 clients as well."""
    network = Network(
        [a_mirror("par", "paris"), a_mirror("lux", "luxembourg")],
        config=a_config(selection=QUIET),
    )
    for family in (4, 6):
        client = a_client("frankfurt", family=family)
        ordinary = listed(network.load(), client)
        assert listed(network.load(), client, fill="no") == ordinary[:1]
