"""Lookups in city and ASN databases of one or several files, and what a failing lookup means."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import maxminddb
import pytest

from app.geo.database import AsnDatabase, CityDatabase
from app.geo.mmdb import LOOKUP_ERRORS
from app.geo.vendors import NOWHERE, Details
from app.model import GeoError
from tests.geo.databases import dbip, ipinfo, maxmind, write_database


@pytest.fixture
def split(tmp_path: Path) -> list[Path]:
    """As DB-IP publishes it: IPv4 and IPv6 in a file each."""
    return [
        write_database(tmp_path / "4.mmdb", {"192.0.2.0/24": dbip("LU", 49.6, 6.1)}, "city ipv4"),
        write_database(
            tmp_path / "6.mmdb", {"2001:db8::/32": dbip("JP", 35.7, 139.7)}, "city ipv6", ip_version=6
        ),
    ]


@pytest.mark.parametrize("order", [1, -1], ids=["IPv4 file first", "IPv6 file first"])
def test_files_of_one_database(split: list[Path], order: int) -> None:
    """IPv4 and IPv6 addresses are found in their own files, in whatever order these are given."""
    database = CityDatabase(split[::order])
    assert database.place("192.0.2.1") == "LU/49/6"
    assert database.place("2001:db8::1") == "JP/35/139"
    assert database.place("::c000:201") == "" and database.locate("::c000:201").country is None
    assert database.locate("2001:db8::1").country == "JP"
    assert database.place("198.51.100.1") == database.place("2001:db9::1") == ""
    assert database.locate("198.51.100.1") == NOWHERE
    assert database.describe("198.51.100.1") == Details()
    assert database.vendor == "DB-IP"
    assert len(database.build_epochs) == 2
    assert database.failures == 0


def test_the_first_file_with_a_record_wins(tmp_path: Path) -> None:
    """A file of one's own, before the vendor's, decides for the networks that it knows."""
    own = write_database(tmp_path / "own.mmdb", {"192.0.2.0/25": maxmind("FR", 48.8, 2.3)})
    vendors = write_database(
        tmp_path / "v.mmdb", {"192.0.2.0/24": ipinfo("LU", "49.6", "6.1")}, "ipinfo city"
    )
    database = CityDatabase([own, vendors])
    assert [database.place(address) for address in ("192.0.2.1", "192.0.2.200")] == ["FR/48/2", "LU/49/6"]
    assert database.describe("192.0.2.1").country_name == "Exampleland"
    assert database.vendor == "MaxMind, IPinfo"


def test_one_file_for_both_families(tmp_path: Path) -> None:
    """MaxMind's: IPv4 is inside of IPv6."""
    networks = {"192.0.2.0/24": maxmind("LU", 49.6, 6.1), "2001:db8::/32": maxmind("DE", 50.1, 8.6)}
    database = CityDatabase([write_database(tmp_path / "x.mmdb", networks, ip_version=6, aliases=True)])
    assert [database.place(address) for address in ("192.0.2.1", "2001:db8::1")] == ["LU/49/6", "DE/50/8"]


@pytest.mark.parametrize("address", ["", "foo", "192.0.2", "192.0.2.256", "2001:db8::1::", "fe80::1%eth0"])
def test_what_is_no_address_is_nowhere(
    split: list[Path], address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A bad question is not a fault of the database: no place, nothing counted or logged."""
    database = CityDatabase(split)
    assert database.place(address) == ""
    assert database.locate(address) == NOWHERE
    assert (database.failures, caplog.records) == (0, [])


def test_a_failing_lookup_is_nothing_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Damage that verification did not meet: no place, every failure counted, the file logged once and no
    client's address, the next file asked."""
    path = write_database(tmp_path / "x.mmdb", {"192.0.2.0/24": dbip("LU", 49.6, 6.1)})
    database = CityDatabase([path])
    content = path.read_bytes()
    with path.open("r+b") as file:  # beneath the open database; nobody may do this to a real one
        file.seek(content.index(b"Exampletown"))
        file.write(b"\xff")
    assert [database.place("192.0.2.1"), database.place("192.0.2.2")] == ["", ""]
    assert database.locate("192.0.2.1") == NOWHERE
    assert database.failures == 3
    assert len(caplog.records) == 1
    assert "x.mmdb (GeoLite2-City) is damaged: a lookup failed (" in caplog.text
    assert "192.0.2" not in caplog.text


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_no_client_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, address: str) -> None:
    """The library's own words about a damaged tree, which name the address, are not logged."""
    path = write_database(tmp_path / "x.mmdb", {f"{address}": dbip("LU", 49.6, 6.1)}, ip_version=6)
    database = CityDatabase([path])
    with path.open("r+b") as file:
        file.write(b"\xfe" * database.paths[0].stat().st_size)
    with pytest.raises(LOOKUP_ERRORS, match=address):
        database._ipv6[0].get(address)
    assert database.place(address) == "" and database.locate(address) == NOWHERE
    assert database.failures == 2
    assert len(caplog.records) == 1 and address not in caplog.text


