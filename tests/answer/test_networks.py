"""Passes 1 to 4: whose network a client is in, and which mirrors that means."""

from __future__ import annotations

from typing import Any

import pytest

from app.model import Status
from tests.builders import (
    AS64500,
    AWS,
    QUIET,
    a_client,
    a_config,
    a_mirror,
    a_state,
    an_overlay,
    ask,
    in_cloud,
    listed,
    load,
    named,
    netblock,
    served,
    without_origin,
)

CAMPUS = an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "campus"),))

# --- pass 1: exclusive ------------------------------------------------------------------------------

MONOPOLIST = a_mirror("campus", "tokyo", monopoly=True)
OTHERS = [a_mirror("near", "frankfurt"), a_mirror("far", "paris")]


@pytest.mark.parametrize(
    ("client", "state", "expected", "reason"),
    [
        pytest.param(
            a_client(network="net-1"),
            None,
            named("campus", reason="exclusive"),
            "exclusive",
            id="alone, however far",
        ),
        pytest.param(
            a_client(),
            None,
            [*named("near", "far", "campus", reason="geography")],
            "geography",
            id="one of many for everybody else",
        ),
        pytest.param(
            a_client(network="net-1"),
            a_state("campus", Status.UNREACHABLE),
            named("near", "far", reason="geography"),
            "exclusive unavailable",
            id="the usual list while it is away, with a sign",
        ),
    ],
)
def test_exclusive(client: Any, state: Any, expected: list[tuple[str, str]], reason: str) -> None:
    """A mirror with a monopoly stands alone in its own networks as long as it is there."""
    snapshot = load(
        MONOPOLIST,
        *OTHERS,
        overlays=[CAMPUS],
        states=[state] if state else [],
        config=a_config(selection=QUIET),
    )
    selection = ask(snapshot, client)
    assert served(snapshot, selection) == expected
    assert selection.reason == reason


def test_exclusive_by_declared_asn() -> None:
    """A declared ASN makes a network the mirror's own as well."""
    snapshot = load(
        a_mirror("campus", "tokyo", monopoly=True, asns=(64500,), private=True), *OTHERS, overlays=[AS64500]
    )
    assert listed(snapshot, a_client(network="AS64500")) == ["campus"]


def test_several_exclusive_mirrors_most_specific_first() -> None:
    """All of a network's monopolists are served, and nobody else."""
    overlay = an_overlay(
        "net-2", netblocks=(netblock("192.0.2.0/25", "lab"), netblock("192.0.2.0/24", "campus", "plain"))
    )
    snapshot = load(
        a_mirror("lab", "tokyo", monopoly=True),
        a_mirror("campus", "frankfurt", monopoly=True),
        a_mirror("plain", "frankfurt"),
        overlays=[overlay],
    )
    assert listed(snapshot, a_client(network="net-2")) == ["lab", "campus"]


@pytest.mark.parametrize(
    ("repo", "expected"),
    [("baseos", named("campus", reason="exclusive")), ("nfv", named("near", "far", reason="geography"))],
)
def test_exclusive_only_for_what_it_carries(repo: str, expected: list[tuple[str, str]]) -> None:
    """A monopolist that does not carry a repo leaves it to others."""
    partial = a_mirror("campus", "tokyo", monopoly=True, repos=("baseos",))
    snapshot = load(partial, *OTHERS, overlays=[CAMPUS], config=a_config(selection=QUIET))
    assert served(snapshot, ask(snapshot, a_client(network="net-1"), repo)) == expected


# --- pass 2: netblock --------------------------------------------------------------------------------


def test_netblocks_most_specific_first() -> None:
    """Of nested netblocks the smaller one's mirror comes first; geography fills the list up."""
    overlay = an_overlay(
        "net-3", netblocks=(netblock("192.0.2.0/28", "lab"), netblock("192.0.2.0/24", "campus"))
    )
    snapshot = load(
        a_mirror("lab", "sydney"),
        a_mirror("campus", "tokyo"),
        a_mirror("near", "frankfurt"),
        overlays=[overlay],
    )
    assert served(snapshot, ask(snapshot, a_client(network="net-3"))) == [
        ("lab", "netblock"),
        ("campus", "netblock"),
        ("near", "geography"),
    ]


