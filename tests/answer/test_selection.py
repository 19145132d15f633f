"""Geography, the filters of a request, what is known of content, and what happens when nobody is left."""

from __future__ import annotations

from typing import Any

import pytest

from app.geo.networks import Overlay
from app.model import Content, Mirror, Repo, Status
from tests.builders import (
    AS64500,
    AWS,
    QUIET,
    ROUND,
    Network,
    a_client,
    a_config,
    a_mirror,
    a_state,
    an_overlay,
    ask,
    endpoints,
    in_cloud,
    listed,
    load,
    named,
    netblock,
    question,
    select,
    served,
    without_origin,
)

CLOUD = [in_cloud("here", "frankfurt", "aws", "eu-central-1"), in_cloud("everywhere", None, "aws")]


# --- pass 5 and the filters ----------------------------------------------------------------------------

WORLD = [
    a_mirror("de", "frankfurt"),
    a_mirror("fr", "paris"),
    a_mirror("lu", "luxembourg"),
    a_mirror("us", "new york"),
    a_mirror(
        "jp",
        "tokyo",
        addresses={"http": "http://jp.example.org/alma/", "rsync": "rsync://jp.example.org/alma/"},
    ),
    a_mirror("unknown"),
]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, "de lu fr us jp unknown", id="all by cost, unlocated last"),
        pytest.param({"limit": "2"}, "de lu", id="as many as asked for"),
        pytest.param({"country": "jp"}, "jp", id="pinned to a country"),
        pytest.param({"country": "us,fr"}, "fr us", id="to several"),
        pytest.param({"exclude_country": "de"}, "lu fr us jp unknown", id="excluded"),
        pytest.param({"country": "de,lu", "exclude_country": "de"}, "lu", id="pinned and excluded"),
        pytest.param({"protocol": "rsync"}, "jp", id="only one has the protocol"),
        pytest.param({"protocol": "https"}, "de lu fr us unknown", id="one has not"),
        pytest.param({"protocol": "rsync,https"}, "de lu fr us jp unknown", id="any of several protocols"),
    ],
)
def test_geography_and_filters(parameters: dict[str, str], expected: str) -> None:
    """Filters choose among the mirrors; the order is the same with them and without."""
    snapshot = load(*WORLD, config=a_config(selection=QUIET))
    assert listed(snapshot, a_client(), **parameters) == expected.split()


def test_urls_are_of_the_first_protocol_that_a_mirror_has() -> None:
    """In the order asked for, mirror by mirror."""
    snapshot = load(*WORLD[:1], WORLD[4])
    path = "9.8/BaseOS/x86_64/os/"
    assert ask(snapshot, a_client()).urls == [
        f"https://de.example.org/alma/{path}",
        f"http://jp.example.org/alma/{path}",
    ]
    assert ask(snapshot, a_client(), protocol="rsync,http").urls == [
        f"http://de.example.org/alma/{path}",
        f"rsync://jp.example.org/alma/{path}",
    ]


def test_worldwide() -> None:
    """`country=global`: as for somebody of whom nothing is known, so all clients of a spread get the same."""
    snapshot = load(*WORLD, *CLOUD, overlays=[AWS])
    orders = {
        tuple(listed(snapshot, client, country="global"))
        for client in (
            a_client("frankfurt"),
            a_client("tokyo"),
            a_client("sydney", network="aws:eu-central-1"),
        )
    }
    assert len(orders) == 1
    assert "here" not in orders.pop()
    assert listed(snapshot, a_client(), country="global") == listed(snapshot, a_client(place=""))


@pytest.mark.parametrize(
    ("restriction", "german", "japanese", "unknown"),
    [
        ({"countries": ("DE", "LU")}, True, False, False),
        ({"exclude_countries": ("DE",)}, False, True, True),
        ({"countries": ("DE",), "exclude_countries": ("DE",)}, False, False, False),
    ],
    ids=str,
)
def test_countries_that_a_mirror_serves(
    restriction: dict[str, Any], german: bool, japanese: bool, unknown: bool
) -> None:
    """A mirror's own choice of clients holds in every pass; a client in no known country is in no list of
    countries."""
    mirrors = [a_mirror("picky", "frankfurt", **restriction), a_mirror("m", "frankfurt")]
    snapshot = load(*mirrors, overlays=[an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "picky"),))])
    for client, welcome in (
        (a_client("munich"), german),
        (a_client("munich", network="net-1"), german),
        (a_client("tokyo"), japanese),
        (a_client(place=""), unknown),
    ):
        assert ("picky" in listed(snapshot, client)) is welcome


