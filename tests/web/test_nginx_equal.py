"""Through nginx, cold and warm, every client gets the answer that gunicorn alone gives it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from app.geo.database import CityDatabase
from tests.geo.databases import maxmind, write_database
from tests.once import Scanned
from tests.web.asking import LIST
from tests.web.deployed import Deployed, Wire, compared, published_with


@pytest.fixture(scope="module")
def site(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path_factory.mktemp("site"), published)
    yield deployed
    deployed.stop()


QUESTIONS = [
    *(
        f"/{kind}/9/{repo}?arch={arch}"
        for kind in ("mirrorlist", "metalink")
        for repo in ("baseos", "appstream")
        for arch in ("x86_64", "aarch64")
    ),
    "/mirrorlist/9/baseos",
    "/mirrorlist?repo=baseos-9&arch=x86_64",
    "/metalink?repo=baseos-9&arch=x86_64",
    "/?release=9&repo=baseos&arch=x86_64&infra=stock",
    "/isolist/9/x86_64",
    "/download/9.8/isos/x86_64/Example-9.8-x86_64-dvd.iso",
    "/download/9.8/isos/x86_64/Example-9.8-x86_64-dvd.iso.meta4",
    "/download/9.8/isos/x86_64/Example-9.8-x86_64-none.iso",
    "/mirrorlist/9/baseos?arch=x86_64&countme=1",
    "/mirrorlist/9/baseos?countme=2&arch=x86_64",
    "/mirrorlist/9/baseos?arch=x86_64&protocol=https&country=de,fr&limit=3",
    "/mirrorlist/9/baseos?arch=x86_64&family=6&format=json",
    "/mirrorlist/9/baseos?arch=x86_64&redirect=1",
    "/mirrorlist/9/baseos?region=aws:eu-central-1&arch=x86_64",
    "/mirrorlist/9/baseos?region=aws:eu-central-1a&arch=x86_64",
    "/mirrorlist/9/baseos?region=aws:eu-central-9&arch=x86_64",
    "/mirrorlist/9/baseos?arch=x86_64&protocol=https,ftp",
    "/mirrorlist/9/baseos?arch=amd64",
    "/mirrorlist/9/baseos?arch=x86_64&format=zypp",
    "/mirrorlist/9/baseos?arch=x86_64&avoid=mirror.fra1.example.net",
    "/mirrorlist/9/baseos?arch=x86_64&avoid=mirror.lux.example.org,mirror.fra1.example.net&fill=continent",
    "/mirrorlist/9/baseos?arch=x86_64&fill=no",
    "/mirrorlist/9/baseos?arch=x86_64&fill=no&format=json",
    "/metalink/9/baseos?arch=x86_64&avoid=mirror.fra1.example.net&fill=no",
    "/mirrorlist/99/baseos?arch=x86_64",
    "/mirrorlist/9/baseos?arch=x86_64&country=xxx",
    "/mirrorlist/9/baseos?arch=x86_64&country=uk",
    "/mirrorlist/9/baseos?arch=x86_64&country=gb",
    "/mirrorlist/9/baseos?arch=x86_64&exclude_country=germany,usa",
    "/mirrorlist/9/baseos?arch=x86_64&country=united%20kingdom",
]

# In pairs and triples that would disturb each other, were their names in the cache the same.
POISON = [
    "/mirrorlist/9/baseos?arch=aarch64&ARCH=x86_64",
    "/mirrorlist/9/baseos?ARCH=aarch64&arch=x86_64",
    "/mirrorlist/9/baseos?arch=aarch64&arch=x86_64",
    "/mirrorlist/9/baseos?arch=x86_64&arch=aarch64",
    "/mirrorlist/9/baseos?arch=x86_64&countme=1&countme=2",
    "/mirrorlist/9/baseos?countme=1&arch=x86_64&limit=1",
    "/mirrorlist/9/baseos?arch=x86_64&countme=1&limit=2",
    "/mirrorlist/9/baseos?countme=1",
    "/mirrorlist/9/baseos?arch=X86_64",
    "/MIRRORLIST/9/baseos?arch=x86_64",
    "/mirrorlist/9/BaseOS?arch=x86_64",
    "/mirrorlist/9//baseos?arch=x86_64",
    "/mirrorlist/9/baseos/?arch=aarch64",
    "/mirrorlist/9/./baseos?arch=x86_64",
    "/mirrorlist/8/../9/baseos?arch=x86_64",
    "/mirrorlist/9/baseos?arch=x86_64&",
    "/mirrorlist/9/baseos?&arch=x86_64",
    "/mirrorlist/9/baseos?arch",
    "/mirrorlist/9/baseos?arch=",
    "/mirrorlist/9/baseos?",
    "/mirrorlist/9/baseos?arch=x86%5F64",
    "/mirrorlist/9/baseos?%61rch=aarch64",
    "/mirrorlist/9/baseos?arch=x86_64&limit=1%30",
    "/mirrorlist/9/baseos?arch=x86_64;limit=1",
    "/mirrorlist/9/baseos?arch=x86_64?limit=1",
    "/mirrorlist/9/baseos?arch=x86_64&ip=203.0.113.1",
    "/mirrorlist/9/baseos?arch=x86_64&ip=192.0.2.49",
    "/mirrorlist/9/baseos?arch=x86_64&mirror=nobody",
    "/mirrorlist/9/baseos?arch=x86_64&x=1",
    "/mirrorlist/9/baseos?arch=x86_64&limit=1&limit=2",
    "/mirrorlist/9/baseos?arch=x86_64&limit=2&limit=1",
    "/mirrorlist/9/baseos?arch=x86_64&avoid=mirror.fra1.example.net&avoid=mirror.lux.example.org",
    "/mirrorlist/9/baseos?arch=x86_64&avoid=Mirror.Fra1.example.net",
    "/mirrorlist/9/baseos?arch=x86_64&avoid=https://mirror.fra1.example.net/",
    "/mirrorlist/9/baseos?arch=x86_64&avoid=192.0.2.1",
    "/mirrorlist/9/baseos?arch=x86_64&avoid=",
    "/mirrorlist/9/baseos?arch=x86_64&fill=",
    "/mirrorlist/9/baseos?arch=x86_64&fill=maybe",
    "/mirrorlist/9/baseos?arch=x86_64&fill=no&fill=continent",
    "/mirrorlist/9/baseos?arch=x86_64&AVOID=mirror.fra1.example.net",
    "/mirrorlist/9/baseos?arch=x86_64&fill=yes&limit=100",
    "/mirrorlist/9/baseos?arch=" + "x" * 61,
    "/mirrorlist/9/baseos?arch=x86_64&infra=" + "x" * 500,
    "/mirrorlist/9/baseos?arch=x86_64&junk=" + "x" * 3000,
    "/mirrorlist/9/" + "x" * 300,
    "/?arch=x86_64",
    "/?release=9",
    "/?repo=baseos&release=9&arch=aarch64",
    "/?RELEASE=9&repo=baseos",
]


def clients(count: int, seed: int) -> list[str]:
    """All over both families, half of them in the sample's networks."""
    draw = random.Random(seed)
    known = [
        *(int(IPv4Address(text)) for text in ("192.0.2.0", "198.51.100.0", "203.0.113.0")),
        int(IPv6Address("2001:db8:49::")),
    ]
    addresses = []
    for _ in range(count):
        match draw.randrange(4):
            case 0:
                addresses.append(str(IPv4Address(draw.getrandbits(32))))
            case 1:
                addresses.append(str(IPv6Address(0x2 << 124 | draw.getrandbits(124))))
            case 2:
                addresses.append(str(IPv4Address(draw.choice(known[:3]) + draw.randrange(256))))
            case _:
                network = known[3] + (draw.randrange(80) << 64)
                addresses.append(str(IPv6Address(network + draw.getrandbits(3))))
    return addresses