def test_the_same_netblock_is_shared_by_spread() -> None:
    """Two mirrors that declare the same network share its clients."""
    overlay = an_overlay("net-4", netblocks=(netblock("192.0.2.0/24", "one", "two"),))
    snapshot = load(a_mirror("one", "frankfurt"), a_mirror("two", "frankfurt"), overlays=[overlay])
    orders = [listed(snapshot, a_client(network="net-4", spread=spread)) for spread in range(32)]
    assert {tuple(order) for order in orders} == {("one", "two"), ("two", "one")}
    assert 12 <= sum(order[0] == "one" for order in orders) <= 20


def test_a_private_mirror_is_its_own_networks_alone() -> None:
    """It is first for its own network, and nowhere for anybody else."""
    snapshot = load(a_mirror("campus", "frankfurt", private=True), *OTHERS, overlays=[CAMPUS])
    assert listed(snapshot, a_client(network="net-1"))[0] == "campus"
    assert "campus" not in listed(snapshot, a_client())


@pytest.mark.parametrize("monopoly", [False, True])
def test_a_private_mirror_is_hidden_from_whoever_asks_for_another(monopoly: bool) -> None:
    """Asked as for an address of its network, nothing shows that it exists, its monopoly included."""
    campus = a_mirror("campus", "frankfurt", private=True, monopoly=monopoly)
    snapshot = load(campus, *OTHERS, overlays=[CAMPUS], config=a_config(selection=QUIET))
    selection = ask(snapshot, a_client(network="net-1", private=False))
    assert served(snapshot, selection) == named("near", "far", reason="geography")
    assert selection.reason == "geography"
    assert not [url for url in selection.urls if "campus" in url]


def test_a_private_mirror_is_no_last_resort() -> None:
    """Not even when there is nobody else."""
    snapshot = load(
        a_mirror("campus", private=True),
        a_mirror("m"),
        states=[a_state("m", Status.BROKEN)],
        config=without_origin(),
    )
    assert listed(snapshot, a_client()) == ["m"]


# --- pass 3: region ----------------------------------------------------------------------------------

CLOUD = [
    in_cloud("here", "frankfurt", "aws", "eu-central-1"),
    in_cloud("everywhere", None, "aws"),
    in_cloud("next", "luxembourg", "aws", "eu-west-1", "eu-west-3"),
    in_cloud("overseas", "ashburn", "aws", "us-east-1"),
    in_cloud("other-provider", "frankfurt", "azure", "germanywestcentral"),
    a_mirror("near", "frankfurt"),
    a_mirror("far", "paris"),
]


def cloud_order(*gone: str, **client: Any) -> list[tuple[str, str]]:
    states = [a_state(name, Status.UNREACHABLE) for name in gone]
    snapshot = load(*CLOUD, overlays=[AWS, CAMPUS], states=states, config=a_config(selection=QUIET))
    return served(snapshot, ask(snapshot, a_client(**{"network": "aws:eu-central-1", **client})))