def test_the_list_is_filled_up_from_geography() -> None:
    """Whatever came first, a client is left with somewhere to go, and with nobody twice."""
    overlay = an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "m3"),))
    snapshot = load(*(a_mirror(f"m{n}", "frankfurt") for n in range(12)), overlays=[overlay])
    order = served(snapshot, ask(snapshot, a_client(network="net-1")))
    assert len(order) == len({name for name, _ in order}) == 10
    assert order[0] == ("m3", "netblock")
    assert {reason for _, reason in order[1:]} == {"geography"}


def test_candidates_are_not_the_end() -> None:
    """What only far mirrors have is found beyond the 64 candidates of a place."""
    crowd = [a_mirror(f"m{n:03}", "frankfurt") for n in range(100)]
    snapshot = load(*crowd, a_mirror("jp", "tokyo"), a_mirror("au", "sydney"))
    assert listed(snapshot, a_client(), country="jp,au") == ["jp", "au"]
    assert len(listed(snapshot, a_client(), limit="50")) == 50


# --- what is known of the content -----------------------------------------------------------------------


def test_known_content_comes_before_unknown() -> None:
    """A mirror at which the prober has not looked yet stands behind those where it has, however near."""
    states = [a_state("known", content={"9.8/baseos/x86_64": Content.CURRENT}), a_state("unknown")]
    snapshot = load(
        a_mirror("known", "tokyo"), a_mirror("unknown", "frankfurt"), states=states, last_round=ROUND
    )
    assert listed(snapshot, a_client()) == ["known", "unknown"]
    assert listed(snapshot, a_client(), "appstream") == ["unknown", "known"]


def test_known_content_comes_first_beyond_the_candidates() -> None:
    """Even when 64 mirrors nobody has looked at are nearer."""
    crowd = [a_mirror(f"m{n:03}", "frankfurt") for n in range(100)]
    state = a_state("known", content={"9.8/baseos/x86_64": Content.CURRENT})
    snapshot = load(*crowd, a_mirror("known", "tokyo"), states=[state])
    order = listed(snapshot, a_client())
    assert order[0] == "known"
    assert len(order) == 10


def test_whole_mirrors_come_before_partial_ones_without_an_arch() -> None:
    """The answer without an arch is used by machines of every arch."""
    snapshot = load(a_mirror("some", "frankfurt", arches=("x86_64",)), a_mirror("all", "tokyo"))
    assert listed(snapshot, a_client(), arch="") == ["all", "some"]
    assert listed(snapshot, a_client(), arch="x86_64") == ["some", "all"]
    assert listed(snapshot, a_client(), arch="aarch64") == ["all"]
    assert ask(snapshot, a_client(), arch="").urls[0].endswith("/9.8/BaseOS/$basearch/os/")


@pytest.mark.parametrize("release", ["9", "9.8"])
def test_one_client_one_order(release: str) -> None:
    """baseos, appstream and extras come from the same mirrors in the same order, by whatever name."""
    snapshot = load(*(a_mirror(f"m{n:03}", town) for n in range(30) for town in ["frankfurt"]), *WORLD)
    for spread in range(0, 32, 7):
        orders = {
            tuple(listed(snapshot, a_client(spread=spread), repo, release=release, arch=arch))
            for repo in ("baseos", "appstream", "extras", "sources")
            for arch in ("x86_64", "aarch64", "")
        }
        assert len(orders) == 1


# --- IPv4 and IPv6 -----------------------------------------------------------------------------------------

DUAL = [
    a_mirror("v4", "frankfurt"),
    a_mirror("unsure", "luxembourg"),
    a_mirror("v6", "paris"),
    a_mirror("only6", "tokyo"),
]
FAMILIES = [
    a_state("v4", endpoints=endpoints(ipv4=True, ipv6=False)),
    a_state("v6", endpoints=endpoints(ipv4=True, ipv6=True)),
    a_state("only6", endpoints=endpoints(ipv4=False, ipv6=True)),
]


