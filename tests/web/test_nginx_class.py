"""A client's class as nginx computes it: the same as the service's, or none where nginx cannot be sure."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from app.request.address import ClientAddress, parse_address
from app.request.clients import classify
from app.serving.current import Current
from app.settings import Settings, read_settings
from app.store import file_store
from tests.conftest import free_port
from tests.geo.databases import ipinfo, write_database
from tests.once import Scanned
from tests.servers import NginxOptions, NginxServer
from tests.web.asking import variables
from tests.web.deployed import published_with

UNSURE = ""
AT_ONCE = 200


class Classifier:
    """An nginx that answers with the class of whom X-Forwarded-For names, and nothing else; and a web process
    of the same service."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        port = free_port()
        more = f"""server {{
            listen 127.0.0.1:{port}; keepalive_requests 1000000;
            set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For; return 200 "$mw_class";
        }}"""
        self.nginx = NginxServer(folder, "127.0.0.1:1", NginxOptions(settings=settings, more=more))
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.answers = self.connection.makefile("rb")
        current = Current(settings, file_store(settings.var_dir), None)
        current.refresh()
        assert current.serving is not None
        self.serving = current.serving

    def all_in_nginx(self, addresses: Sequence[str]) -> Iterator[str]:
        """Asks for many at once, on one connection."""
        head = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {}\r\n\r\n"
        self.connection.sendall("".join(map(head.format, addresses)).encode())
        for _ in addresses:
            length = 0
            while (line := self.answers.readline().lower()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            yield self.answers.read(length).decode()

    def in_nginx(self, address: str) -> str:
        return next(self.all_in_nginx([address]))

    def here(self, text: str) -> str:
        address = parse_address(text)
        assert address is not None
        client = ClientAddress(address.text, address.packed, "test")
        return str(classify(client, self.serving.places, self.serving.networks, private=True))

    def disagreeing(self, addresses: Iterable[str]) -> list[tuple[str, str, str]]:
        """Where nginx gives another class, or none."""
        found, asked = [], list(addresses)
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            for address, got in zip(some, list(self.all_in_nginx(some)), strict=True):
                wanted = self.here(address)
                if got != wanted:
                    found.append((address, got, wanted))
        return found

    def close(self) -> None:
        self.connection.close()
        self.nginx.stop()


@contextmanager
def classifier(folder: Path, settings: Settings) -> Iterator[Classifier]:
    folder.mkdir(exist_ok=True)
    with closing(Classifier(folder, settings)) as running:
        yield running


def random_addresses(count: int, seed: int = 4) -> Iterator[str]:
    """IPv4, and IPv6 in its many spellings: with and without zeros in the bytes that count."""
    draw = random.Random(seed)
    for _ in range(count // 2):
        yield str(IPv4Address(draw.getrandbits(32)))
        top = draw.choice([0x2001, 0x2A01, 0x2600, 0x2400, draw.getrandbits(16) | 0x2000]) << 112
        third = draw.choice([0, 0x000A, 0x0D0A, draw.getrandbits(16)]) << 80
        rest = draw.getrandbits(draw.choice([1, 80]))
        yield str(IPv6Address(top | draw.getrandbits(16) << 96 | third | rest))


# --- the sample network ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classifier]:
    settings = read_settings(variables(published))
    with classifier(tmp_path_factory.mktemp("sample"), settings) as running:
        yield running


def test_spread_of_every_byte(sample: Classifier) -> None:
    """All 256 values of the byte that counts, line feeds and NULs among them, in both families."""
    for byte in range(256):
        assert sample.in_nginx(f"198.18.{byte}.10") == f"||{byte & 31}|4"
        for address in (f"3fff::{byte:02x}:0:0:0:0:a", f"3fff:0a0a:0a{byte:02x}:a0a:a0a:a0a:a0a:a0a"):
            wanted = IPv6Address(address).packed[5] & 31
            assert sample.in_nginx(address) == f"||{wanted}|6"


def test_spread_of_every_bit(sample: Classifier) -> None:
    """Addresses that begin with any number of zeros, and with one bit set alone: no other bit counts."""
    bits = [*(1 << bit for bit in range(33, 128)), *((1 << bit) - 1 for bit in range(50, 129))]
    assert sample.disagreeing(str(IPv6Address(number)) for number in bits) == []
    assert sample.disagreeing(str(IPv4Address(1 << bit)) for bit in range(32)) == []


@pytest.mark.parametrize("address", ["::ffff:192.0.2.1", "::ffff:c000:201", "::ffff:0:0"])
def test_mapped_addresses_have_no_class(sample: Classifier, address: str) -> None:
    """An IPv4 client in an IPv6 address is left to the service, which turns it into IPv4."""
    assert sample.in_nginx(address) == UNSURE


@pytest.mark.parametrize("address", ["::192.0.2.1", "::c000:201", "::10.30.0.7", "::", "::2"])
def test_compatible_addresses_have_no_class(sample: Classifier, address: str) -> None:
    """No client has one. It finds nothing of the IPv4 address in it, in nginx or in the service."""
    assert sample.in_nginx(address) == UNSURE
    assert sample.here(address) == "||0|6"


def test_loopback_has_no_class(sample: Classifier) -> None:
    """It lies among these addresses, and the service knows it."""
    assert sample.in_nginx("::1") == UNSURE
    assert sample.here("::1") == "DE/50/8||0|6"


def test_others_are_ipv6(sample: Classifier) -> None:
    """What only looks like a mapped or compatible address has an IPv6 class."""
    others = ["0:0:0:0:0:1:c000:201", "::fffe:c000:201", "0:0:0:0:fffe:ffff:c000:201", "1::ffff:192.0.2.1"]
    assert sample.disagreeing(others) == []


def test_sample_network(sample: Classifier) -> None:
    """Random addresses, and the first and last of every network in the databases."""
    assert sample.disagreeing(random_addresses(4000)) == []
    places, networks = sample.serving.places, sample.serving.networks
    assert places is not None and networks is not None
    edges = {edge for reader in (places._source.file.reader, networks._reader) for edge in edges_of(reader)}
    assert sample.disagreeing(sorted(edges)) == []


def edges_of(reader: Any) -> Iterator[str]:
    """The first and last addresses of all networks, but those that have no class."""
    for network, _ in reader:
        for address in (network[0], network[-1]):
            number = int(address)
            if number < 2**32:
                yield str(IPv4Address(number))
            elif IPv6Address(number).ipv4_mapped is None:
                yield str(IPv6Address(number))


def test_before_the_first_scan(tmp_path: Path) -> None:
    """Where no places are published, classes have none, in nginx and in the service alike."""
    settings = read_settings(variables(published_with(tmp_path / "var", [tmp_path / "not-there.mmdb"])))
    with classifier(tmp_path / "nginx", settings) as running:
        assert running.disagreeing(random_addresses(200)) == []
        assert running.in_nginx("192.0.2.1") == "||2|4"


# --- the layouts of all vendors -------------------------------------------------------------------------


def classified(tmp_path: Path, cities: Sequence[Path], count: int) -> list[tuple[str, str, str]]:
    """Publishes the sample network with these city databases, and returns where nginx and the service
    disagree about random addresses."""
    settings = read_settings(variables(published_with(tmp_path / "var", cities)))
    with classifier(tmp_path / "nginx", settings) as running:
        assert running.serving.places is not None
        return running.disagreeing(random_addresses(count))


COUNTS = [2_000, pytest.param(200_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
def test_maxmind(tmp_path: Path, real_data: Path, count: int) -> None:
    """MaxMind's layout: the whole class of random addresses of both families."""
    assert classified(tmp_path, [real_data / "geoip" / "GeoLite2-City-Test.mmdb"], count) == []


@pytest.mark.slow
def test_dbip(tmp_path: Path, dbip: list[Path], scanned_dbip: Scanned) -> None:
    """DB-IP's layout, in a file for each family: the same."""
    scanned_dbip.copied(tmp_path / "var")
    assert classified(tmp_path, dbip, 200_000) == []


@pytest.mark.parametrize("count", COUNTS)
def test_ipinfo(tmp_path: Path, count: int) -> None:
    """IPinfo's layout: the same."""
    draw = random.Random(5)
    countries = ("DE", "FR", "US", "UK", "EU", "XX")
    records = {}
    for number in range(256):
        record = ipinfo(draw.choice(countries), f"{draw.uniform(-90, 90)}", f"{draw.uniform(-180, 180)}")
        records[f"{number}.0.0.0/9"] = records[f"2{draw.getrandbits(12):03x}::/20"] = record
    city = write_database(tmp_path / "city.mmdb", records, "ipinfo standard_location.mmdb", ip_version=6)
    assert classified(tmp_path, [city], count) == []