def test_a_clients_region_comes_first() -> None:
    """In the region, for all regions of the provider, the nearest other region on the continent; then
    geography, in which no cloud mirror is."""
    assert cloud_order() == [
        *named("here", "everywhere", "next", reason="region"),
        *named("near", "far", reason="geography"),
    ]


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (
            ("here",),
            [*named("everywhere", "next", reason="region"), *named("near", "far", reason="geography")],
        ),
        (
            ("here", "everywhere"),
            [*named("next", reason="region"), *named("near", "far", reason="geography")],
        ),
        (("here", "everywhere", "next"), named("near", "far", reason="geography")),
    ],
    ids=["region", "region and provider", "all of the continent"],
)
def test_a_region_whose_mirror_is_gone(gone: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    """The provider's next nearest, then geography; another continent's region or provider never."""
    assert cloud_order(*gone) == expected


def test_only_the_nearest_other_region() -> None:
    """Of several regions of the continent, the nearest with a mirror that can be served."""
    mirrors = [
        in_cloud("zurich", None, "aws", "eu-central-2"),
        in_cloud("paris", None, "aws", "eu-west-3"),
        in_cloud("dublin", None, "aws", "eu-west-1"),
        a_mirror("near", "frankfurt"),
    ]
    snapshot = load(*mirrors, overlays=[AWS])
    client = a_client(network="aws:eu-central-1")
    assert listed(snapshot, client) == ["zurich", "near"]
    without = load(*mirrors, overlays=[AWS], states=[a_state("zurich", Status.STALE)])
    assert listed(without, client) == ["paris", "near"]


@pytest.mark.parametrize(
    ("limit", "from_region"), [("10", 8), ("5", 3), ("3", 1), ("2", 1), ("1", 1)], ids="limit={}".format
)
def test_two_places_of_a_list_are_for_others(limit: str, from_region: int) -> None:
    """A provider with many mirrors leaves room for somewhere to go when its region is in trouble."""
    mirrors = [in_cloud(f"aws{n:02}", "frankfurt", "aws", "eu-central-1") for n in range(12)]
    mirrors += [a_mirror(f"m{n:02}", "paris") for n in range(12)]
    snapshot = load(*mirrors, overlays=[AWS])
    order = served(snapshot, ask(snapshot, a_client(network="aws:eu-central-1"), limit=limit))
    assert [reason for _, reason in order].count("region") == from_region
    assert len(order) == int(limit)


@pytest.mark.parametrize(
    ("network", "parameters", "first"),
    [
        pytest.param("", {"region": "aws:eu-central-1"}, "here", id="from nowhere in particular"),
        pytest.param(
            "aws:eu-central-1", {"region": "aws:us-east-1"}, "overseas", id="instead of the client's own"
        ),
        pytest.param("", {"region": "azure:germanywc"}, "other-provider", id="another provider"),
        pytest.param("net-1", {"region": "aws:eu-central-1"}, "here", id="from a declared netblock"),
    ],
)
def test_a_region_asked_for(network: str, parameters: dict[str, str], first: str) -> None:
    """Clients behind private endpoints say where they are."""
    snapshot = load(*CLOUD, overlays=[AWS, CAMPUS])
    assert listed(snapshot, a_client(network=network), **parameters)[0] == first


def test_a_region_has_its_own_place() -> None:
    """Geography goes by where the region is, whatever GeoIP says of the provider's addresses."""
    mirrors = [a_mirror("frankfurt", "frankfurt"), a_mirror("ashburn", "ashburn")]
    snapshot = load(*mirrors, overlays=[AWS])
    assert listed(snapshot, a_client("ashburn"))[0] == "ashburn"
    assert listed(snapshot, a_client("ashburn", network="aws:eu-central-1"))[0] == "frankfurt"


def test_a_border_group_is_elsewhere_but_of_its_region() -> None:
    """Its clients belong to the parent region's mirror; below it they get what is near the zone."""
    bue = an_overlay("aws:us-east-1/us-east-1-bue-1")
    snapshot = load(
        in_cloud("overseas", "ashburn", "aws", "us-east-1"),
        a_mirror("ashburn", "ashburn"),
        a_mirror("sao-paulo", "sao paulo"),
        overlays=[bue],
    )
    client = a_client("ashburn", network="aws:us-east-1/us-east-1-bue-1")
    assert listed(snapshot, client) == ["overseas", "sao-paulo", "ashburn"]


def test_a_provider_without_a_region() -> None:
    """Addresses that a provider uses everywhere get the mirrors that serve all of its regions."""
    overlay = an_overlay("aws")
    snapshot = load(*CLOUD, overlays=[overlay], config=a_config(selection=QUIET))
    assert served(snapshot, ask(snapshot, a_client(network="aws"))) == [
        *named("everywhere", reason="region"),
        *named("near", "far", reason="geography"),
    ]


def test_netblock_and_region_in_the_order_of_the_passes() -> None:
    """A declared netblock inside a provider's range counts first, the region after it, then the ASN."""
    both = an_overlay(
        "aws:eu-central-1+net-1+AS64500",
        netblocks=CAMPUS.netblocks,
        asn=64500,
    )
    snapshot = load(
        *CLOUD, a_mirror("campus", "tokyo"), a_mirror("peer", "sydney", asns=(64500,)), overlays=[both]
    )
    order = served(snapshot, ask(snapshot, a_client(network=both.name)))
    assert [reason for _, reason in order] == ["netblock", *["region"] * 3, "asn", "geography", "geography"]
    assert [name for name, _ in order][:5] == ["campus", "here", "everywhere", "next", "peer"]


# --- pass 4: ASN ---------------------------------------------------------------------------------------


def asn_order(client: Any, measured: str = "", **mirror: Any) -> list[tuple[str, str]]:
    """Of a mirror in some town, by declaration or measurement in the client's ASN, and one in Frankfurt."""
    peer = a_mirror("peer", **{"town": "munich", **mirror})
    snapshot = load(
        peer,
        a_mirror("near", "frankfurt"),
        overlays=[AS64500],
        measured_asns={"peer.example.org": (64500,)} if measured else {},
        config=a_config(selection=QUIET),
    )
    return served(snapshot, ask(snapshot, client))


IN_AS = a_client("frankfurt", network="AS64500")


@pytest.mark.parametrize(
    ("client", "mirror", "first"),
    [
        pytest.param(IN_AS, {"asns": (64500,)}, ("peer", "asn"), id="declared, near"),
        pytest.param(
            IN_AS, {"asns": (64500,), "town": "sydney"}, ("peer", "asn"), id="declared, across the world"
        ),
        pytest.param(IN_AS, {"asns": (64500,), "private": True}, ("peer", "asn"), id="declared and private"),
        pytest.param(IN_AS, {"asns": (64501, 64500)}, ("peer", "asn"), id="one of several declared"),
        pytest.param(IN_AS, {"asns": (64501,)}, ("near", "geography"), id="another one declared"),
        pytest.param(IN_AS, {"measured": "yes"}, ("peer", "asn"), id="measured, 300 km away"),
        pytest.param(
            IN_AS,
            {"measured": "yes", "town": "paris"},
            ("peer", "asn"),
            id="measured, abroad but within 1,000 km",
        ),
        pytest.param(
            IN_AS,
            {"measured": "yes", "town": "istanbul"},
            ("near", "geography"),
            id="measured, 1,900 km away",
        ),
        pytest.param(
            a_client("new york", network="AS64500"),
            {"measured": "yes", "town": "san francisco"},
            ("peer", "asn"),
            id="measured, 4,100 km away in the same country",
        ),
        pytest.param(
            a_client(place="DE", network="AS64500"),
            {"measured": "yes"},
            ("peer", "asn"),
            id="measured, country known",
        ),
        pytest.param(
            a_client(place="~EU", network="AS64500"),
            {"measured": "yes"},
            ("near", "geography"),
            id="measured, nobody knows how far: continent only",
        ),
        pytest.param(
            a_client(place="", network="AS64500"),
            {"measured": "yes", "town": None},
            ("near", "geography"),
            id="measured, nobody knows how far: nothing known of either",
        ),
        pytest.param(
            IN_AS,
            {"measured": "yes", "private": True},
            ("near", "geography"),
            id="measured does not open a private mirror",
        ),
        pytest.param(a_client("frankfurt"), {"asns": (64500,)}, ("near", "geography"), id="another network"),
    ],
)
def test_asn(client: Any, mirror: dict[str, Any], first: tuple[str, str]) -> None:
    """Declared ASNs count everywhere, measured ones in the same country or within 1,000 km."""
    order = asn_order(client, **mirror)
    assert order[0] == first
    if first[1] == "asn":
        assert order[1] == ("near", "geography")


def test_declared_asns_come_before_measured_ones() -> None:
    """Each by cost: the nearer one first."""
    names = {
        "declared-far": "tokyo",
        "declared": "munich",
        "measured-next": "paris",
        "measured": "strasbourg",
    }
    mirrors = [
        a_mirror(name, town, asns=(64500,) if name.startswith("declared") else ())
        for name, town in names.items()
    ]
    snapshot = load(
        *mirrors,
        overlays=[AS64500],
        measured_asns={f"{name}.example.org": [64500] for name in names},
        config=a_config(selection=QUIET),
    )
    assert served(snapshot, ask(snapshot, IN_AS)) == named(
        "declared", "declared-far", "measured", "measured-next", reason="asn"
    )


def test_a_cloud_mirror_is_not_reached_by_asn() -> None:
    """Cloud mirrors are for netblocks and regions; a provider's ASN is all of its customers."""
    snapshot = load(
        in_cloud("inside", "frankfurt", "aws", "eu-central-1", asns=(64500,)),
        a_mirror("near", "frankfurt"),
        overlays=[AS64500],
    )
    assert listed(snapshot, IN_AS) == ["near"]