@pytest.mark.parametrize(
    ("family", "parameters", "expected"),
    [
        pytest.param(4, {}, "v4 unsure v6 only6", id="an IPv4 client"),
        pytest.param(6, {}, "v6 only6 v4 unsure", id="an IPv6 client: known to work first"),
        pytest.param(6, {"limit": "2"}, "v4 unsure", id="first within the list, not before it"),
        pytest.param(4, {"family": "6"}, "v6 only6", id="family=6 leaves the others out"),
        pytest.param(6, {"family": "6"}, "v6 only6", id="for an IPv6 client too"),
        pytest.param(6, {"family": "4"}, "v6 v4 unsure", id="family=4: not those known not to have it"),
    ],
)
def test_families(family: int, parameters: dict[str, str], expected: str) -> None:
    """IPv6 clients prefer mirrors whose IPv6 works; nobody is left out unless asked for."""
    snapshot = load(*DUAL, states=FAMILIES, config=a_config(selection=QUIET))
    assert listed(snapshot, a_client(family=family), **parameters) == expected.split()


def test_the_preference_for_ipv6_stays_within_a_pass() -> None:
    """A client's own network comes first even if nobody knows its mirror's IPv6."""
    overlay = an_overlay("net-1", netblocks=(netblock("2001:db8::/48", "unsure", "v4"),))
    snapshot = load(*DUAL, states=FAMILIES, overlays=[overlay], config=a_config(selection=QUIET))
    order = served(snapshot, ask(snapshot, a_client(network="net-1", family=6)))
    assert order == [*named("v4", "unsure", reason="netblock"), *named("v6", "only6", reason="geography")]


# --- nobody ------------------------------------------------------------------------------------------------

DOWN = [a_state(name, status) for name, status in [("a", Status.UNREACHABLE), ("b", Status.STALE)]]
PAIR = [a_mirror("a", "frankfurt"), a_mirror("b", "paris")]


@pytest.mark.parametrize(
    ("parameters", "url"),
    [
        ({}, "https://origin.example.org/alma/9.8/BaseOS/x86_64/os/"),
        ({"arch": ""}, "https://origin.example.org/alma/9.8/BaseOS/$basearch/os/"),
        ({"release": "10-kitten"}, "https://origin.example.org/kitten/10-kitten/BaseOS/x86_64/os/"),
        ({"protocol": "rsync"}, "https://origin.example.org/alma/9.8/BaseOS/x86_64/os/"),
    ],
    ids=str,
)
def test_nobody_eligible(parameters: dict[str, str], url: str) -> None:
    """The origin answers alone, each module's own."""
    snapshot = load(*PAIR, states=DOWN)
    selection = ask(snapshot, a_client(), **parameters)
    assert (selection.mirrors, selection.reason, selection.urls) == ([], "origin", [url])


def test_filters_that_nobody_meets() -> None:
    """The same when it is the question that leaves nobody."""
    snapshot = load(*PAIR)
    assert ask(snapshot, a_client(), country="jp").reason == "origin"


@pytest.mark.parametrize(
    "states",
    [
        [a_state("a", Status.UNREACHABLE), a_state("b", Status.BROKEN)],
        [a_state("a", Status.STALE), a_state("b", content={"9.8/baseos/x86_64": Content.CORRUPT})],
        [a_state("a", Status.UNREACHABLE)],
    ],
    ids=["unreachable and broken", "stale and corrupt", "one not probed at all"],
)
def test_last_resort(states: list[Any]) -> None:
    """Without an origin, those who should have it are better than nobody, nearest first."""
    snapshot = load(*PAIR, states=states, last_round=ROUND, config=without_origin(selection=QUIET))
    selection = ask(snapshot, a_client())
    assert served(snapshot, selection) == named("a", "b", reason="last resort")
    assert selection.reason == "last resort"
    assert len(ask(snapshot, a_client(), limit="1").urls) == 1


def test_last_resort_gives_way_to_no_filter_of_the_request() -> None:
    """Filters that leave nobody are no reason for an empty answer."""
    snapshot = load(*PAIR, config=without_origin(selection=QUIET))
    assert served(snapshot, ask(snapshot, a_client(), country="jp")) == named("a", "b", reason="last resort")
    assert served(snapshot, ask(snapshot, a_client(), family="6")) == named("a", "b", reason="last resort")


