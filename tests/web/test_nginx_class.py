"""A client's class as nginx computes it: the same as the service's, or none where nginx cannot be sure."""

from __future__ import annotations

import http.client
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.geo.database import CityDatabase
from app.geo.networks import NetworkLookup
from app.request.address import ClientAddress, parse_address
from app.request.clients import classify
from app.settings import Settings, read_settings
from app.site.directory import Site, SiteDirectory
from app.store import open_store
from tests.conftest import free_port
from tests.geo.databases import dbip as dbip_record
from tests.geo.databases import ipinfo, maxmind, write_database
from tests.servers import NginxOptions, NginxServer
from tests.web.asking import variables

UNSURE = ""
NETWORK = "192.0.2.0/24"
NO_CITY: dict[str, Any] = {"city": {}, "subdivisions": []}


def settings_of(published: Path, *cities: Path) -> Settings:
    paths = ",".join(map(str, cities))
    return read_settings({**variables(published), **({"GEOIP_CITY": paths} if cities else {})})


class Classifier:
    """An nginx that answers with the class of whom X-Forwarded-For names, and nothing else."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        port = free_port()
        more = f"""server {{
            listen 127.0.0.1:{port}; keepalive_requests 1000000;
            set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For; return 200 "$mw_class";
        }}"""
        self.nginx = NginxServer(folder, "127.0.0.1:1", NginxOptions(settings=settings, more=more))
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.cities = CityDatabase(settings.geoip_city)
        self.networks = NetworkLookup(next((folder / "mirrorwise").glob(f"{self._networks(folder)}")))

    @staticmethod
    def _networks(folder: Path) -> str:
        text = (folder / "mirrorwise" / "local-http.conf").read_text()
        return text.partition("\ngeoip2 ")[2].partition(" ")[0].rpartition("/")[2]

    def in_nginx(self, address: str) -> str:
        self.connection.request("GET", "/", headers={"X-Forwarded-For": address})
        return self.connection.getresponse().read().decode()

    def here(self, text: str) -> str:
        address = parse_address(text)
        assert address is not None
        client = ClientAddress(address.text, address.packed, "test")
        return str(classify(client, self.cities, self.networks, private=True))

    def disagreeing(self, addresses: Iterable[str]) -> list[tuple[str, str, str]]:
        """Where nginx is sure and gives another class; fails if it is unsure too often."""
        found, unsure, total = [], 0, 0
        for address in addresses:
            got, wanted = self.in_nginx(address), self.here(address)
            total += 1
            unsure += got == UNSURE
            if got not in (UNSURE, wanted):
                found.append((address, got, wanted))
        assert unsure <= 1 + total * 0.01
        return found

    def close(self) -> None:
        self.connection.close()
        self.networks.close()
        self.nginx.stop()


@contextmanager
def classifier(folder: Path, settings: Settings) -> Iterator[Classifier]:
    folder.mkdir(exist_ok=True)
    with closing(Classifier(folder, settings)) as running:
        yield running


def random_addresses(count: int) -> Iterator[str]:
    """IPv4, and IPv6 in its many spellings: with and without zeros in the bytes that count."""
    draw = random.Random(4)
    for _ in range(count // 2):
        yield str(IPv4Address(draw.getrandbits(32)))
        top = draw.choice([0x2001, 0x2A01, 0x2600, 0x2400]) << 112
        third = draw.choice([0, 0x000A, 0x0D0A, draw.getrandbits(16)]) << 80
        rest = draw.getrandbits(draw.choice([1, 80]))
        yield str(IPv6Address(top | draw.getrandbits(16) << 96 | third | rest))


# --- from the address alone ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classifier]:
    with classifier(tmp_path_factory.mktemp("sample"), settings_of(published)) as running:
        yield running


def test_spread_of_every_byte(sample: Classifier) -> None:
    """All 256 values of the byte that counts, line feeds and NULs among them, in both families."""
    for byte in range(256):
        assert sample.in_nginx(f"198.18.{byte}.10") == f"||{byte & 31}|4"
        for address in (f"3fff::{byte:02x}:0:0:0:0:a", f"3fff:0a0a:0a{byte:02x}:a0a:a0a:a0a:a0a:a0a"):
            wanted = IPv6Address(address).packed[5] & 31
            assert sample.in_nginx(address) == f"||{wanted}|6"


@pytest.mark.parametrize("address", ["::ffff:192.0.2.1", "::ffff:c000:201", "::ffff:0:0"])
def test_mapped_addresses_have_no_class(sample: Classifier, address: str) -> None:
    """An IPv4 client in an IPv6 address is left to the service, which turns it into IPv4."""
    assert sample.in_nginx(address) == UNSURE


@pytest.mark.parametrize("address", ["::192.0.2.1", "::c000:201", "::10.30.0.7", "::", "::2"])
def test_compatible_addresses_have_no_class(sample: Classifier, address: str) -> None:
    """No client has one. It finds nothing of the IPv4 address in it, in nginx or in the service."""
    assert sample.in_nginx(address) == UNSURE
    assert sample.here(address) == "||0|6"


def test_others_are_ipv6(sample: Classifier) -> None:
    """What only looks like a mapped or compatible address has an IPv6 class; and so has loopback."""
    for address in (
        "::1",
        "0:0:0:0:0:1:c000:201",
        "::fffe:c000:201",
        "0:0:0:0:fffe:ffff:c000:201",
        "1::ffff:192.0.2.1",
    ):
        assert sample.in_nginx(address) == sample.here(address)


def test_sample_network(sample: Classifier) -> None:
    """Random addresses, and the first of every network in the sample's databases."""
    assert sample.disagreeing(random_addresses(4000)) == []
    firsts = [str(net[0]) for net, _ in sample.cities._ipv4[0].file.reader]
    firsts += [str(net[0]) for net, _ in sample.networks._reader]
    plain = [str(IPv4Address(int(a))) if int(a) < 2**32 else str(a) for a in map(as_ipv6, firsts)]
    disagreeing = [(a, sample.in_nginx(a), sample.here(a)) for a in plain]
    assert [found for found in disagreeing if found[1] not in (UNSURE, found[2])] == []