def test_a_city_database_needs_files_that_know_countries(tmp_path: Path) -> None:
    """No file, or a file of another kind, is refused with the reason."""
    with pytest.raises(GeoError, match="at least one file"):
        CityDatabase([])
    asn = write_database(tmp_path / "asn.mmdb", {"192.0.2.0/24": {"autonomous_system_number": 64500}})
    with pytest.raises(GeoError, match=r"asn\.mmdb: is not a city or country database"):
        CityDatabase([asn])


def test_pure_python_is_warned_of(
    split: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where maxminddb has no C extension all works, slowly, and the log says so."""
    with caplog.at_level(logging.WARNING):
        CityDatabase(split)
        assert not caplog.records
        monkeypatch.setattr(maxminddb, "_extension", None)
        assert CityDatabase(split).place("192.0.2.1") == "LU/49/6"
    assert "C extension is missing" in caplog.text


ASN = {
    "MaxMind and DB-IP": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"},
    "DB-IP nested": {"traits": {"autonomous_system_number": 64500}},
    "IPinfo": {"asn": "AS64500", "as_name": "Example", "country": "LU"},
}


@pytest.mark.parametrize("record", ASN.values(), ids=ASN.keys())
def test_asn(tmp_path: Path, record: dict[str, Any]) -> None:
    """The AS of an address, in every vendor's layout."""
    networks = {"192.0.2.0/24": record, "2001:db8::/32": record}
    database = AsnDatabase([write_database(tmp_path / "x.mmdb", networks, ip_version=6)])
    assert [database.asn(address) for address in ("192.0.2.1", "2001:db8::1")] == [64500, 64500]
    assert [database.asn(address) for address in ("198.51.100.1", "foo")] == [None, None]


def test_a_city_database_is_no_asn_database(split: list[Path]) -> None:
    """The wrong kind of file is refused with its type."""
    with pytest.raises(GeoError, match=r"4\.mmdb: is not an ASN database: its type is 'city ipv4'"):
        AsnDatabase(split)


@pytest.fixture
def asns(tmp_path: Path) -> list[Path]:
    v4 = {"192.0.2.0/25": 64500, "192.0.2.128/26": 64501, "198.51.100.0/24": 64500, "203.0.113.7/32": 64502}
    v6 = {"2001:db8::/32": 64500, "2001:db9:0:1::/64": 64501, "2001:dba::8:0/109": 64500}
    return [
        write_database(
            tmp_path / f"{version}.mmdb",
            {prefix: {"autonomous_system_number": asn} for prefix, asn in prefixes.items()},
            ip_version=version,
        )
        for version, prefixes in ((4, v4), (6, v6))
    ]


def test_prefixes_of_an_as(asns: list[Path]) -> None:
    """All prefixes of the wanted ASes, of both families, as text and with their AS."""
    database = AsnDatabase(asns)
    assert sorted(database.prefixes_of({64500, 64502, 64999})) == [
        ("192.0.2.0/25", 64500),
        ("198.51.100.0/24", 64500),
        ("2001:db8::/32", 64500),
        ("2001:dba::8:0/109", 64500),
        ("203.0.113.7/32", 64502),
    ]
    assert database.prefixes_of([]) == []
    assert len(list(database.prefixes())) == 7


def test_the_prefix_scan_is_kept_on_disk(asns: list[Path], tmp_path: Path) -> None:
    """The second process reads what the first has found; another database is scanned anew; a
    damaged file counts as none."""
    folder = tmp_path / "scans"
    found = AsnDatabase(asns, folder).prefixes_of([64501])
    (kept,) = folder.iterdir()
    content = kept.read_bytes()

    AsnDatabase(asns, folder).prefixes_of([64501])
    assert kept.stat().st_ino == next(folder.iterdir()).stat().st_ino  # read, not written again
    for damaged in (b"", content[:-1], content[:40] + b"?" + content[41:]):
        kept.write_bytes(damaged)
        assert AsnDatabase(asns, folder).prefixes_of([64501]) == found
        assert kept.read_bytes() == content

    assert AsnDatabase(asns[:1], folder).prefixes_of([64501]) == found[:1]
    assert kept not in folder.iterdir()  # that of the former database is gone


def test_real_asn_database(real_data: Path) -> None:
    """MaxMind's ASN test database, by lookup and by scan."""
    database = AsnDatabase([real_data / "geoip" / "GeoLite2-ASN-Test.mmdb"])
    assert database.asn("1.128.0.1") == 1221
    assert ("1.128.0.0/11", 1221) in database.prefixes_of({1221})
    assert all(asn == 1221 for _, asn in database.prefixes_of({1221}))
