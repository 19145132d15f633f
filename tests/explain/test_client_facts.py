"""What is said of a client, and what must not be told from it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.explain.client_facts import Databases, client_facts
from app.geo.database import AsnDatabase, CityDatabase
from app.geo.networks import NetworkLookup, build_networks
from app.geo.place_lookup import PlaceLookup
from app.model import ClientClass
from app.model.prefixes import CloudRange, Correction, parse_prefix
from app.model.words import printable
from app.render.facts import client_rows
from app.request.address import ClientAddress, parse_address
from app.request.clients import classify
from tests.geo.databases import maxmind, write_database, write_places

AWS = CloudRange(prefix=parse_prefix("192.0.2.0/25"), provider="aws", region="eu-central-1")
NEXT = CloudRange(prefix=parse_prefix("192.0.2.128/26"), provider="aws", region="eu-central-1")
ZONE = CloudRange(
    prefix=parse_prefix("192.0.2.192/26"), provider="aws", region="us-east-1", border_group="us-east-1-bue-1"
)
SIX = CloudRange(prefix=parse_prefix("2001:db8:1::/48"), provider="gcp")
CLOUDS = (AWS, NEXT, ZONE, SIX)


def lookup(folder: Path, subnets: Sequence[str] = (), asns: Sequence[str] = ()) -> NetworkLookup:
    declared = [(f"m{number}.example.org", subnet) for number, subnet in enumerate(subnets)]
    built = build_networks(CLOUDS, declared, [(prefix, 64500) for prefix in asns], 1)
    path = folder / "networks.mmdb"
    path.write_bytes(built.mmdb)
    return NetworkLookup(path)


def address(text: str) -> ClientAddress:
    found = parse_address(text)
    assert found is not None
    return ClientAddress(found.text, found.packed, "socket")


@pytest.mark.parametrize(
    ("ip", "prefix"),
    [
        pytest.param("192.0.2.1", "192.0.2.0/25", id="as published"),
        pytest.param("192.0.2.130", "192.0.2.128/26", id="its neighbour of the same region is larger"),
        pytest.param("192.0.2.200", "192.0.2.192/26", id="zone"),
        pytest.param("2001:db8:1:2::3", "2001:db8:1::/48", id="IPv6"),
        pytest.param("198.51.100.1", None, id="no cloud"),
        pytest.param("not an address", None, id="no address"),
    ],
)
def test_cloud_prefix(tmp_path: Path, ip: str, prefix: str | None) -> None:
    """The widest prefix around an address of which all is in its region."""
    assert lookup(tmp_path).cloud_prefix(ip) == prefix


INSIDE = st.builds(
    lambda host, length: str(ip_network(f"192.0.2.{host}/{length}", strict=False)),
    st.integers(0, 255),
    st.integers(22, 32),
)


@settings(max_examples=40, deadline=None)
@given(subnets=st.lists(INSIDE, max_size=4), asns=st.lists(INSIDE, max_size=2), host=st.integers(0, 255))
def test_the_prefix_tells_nothing_of_netblocks(subnets: list[str], asns: list[str], host: int) -> None:
    """Whatever mirrors declare inside a cloud, or beside it, the prefix is the same: its edges would
    tell where a private netblock lies."""
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        ip = f"192.0.2.{host}"
        plain, cut = lookup(Path(one)), lookup(Path(other), subnets, asns)
        prefix = plain.cloud_prefix(ip)
        assert cut.cloud_prefix(ip) == prefix
        assert prefix is not None and ip_address(ip) in IPv4Network(prefix)


def test_what_names_say() -> None:
    """Provider, region, zone and ASN are read from the network's name; its netblock only the client's
    own network is told of."""
    name = "aws:us-east-1/us-east-1-bue-1+net-3f2a1c+AS64500"
    own = client_facts(address("192.0.2.200"), ClientClass("", name, 0, 4), Databases())
    assert own.cloud is not None and own.asn == 64500
    assert (own.cloud.provider, own.cloud.region, own.cloud.border_group) == (
        "aws",
        "us-east-1",
        "us-east-1-bue-1",
    )
    assert (own.network, own.class_) == (name, f"|{name}|0|4")
    asked = client_facts(address("192.0.2.200"), ClientClass("", name, 0, 4, private=False), Databases())
    hidden = "aws:us-east-1/us-east-1-bue-1+AS64500"
    assert (asked.network, asked.class_, asked.cloud) == (hidden, f"|{hidden}|0|4", own.cloud)
    netblock = client_facts(address("192.0.2.200"), ClientClass("", "net-3f2a1c", 0, 4), Databases())
    assert (netblock.cloud, netblock.asn) == (None, None)


def test_databases(tmp_path: Path) -> None:
    """Vendor and build date of the city database; the ASN of the ASN database, whether or not a mirror
    is in it."""
    cities = CityDatabase(
        [write_database(tmp_path / "city.mmdb", {"192.0.2.0/24": maxmind("DE", 50.1, 8.7)})]
    )
    record = {"autonomous_system_number": 64501, "autonomous_system_organization": "Example"}
    asns = AsnDatabase([write_database(tmp_path / "asn.mmdb", {"192.0.2.0/24": record}, "GeoLite2-ASN")])
    places = PlaceLookup(write_places(tmp_path / "places.mmdb", {"192.0.2.0/24": "DE/50/8"}, built_at_s=77))
    databases = Databases(places, cities=cities, asns=asns)
    facts = client_facts(address("192.0.2.1"), ClientClass("DE/50/8", "", 0, 4), databases)
    assert facts.database is not None and facts.database.vendor == "MaxMind"
    assert facts.database.built.timestamp() == 77
    assert (facts.asn, facts.precision, facts.accuracy_radius_km) == (64501, "cell", 20)
    assert (facts.country, facts.country_name, facts.city) == ("DE", "Exampleland", "Exampletown")
    assert facts.note is None


@pytest.mark.parametrize(
    ("place", "country", "continent"),
    [("DE/50/8", "DE", "EU"), ("LU", "LU", "EU"), ("~OC", None, "OC"), ("", None, None)],
)
@pytest.mark.parametrize("vendor_says", [None, "FR"], ids=["no vendor's file", "the vendor's file differs"])
def test_without_the_vendors_words(
    tmp_path: Path, place: str, country: str | None, continent: str | None, vendor_says: str | None
) -> None:
    """A node without the vendor's files, or with others than the worker had, says what follows from the
    place that counts, and nothing that contradicts it."""
    places = PlaceLookup(write_places(tmp_path / "places.mmdb", {"192.0.2.0/24": place, "::/0": "JP"}))
    cities = None
    if vendor_says:
        record = maxmind(vendor_says, 48.8, 2.3)
        cities = CityDatabase([write_database(tmp_path / "city.mmdb", {"192.0.2.0/24": record})])
    client = ClientClass(place, "", 0, 4)
    facts = client_facts(address("192.0.2.1"), client, Databases(places, cities=cities))
    assert (facts.place, facts.country, facts.continent) == (place, country, continent)
    assert (facts.country_name, facts.city, facts.latitude, facts.accuracy_radius_km) == (None,) * 4
    assert facts.note is None


@pytest.mark.parametrize(
    ("place", "precision"), [("DE/50/8", "cell"), ("DE", "country"), ("~EU", "continent"), ("", "nothing")]
)
def test_precision(place: str, precision: str) -> None:
    """How much the place says."""
    facts = client_facts(address("192.0.2.1"), ClientClass(place, "", 0, 4), Databases())
    assert facts.precision == precision


GEOFEED = [
    Correction(parse_prefix("192.0.2.0/25"), "FR/48/2", None, "office.csv", 12),
    Correction(parse_prefix("192.0.2.128/25"), "", None, "office.csv", 13),
]


@pytest.mark.parametrize(
    ("ip", "place", "says"),
    [
        ("192.0.2.1", "FR/48/2", "FR/48/2 (a square of one degree), from geofeed office.csv, line 12"),
        ("192.0.2.200", "", "unknown (all mirrors count as equally near), from geofeed office.csv, line 13"),
        ("198.51.100.1", "DE/50/8", "DE/50/8 (a square of one degree)"),
    ],
)
def test_corrected_place(tmp_path: Path, ip: str, place: str, says: str) -> None:
    """The row of a geofeed that a place comes from is named, and the vendor's words about another place are
    not."""
    prefixes = ("192.0.2.0/24", "198.51.100.0/24")
    everywhere = {prefix: maxmind("DE", 50.1, 8.7) for prefix in prefixes}
    cities = CityDatabase([write_database(tmp_path / "city.mmdb", everywhere)])
    places = PlaceLookup(write_places(tmp_path / "places.mmdb", dict.fromkeys(prefixes, "DE/50/8")))
    networks = NetworkLookup.of(build_networks([], [], [], 1, GEOFEED).mmdb)
    client = classify(address(ip), places, networks, private=True)
    facts = client_facts(address(ip), client, Databases(places, networks, cities))
    assert (facts.place, facts.country, facts.note) == (place, place[:2] or None, None)
    assert facts.city == ("Exampletown" if place == "DE/50/8" else None)
    assert dict(client_rows(facts))["place"] == says


def test_the_class_of_a_proxy_is_no_geofeed_s(tmp_path: Path) -> None:
    """A place that a proxy in front gave is not said to come from a row that says otherwise."""
    networks = NetworkLookup.of(build_networks([], [], [], 1, GEOFEED).mmdb)
    facts = client_facts(address("192.0.2.1"), ClientClass("JP", "", 0, 4), Databases(None, networks))
    assert facts.geofeed is None
    assert facts.note is not None and "FR/48/2||0|4" in facts.note


def test_nothing_moves_the_cursor() -> None:
    """What came with a request is shown without control and direction characters."""
    assert printable("a\x1b[31m\u202e\nb é") == "a?[31m??b é"