def as_ipv6(text: str) -> IPv6Address:
    return IPv6Address(text) if ":" in text else IPv6Address(int(IPv4Address(text)))


# --- from records --------------------------------------------------------------------------------------


class Case(NamedTuple):
    record: Any
    place: str | None  # None: nginx is not sure
    id: str


def located(*at: tuple[float, float, str | None]) -> list[Case]:
    return [Case(maxmind("DE", n, e), place, f"at {n}, {e}") for n, e, place in at]


MAXMIND_CASES = [
    *located(
        (50.11, 8.68, "DE/50/8"),
        (-0.09122, 109.3, "DE/-1/109"),
        (0.09122, -0.00001, "DE/0/-1"),
        (-33.92, -70.5, "DE/-34/-71"),
        (9.99999, -9.99999, "DE/9/-10"),
        (-89.99, 179.99, "DE/-90/179"),
        (89.5, -179.5, "DE/89/-180"),
        (99.5, 8.5, "DE"),
        (50.5, 180.5, "DE"),
        (-90.5, -1000.5, "DE"),
        # rounded by nginx, so that it cannot tell them from whole degrees, and these from them
        (8.0, 8.5, None),
        (50.5, -3.0, None),
        (-0.000001, 8.5, None),
        (49.999999, 8.5, None),
        (50.5, 1e-7, None),
        (0.0, 0.0, None),
        (90.0, 0.5, None),
        (float("nan"), 8.5, "DE"),
        (1e300, 8.5, None),
    ),
    Case(maxmind("DE", 8.0, 8.0, **NO_CITY), "DE", "no city"),
    Case(maxmind("DE", 8.5, 8.5, city={}), "DE/8/8", "a subdivision alone"),
    Case(maxmind("DE", 8.5, 8.5, subdivisions=[]), "DE/8/8", "a city alone"),
    Case(maxmind("DE", 8.5, 8.5, subdivisions=[], city={"names": {"ja": "町"}}), "DE/8/8", "Japanese"),
    Case(
        maxmind("DE", 8.5, 8.5, city={}, subdivisions=[{"names": {"en": "A"}}, {"names": {}}]),
        "DE",
        "the last subdivision counts",
    ),
    Case(maxmind("DE", 8.5, 8.5, city={"names": {"en": "  "}}, subdivisions=[]), "DE", "a blank city"),
    *(
        Case(
            maxmind("DE", 8.5, 8.5, location={"latitude": 8.5, "longitude": 8.5, "accuracy_radius": radius}),
            place,
            f"radius {radius}",
        )
        for radius, place in [(1, "DE/8/8"), (499, "DE/8/8"), (500, "DE"), (1000, "DE"), (20000, "DE")]
    ),
    Case(maxmind("DE", 1, 1, location={"latitude": 8.5, "longitude": 8.5}), "DE/8/8", "no radius"),
    Case(maxmind("DE", 1, 1, location={"latitude": 8.5}), "DE", "no longitude"),
    Case(maxmind("DE", 1, 1, location={}), "DE", "no coordinates"),
    Case(maxmind("ZZ", 8.5, 8.5), "~EU", "no country"),
    Case(maxmind("de", 8.5, 8.5), "DE/8/8", "a country in lower case"),
    Case(maxmind("UK", 8.5, 8.5), "GB/8/8", "UK"),
    Case(maxmind("UK", 8.5, 8.5, **NO_CITY), "GB", "UK without a city"),
    Case(maxmind("EU", 8.5, 8.5), "~EU", "EU"),
    Case(maxmind("EU", 8.0, 8.0, continent={}), "~EU", "EU alone, at whole degrees"),
    Case(maxmind("AP", 8.5, 8.5, continent={"code": "AS"}), "~AS", "AP"),
    Case(maxmind("AP", 8.5, 8.5, continent={"code": "OC"}), "~AS", "AP in Oceania"),
    Case(maxmind("AN", 8.5, 8.5, **NO_CITY), "~NA", "AN"),
    Case(maxmind("A1", 8.5, 8.5), "~EU", "an anonymous proxy with a continent"),
    Case(maxmind("A1", 8.5, 8.5, continent={}), "", "an anonymous proxy"),
    Case(maxmind("XX", 8.5, 8.5), "~EU", "XX"),
    Case(maxmind("QQ", 8.5, 8.5, **NO_CITY), "~EU", "a code that nobody has"),
    Case({"continent": {"code": "EU"}}, "~EU", "a continent alone"),
    Case({"continent": {"code": "eu"}}, None, "a continent in lower case"),
    Case({"continent": {"code": "XX"}}, "", "an unknown continent"),
    Case({"country": {"iso_code": "DE"}}, "DE", "a country alone"),
    Case({"traits": {"is_anycast": True}}, "", "nothing of a place"),
]

