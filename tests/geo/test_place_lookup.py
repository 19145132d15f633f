"""Lookups in the places database."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.geo.place_lookup import DATABASE_TYPE, PlaceLookup
from app.model import GeoError
from tests.geo.databases import maxmind, write_database, write_places

PLACES = {
    "192.0.2.0/24": "DE/50/8",
    "192.0.2.128/25": "DE",
    "198.51.100.0/24": "~EU",
    "203.0.113.7/32": "FJ/-18/-180",
    "2001:db8::/32": "LU/49/6",
    "2001:db8:8000::/33": "",
}


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "DE/50/8"),
        ("192.0.2.129", "DE"),
        ("198.51.100.255", "~EU"),
        ("203.0.113.7", "FJ/-18/-180"),
        ("203.0.113.8", ""),
        ("2001:db8::1", "LU/49/6"),
        ("2001:db8:8000::1", ""),
        ("::ffff:192.0.2.1", "DE/50/8"),
        ("::c000:201", ""),  # 192.0.2.1 in ::/96, where no client is
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_places(tmp_path: Path, address: str, place: str) -> None:
    """The longest prefix counts; where nothing is known, and for text that is no address, the place is
    unknown, which is no failure."""
    lookup = PlaceLookup(write_places(tmp_path / "x.mmdb", PLACES, built_at_s=77))
    assert lookup.place(address) == place
    assert (lookup.failures, lookup.build_epoch) == (0, 77)
    lookup.close()


def test_other_databases_are_refused(tmp_path: Path) -> None:
    """What is no places database is not opened as one."""
    city = write_database(tmp_path / "city.mmdb", {"192.0.2.0/24": maxmind("LU", 49.6, 6.1)})
    (tmp_path / "junk.mmdb").write_bytes(b"junk")
    for path in (city, tmp_path / "junk.mmdb"):
        with pytest.raises(GeoError, match="is no"):
            PlaceLookup(path)


@pytest.mark.parametrize(
    "text", ["DE\n", "X-Other: 1", "de/50/8", "DE/50/8\r\nX: 1", "x" * 28, "x" * 29, "x" * 300]
)
def test_records_that_are_no_places(tmp_path: Path, text: str) -> None:
    """A database with anything else in it is not opened: places go into headers."""
    path = write_places(tmp_path / "x.mmdb", {"192.0.2.0/24": "DE/50/8", "198.51.100.0/24": text})
    with pytest.raises(GeoError, match="holds a record that is no"):
        PlaceLookup(path)


@pytest.mark.parametrize("record", [{"place": "DE/50/8"}, 7, ["DE"]])
def test_records_of_other_types(tmp_path: Path, record: object) -> None:
    """Nor is one whose records are no texts."""
    path = write_database(tmp_path / "x.mmdb", {"192.0.2.0/24": record}, DATABASE_TYPE, ip_version=6)
    with pytest.raises(GeoError, match="holds a record that is no"):
        PlaceLookup(path)


def test_failures_are_counted_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A record that is no place, or none at all, is unknown; the log has no address."""
    path = write_places(tmp_path / "x.mmdb", {"192.0.2.0/24": "DE/50/8", "198.51.100.0/24": "LU/49/6"})
    lookup = PlaceLookup(path)
    with path.open("r+b") as file:  # beneath the open database
        file.seek(path.read_bytes().index(b"\x47DE/50/8"))
        file.write(b"\xa1\x07")  # a number
    with caplog.at_level(logging.ERROR):
        assert [lookup.place("192.0.2.1"), lookup.place("192.0.2.2")] == ["", ""]
    assert lookup.place("198.51.100.1") == "LU/49/6"
    assert lookup.failures == 2
    assert len(caplog.messages) == 1
    assert "192.0.2" not in caplog.text