@pytest.mark.parametrize(
    "mirror",
    [
        pytest.param(a_mirror("b", arches=("aarch64",)), id="does not carry it"),
        pytest.param(a_mirror("b", repos=("appstream",)), id="does not carry the repo"),
        pytest.param(a_mirror("b", disabled=True), id="disabled"),
        pytest.param(a_mirror("b", private=True), id="private"),
        pytest.param(in_cloud("b", None, "aws"), id="in a cloud"),
        pytest.param(a_mirror("b", exclude_countries=("DE",)), id="not for this country"),
        pytest.param(
            a_mirror("b", addresses={"rsync": "rsync://b.example.org/alma/"}), id="has no such protocol"
        ),
    ],
)
def test_who_is_no_last_resort(mirror: Mirror) -> None:
    """Only public mirrors that are declared to have what is asked for, and want this client."""
    states = [a_state("a", Status.UNREACHABLE), a_state("b", Status.UNREACHABLE)]
    snapshot = load(PAIR[0], mirror, states=states, config=without_origin())
    assert served(snapshot, ask(snapshot, a_client())) == named("a", reason="last resort")


def test_no_mirrors_at_all() -> None:
    """A network without mirrors is the origin's alone; without an origin nothing can be said."""
    assert ask(load(), a_client()).reason == "origin"
    assert ask(load(config=without_origin()), a_client()).urls == []


@pytest.mark.parametrize(
    ("release", "repo", "url"),
    [
        ("9.7", "baseos", "https://vault.example.org/9.7/BaseOS/x86_64/os/"),
        ("9", "baseos-debug", "https://vault.example.org/9.8/BaseOS/debug/x86_64/"),
    ],
)
def test_vault(release: str, repo: str, url: str) -> None:
    """What only the vault has is answered with the vault, to everybody."""
    snapshot = load(*WORLD)
    selection = ask(snapshot, a_client(), repo, release=release)
    assert (selection.mirrors, selection.reason, selection.urls) == ([], "vault", [url])


def test_modules_have_their_own_addresses() -> None:
    """A module is served by who carries it, from where it is there."""
    kitten = a_mirror(
        "cat", "tokyo", module_addresses={"kitten": {"https": "https://cat.example.org/kitten/"}}
    )
    snapshot = load(kitten, a_mirror("m", "frankfurt"))
    selection = ask(snapshot, a_client(), release="10-kitten")
    assert selection.urls == ["https://cat.example.org/kitten/10-kitten/BaseOS/x86_64/os/"]
    assert listed(snapshot, a_client()) == ["m", "cat"]


# --- the answer depends on the class alone ----------------------------------------------------------------


def test_the_same_class_gets_the_same_answer() -> None:
    """In any order of questions: what a snapshot remembers changes nothing."""
    network = Network(mirrors=[*WORLD, *CLOUD], overlays=[AWS, AS64500])
    clients = [a_client(town, spread=spread) for town in ("frankfurt", "tokyo") for spread in (0, 5)]
    clients += [a_client(network="aws:eu-central-1"), a_client(network="AS64500", family=6)]
    filters: list[dict[str, str]] = [{}, {"country": "de,fr"}, {"protocol": "https"}, {"family": "6"}]
    asked = [(client, parameters) for client in clients for parameters in filters]
    one, other = network.load(), network.load()
    answers = [ask(one, client, **parameters) for client, parameters in asked]
    assert [ask(other, client, **parameters) for client, parameters in reversed(asked)] == answers[::-1]
    assert [ask(one, client, **parameters) for client, parameters in asked] == answers


def test_an_overlay_or_place_that_is_not_known() -> None:
    """A networks or city database newer than the snapshot is no reason to fail."""
    snapshot = load(*WORLD, config=a_config(selection=QUIET))
    assert listed(snapshot, a_client(network="net-new")) == listed(snapshot, a_client())
    assert listed(snapshot, a_client(place="DE/1/1")) == listed(snapshot, a_client(place="DE"))
    assert listed(snapshot, a_client(place="XX/1/1")) == listed(snapshot, a_client(place=""))


def test_mirrors_of_an_overlay_that_are_gone() -> None:
    """A networks database may name mirrors that this snapshot no longer has."""
    overlay: Overlay = an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "gone", "de"),))
    snapshot = load(*WORLD, overlays=[overlay])
    assert served(snapshot, ask(snapshot, a_client(network="net-1")))[0] == ("de", "netblock")


def test_a_repo_without_questions() -> None:
    """A vault repo where no vault is configured comes from the origin."""
    config = a_config(vault_url=None, repos=(Repo(name="old", path="old/$basearch/", vault=True),))
    snapshot = load(*WORLD, config=config)
    selection = select(snapshot, a_client(), question(config, "old"))
    assert (selection.reason, selection.urls) == (
        "origin",
        ["https://origin.example.org/alma/9.8/old/x86_64/"],
    )