DBIP_CASES = [
    Case(dbip_record("DE", 50.1155, 8.6842), "DE/50/8", "a city"),
    Case(dbip_record("DE", -0.5, -0.5, city=""), "DE/-1/-1", "a state alone"),
    Case(dbip_record("DE", 50.5, 8.5, city="", state1=""), "DE", "a country alone"),
    Case(dbip_record("", 50.5, 8.5), "", "no country"),
    *(
        Case(dbip_record(code, 50.5, 8.5), place, code)
        for code, place in [
            ("ZZ", ""),
            ("XX", ""),
            ("O1", ""),
            ("DEU", ""),
            ("EU", "~EU"),
            ("ap", "~AS"),
            ("AN", "~NA"),
            ("UK", "GB/50/8"),
            ("default", ""),
        ]
    ),
]

IPINFO_CASES = [
    *(
        Case(ipinfo("DE", north, east), place, f"at {north!r}, {east!r}")
        for north, east, place in [
            ("50.1155", "8.6842", "DE/50/8"),
            ("-0.09122", "-122.4", "DE/-1/-123"),
            ("8.0", "-3.0", "DE/8/-3"),
            ("8", "-3", "DE/8/-3"),
            ("8.", "-180", "DE/8/-180"),
            ("-90", "180.0", "DE/-90/180"),
            ("49.9999999", "-3.0000001", "DE/49/-4"),
            ("0", "0.5", "DE/0/0"),
            ("0", "-0.0", "DE"),
            ("0.0", "8.5", "DE/0/8"),
            ("-0", "-0.5", "DE/0/-1"),
            ("90.1", "8.5", "DE"),
            ("50.5", "-180.1", "DE"),
            ("", "8.5", "DE"),
            ("1e1", "8.5", None),
            ("+8.5", "8.5", None),
            ("08.5", "8.5", None),
            (".5", "8.5", None),
            (" 8.5", "8.5", None),
            ("1_0", "8.5", None),
            ("\uff18.5", "8.5", None),
            ("nan", "8.5", None),
            ("north", "8.5", None),
        ]
    ),
    Case(ipinfo("Exampleland", "8.5", "8.5", country_code="DE"), "DE/8/8", "a name beside the code"),
    Case(ipinfo("Exampleland", "8.5", "8.5", continent_code="EU"), "~EU", "a name instead of the code"),
    Case(ipinfo("EU", "8.5", "8.5", continent="AS"), "~EU", "EU"),
    Case(ipinfo("UK", "8.5", "8.5", continent_code="EU"), "GB/8/8", "UK"),
    Case(ipinfo("XX", "8.5", "8.5", continent="AS"), "~AS", "XX"),
    Case(ipinfo("DE", "8.5", "8.5", radius="499"), "DE/8/8", "a radius as text"),
    Case(ipinfo("DE", "8.5", "8.5", radius=1000), "DE", "a large radius"),
    Case({**ipinfo("DE", "8.5", "9.5"), "latitude": "1.5", "longitude": "2.5"}, "DE/8/9", "both keys"),
    Case({"city": "X", "country": "DE", "latitude": "8.5", "longitude": "9.5"}, "DE/8/9", "longer keys"),
]