def differing(site: Deployed, pairs: Sequence[tuple[str, str]], threads: int = 4) -> list[object]:
    """(target, client) where nginx, asked by several at once, gave something else than gunicorn."""
    with closing(Wire(str(site.gunicorn.socket))) as wire:
        expected = {pair: wire.ask(*pair) for pair in set(pairs)}
    found: list[object] = []

    def ask(part: Sequence[tuple[str, str]]) -> None:
        with closing(Wire(("127.0.0.1", site.nginx.port))) as wire:
            for pair in part:
                got = wire.ask(*pair)
                if got != expected[pair]:
                    found.append((pair, got, expected[pair]))

    workers = [threading.Thread(target=ask, args=(pairs[i::threads],)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def cold_and_warm(draw: random.Random, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each of them three times, in random order."""
    asked = pairs * 3
    draw.shuffle(asked)
    return asked


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_equal_for_random_clients(site: Deployed, count: int) -> None:
    """Thrice as many requests, in random order, cold and warm: body and headers are those that gunicorn
    alone gives the client."""
    draw = random.Random(1)
    pairs = [(draw.choice(QUESTIONS), client) for client in clients(count, seed=2)]
    assert differing(site, cold_and_warm(draw, pairs))[:3] == []
    outcomes = [line["cache"] for line in site.logged(3 * count)]
    assert outcomes.count("HIT") > 1.3 * count  # it was the cache that was tested


@pytest.mark.slow
def test_equal_for_poisoned_requests(site: Deployed) -> None:
    """Parameters twice, in upper case, encoded, too long: whatever was asked before by the same client, each
    question gets its own answer."""
    draw = random.Random(3)
    pairs = [(target, client) for client in clients(20, seed=4) for target in POISON + QUESTIONS]
    assert differing(site, cold_and_warm(draw, pairs))[:3] == []


@pytest.mark.slow
def test_equal_with_dbip(tmp_path: Path, dbip: list[Path], scanned_dbip: Scanned) -> None:
    """The same with a real city database."""
    site = Deployed(tmp_path, published_with(scanned_dbip.copied(tmp_path / "var"), dbip))
    try:
        draw = random.Random(5)
        pairs = [(draw.choice(QUESTIONS), client) for client in clients(7000, seed=6)]
        assert differing(site, cold_and_warm(draw, pairs))[:3] == []
    finally:
        site.stop()


@pytest.mark.slow
def test_equal_with_maxmind(tmp_path: Path, real_data: Path) -> None:
    """And with MaxMind's test database, for a client in each of its networks."""
    city = real_data / "geoip" / "GeoLite2-City-Test.mmdb"
    numbers = [int(net[0]) for net, _ in CityDatabase([city])._ipv4[0].file.reader]
    firsts = [str(IPv4Address(n)) if n < 2**32 else str(IPv6Address(n)) for n in numbers]
    site = Deployed(tmp_path, published_with(tmp_path / "var", [city]))
    try:
        assert differing(site, cold_and_warm(random.Random(7), [(LIST, client) for client in firsts])) == []
    finally:
        site.stop()


@pytest.mark.slow
def test_equal_for_codes_that_are_no_country(tmp_path: Path) -> None:
    """And where vendors write continents, or nothing, in the country's place."""
    codes = ("DE", "EU", "AP", "AN", "UK", "uk", "ZZ", "XX", "A1", "O1", "QQ")
    records = {f"198.51.{number}.0/24": maxmind(code, 50.5, 8.5) for number, code in enumerate(codes)}
    city = write_database(tmp_path / "city.mmdb", records)
    clients = [f"198.51.{number}.1" for number in range(len(codes))]
    site = Deployed(tmp_path, published_with(tmp_path / "var", [city]))
    try:
        pairs = cold_and_warm(random.Random(9), [(LIST, client) for client in clients])
        assert differing(site, pairs) == []
        outcomes = [line["cache"] for line in site.logged(len(pairs))]
        assert outcomes.count("HIT") > len(codes)  # nginx was sure of their classes
    finally:
        site.stop()


def test_head_from_the_cache(site: Deployed) -> None:
    """HEAD has the headers of GET, cold and warm, and no body."""
    target = f"{LIST}&limit=7"
    for _ in range(2):
        assert compared(site.through(target, method="HEAD")) == compared(site.alone(target, method="HEAD"))
    assert compared(site.through(target)) == compared(site.alone(target))


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-9"},
        {"If_Match": '"x"'},
        {"If_Unmodified_Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"If_Modified_Since": "Mon, 01 Jan 2035 00:00:00 GMT"},
        {"If_None_Match": "*"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_parts_and_conditions_mean_nothing(site: Deployed, headers: dict[str, str]) -> None:
    """As for the service itself: a list is always answered, whole."""
    site.through(LIST)
    assert compared(site.through(LIST, **headers)) == compared(site.alone(LIST))