@pytest.mark.parametrize(
    ("cases", "database_type"),
    [
        pytest.param(MAXMIND_CASES, "GeoLite2-City", id="MaxMind"),
        pytest.param(MAXMIND_CASES, "DBIP-City-Lite", id="DB-IP nested"),
        pytest.param(DBIP_CASES, "city ipv4", id="DB-IP flat"),
        pytest.param(IPINFO_CASES, "ipinfo standard_location.mmdb", id="IPinfo"),
    ],
)
def test_places_of_records(published: Path, tmp_path: Path, cases: list[Case], database_type: str) -> None:
    """For clients of both families, nginx sees the place in a record that the service sees, or none."""
    prefixes: dict[str, Any] = {}
    for number, case in enumerate(cases):
        prefixes[f"198.51.{number}.0/24"] = prefixes[f"3fff:{number:x}::/32"] = case.record
    city = write_database(tmp_path / "city.mmdb", prefixes, database_type, ip_version=6)
    wrong = []
    with classifier(tmp_path / "nginx", settings_of(published, city)) as running:
        for number, case in enumerate(cases):
            clients = {f"198.51.{number}.1": f"|{number & 31}|4", f"3fff:{number:x}::1": "|0|6"}
            for address, rest in clients.items():
                here, found = running.here(address), running.in_nginx(address)
                wanted = UNSURE if case.place is None else f"{case.place}|{rest}"
                if found != wanted or found not in (UNSURE, here):
                    wrong.append((case.id, f"nginx {found!r}", f"wanted {wanted!r}", f"service {here!r}"))
    assert wrong == []


def test_a_file_for_each_family(published: Path, tmp_path: Path) -> None:
    """IPv4 in one file and IPv6 in another, as DB-IP comes: each family is looked up in its own."""
    ipv4 = write_database(tmp_path / "4.mmdb", {NETWORK: dbip_record("DE", 50.5, 8.5)}, "city ipv4")
    ipv6 = write_database(
        tmp_path / "6.mmdb", {"2001:db8::/32": dbip_record("FR", 48.5, 2.5)}, "city ipv6", ip_version=6
    )
    for order in ((ipv4, ipv6), (ipv6, ipv4)):
        folder = tmp_path / order[0].stem
        with classifier(folder, settings_of(published, *order)) as running:
            assert running.disagreeing(["192.0.2.1", "2001:db8::1", "198.18.0.1", "3fff::1"]) == []
            assert running.in_nginx("192.0.2.1").startswith("DE/50/8|")
            assert running.in_nginx("2001:db8::1").startswith("FR/48/2|")


def test_a_database_of_ipv4_alone(published: Path, tmp_path: Path) -> None:
    """IPv6 clients are nowhere then."""
    city = write_database(tmp_path / "4.mmdb", {NETWORK: dbip_record("DE", 50.5, 8.5)}, "city ipv4")
    with classifier(tmp_path / "nginx", settings_of(published, city)) as running:
        assert running.disagreeing(["192.0.2.1", "2001:db8::1"]) == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        pytest.param((maxmind("DE", 1, 1), maxmind("FR", 1, 1)), "all know IPv4", id="two for one family"),
        pytest.param((maxmind("DE", 1, 1), dbip_record("FR", 1, 1)), "same vendor", id="two vendors"),
    ],
)
def test_databases_that_nginx_cannot_use(
    published: Path, tmp_path: Path, records: tuple[Any, Any], message: str
) -> None:
    """Words say why, and nginx asks the service for every client: that can use them."""
    second: Mapping[str, Any] = {"2001:db8::/32": records[1]}
    if message.startswith("all"):
        second = {NETWORK: records[1]}
    cities = [
        write_database(tmp_path / "1.mmdb", {NETWORK: records[0]}),
        write_database(tmp_path / "2.mmdb", second, ip_version=6),
    ]
    settings = settings_of(published, *cities)
    site = Site(("127.0.0.1:1",), ("80",), (), "_", tmp_path / "cache")
    directory = SiteDirectory(tmp_path / "out", site, settings, open_store(settings))
    assert "local-http.conf" in directory.update()
    assert message in directory.fault
    assert "/geoip-none.conf;" in (tmp_path / "out" / "local-http.conf").read_text()


# --- real databases ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["GeoLite2-City-Test", "GeoIP2-City-Test"])
def test_maxminds_test_databases(published: Path, tmp_path: Path, real_data: Path, name: str) -> None:
    """The first address of each of their networks."""
    city = real_data / "geoip" / f"{name}.mmdb"
    with classifier(tmp_path / "nginx", settings_of(published, city)) as running:
        networks = [ip_network(str(net)) for net, _ in running.cities._ipv4[0].file.reader]
        firsts = [int(as_ipv6(str(net[0]))) for net in networks]
        texts = [str(IPv4Address(n)) if n < 2**32 else str(IPv6Address(n)) for n in firsts]
        assert running.disagreeing(texts) == []


@pytest.mark.slow
def test_dbip(published: Path, tmp_path: Path, dbip: list[Path]) -> None:
    """Random addresses in DB-IP City Lite."""
    with classifier(tmp_path / "nginx", settings_of(published, *dbip)) as running:
        assert running.disagreeing(random_addresses(6000)) == []
