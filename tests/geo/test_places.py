"""The place scan: which places there are, where they are, and how many clients each may have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.geo import places
from app.geo.copies import VerifiedCopies
from app.geo.place_scan import main, start_scan
from app.geo.places import IPV4_CAP, IPV6_WEIGHT, PlaceTable, load, load_or_scan, scan
from app.model import GeoError
from tests.conftest import wait_until
from tests.geo.databases import dbip, maxmind, write_database
from tests.once import Scanned


def row(table: PlaceTable, name: str) -> dict[str, float]:
    index = table.names.index(name)
    columns = ("latitude", "longitude", "ipv4_addresses", "ipv6_netblocks", "clients")
    return {column: float(getattr(table, column)[index]) for column in columns}


def scanned(path: Path) -> PlaceTable:
    return scan([path], VerifiedCopies(path.parent / "geoip"))


@pytest.fixture
def copies(tmp_path: Path) -> VerifiedCopies:
    return VerifiedCopies(tmp_path / "geoip")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two families, three countries; IPv4 is aliased as MaxMind does it."""
    return write_database(
        tmp_path / "x.mmdb",
        {
            "192.0.2.0/25": maxmind("LU", 49.6, 6.1),
            "192.0.2.128/26": maxmind("LU", 49.8, 6.3),
            "198.51.100.0/24": maxmind("DE", 50.1, 8.6),
            "203.0.113.0/28": {"country": {"iso_code": "DE"}, "continent": {"code": "EU"}},
            "203.0.113.16/28": {"continent": {"code": "EU"}},
            "203.0.113.32/28": {"continent": {"code": "OC"}},
            "203.0.113.48/28": {"traits": {}},
            "2001:db8::/44": maxmind("LU", 49.6, 6.1),
        },
        ip_version=6,
        aliases=True,
    )


def test_places_and_counts(database: Path) -> None:
    """Every place with its own addresses, each once however often the tree shows them; what says
    nothing about where it is, is not a place."""
    table = scanned(database)
    assert table.names == ["DE", "DE/50/8", "LU/49/6", "~EU", "~OC"]
    assert table.ipv4_addresses.tolist() == [16, 256, 192, 16, 16]
    assert table.ipv6_netblocks.tolist() == [0, 0, 16, 0, 0]


def test_coordinates_are_the_mean_of_clients(database: Path) -> None:
    """A cell is where its clients are; a country known by name only is where its clients are known to
    be, and so is a continent; without any of those, there are no coordinates."""
    table = scanned(database)
    lu = row(table, "LU/49/6")
    heavy = 128 + IPV6_WEIGHT
    assert lu["latitude"] == pytest.approx((heavy * 49.6 + 64 * 49.8) / (heavy + 64), abs=1e-3)
    assert lu["longitude"] == pytest.approx((heavy * 6.1 + 64 * 6.3) / (heavy + 64), abs=1e-3)
    assert row(table, "DE")["latitude"] == pytest.approx(50.1)
    assert 49.6 < row(table, "~EU")["latitude"] < 50.1
    assert np.isnan(row(table, "~OC")["latitude"])
    assert np.isnan(row(table, "~OC")["longitude"])


def test_the_mean_is_right_at_the_date_line(tmp_path: Path) -> None:
    """Half of a country's clients at 179° east and half at 179° west are at 180°, not at 0°."""
    networks = {
        "192.0.2.0/26": dbip("FJ", -17.0, 179.0),
        "192.0.2.64/26": dbip("FJ", -17.0, -179.0),
        "192.0.2.128/26": dbip("FJ", 0.0, 0.0),
    }
    table = scanned(write_database(tmp_path / "x.mmdb", networks))
    assert abs(row(table, "FJ")["longitude"]) == pytest.approx(180)


def test_dark_networks_do_not_count_as_people(tmp_path: Path) -> None:
    """An unused /8 has no more clients than a /18, though all of its addresses; and many small networks
    have as many as they have addresses."""
    networks: dict[str, Any] = {"11.0.0.0/8": dbip("US", 39.9, -82.9, city="Columbus")}
    networks |= {f"192.0.{net}.0/24": dbip("US", 40.7, -74.0, postcode=str(net)) for net in range(128)}
    table = scanned(write_database(tmp_path / "x.mmdb", networks))
    dark, used = row(table, "US/39/-83"), row(table, "US/40/-74")
    assert (dark["ipv4_addresses"], dark["clients"]) == (2**24, IPV4_CAP)
    assert (used["ipv4_addresses"], used["clients"]) == (2**15, 2**15)


def test_ipv6_networks_count_little(tmp_path: Path) -> None:
    """A /16 registered somewhere is one /48's worth of clients there, a /56 a part of one."""
    networks = {"2a02::/16": dbip("CH", 46.9, 7.2), "2001:db8::/56": dbip("LU", 49.6, 6.1)}
    table = scanned(write_database(tmp_path / "x.mmdb", networks, ip_version=6))
    assert row(table, "CH/46/7")["ipv6_netblocks"] == 2**32
    assert row(table, "CH/46/7")["clients"] == IPV6_WEIGHT
    assert row(table, "LU/49/6")["clients"] == IPV6_WEIGHT / 2**8


def test_files_add_up(tmp_path: Path) -> None:
    """IPv4 and IPv6 files of one database are one table; progress goes over both, up to 1."""
    paths = [
        write_database(tmp_path / "4.mmdb", {"192.0.2.0/24": dbip("LU", 49.6, 6.1)}),
        write_database(tmp_path / "6.mmdb", {"2001:db8::/47": dbip("LU", 49.6, 6.1)}, ip_version=6),
    ]
    shares: list[float] = []
    table = scan(paths, VerifiedCopies(tmp_path / "geoip"), shares.append)
    assert row(table, "LU/49/6")["clients"] == 256 + IPV6_WEIGHT
    assert shares == sorted(shares)
    assert (shares[0] < 1, shares[-1]) == (True, 1.0)


def test_encoding(database: Path) -> None:
    """A table comes back as it was; anything else is a GeoError."""
    table = scanned(database)
    content = table.encode()
    again = PlaceTable.decode(content)
    assert again.names == table.names
    assert again.encode() == content
    for damaged in (b"", content[:-1], b"\x81\xa5names\x90", content.replace(b"clients", b"customs")):
        with pytest.raises(GeoError, match="place table is damaged"):
            PlaceTable.decode(damaged)
    shorter = replace(table, names=table.names[1:])
    with pytest.raises(GeoError, match="not equally long"):
        PlaceTable.decode(shorter.encode())


def test_a_scan_is_kept_until_something_changes(
    database: Path, copies: VerifiedCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scanned once per content and parameters; with a damaged file, or without its places database, it is
    scanned again."""
    folder = tmp_path / "scans"
    assert load([database], folder, copies) is None
    table = load_or_scan([database], folder, copies)
    (kept,) = folder.iterdir()

    def no_scan(*_: object) -> PlaceTable:
        raise AssertionError("scanned again")

    with monkeypatch.context() as patch:
        patch.setattr(places, "scan", no_scan)
        assert load_or_scan([database], folder, copies).encode() == table.encode()
        assert load([database.with_name("y.mmdb")], folder, copies) is None
        patch.setattr(places, "IPV4_CAP", 256.0)
        assert load([database], folder, copies) is None
    copies.path_of(table.database).write_bytes(b"junk")
    assert load([database], folder, copies) is None
    assert load_or_scan([database], folder, copies).encode() == table.encode()
    assert load([database], folder, copies) is not None
    kept.write_bytes(kept.read_bytes()[:-9])
    assert load([database], folder, copies) is None
    assert load_or_scan([database], folder, copies).encode() == table.encode()


def test_a_scan_beside(database: Path, copies: VerifiedCopies, tmp_path: Path) -> None:
    """The child process finds what a scan here finds, keeps it on disk, and says when it is done."""
    folder = tmp_path / "scans"
    running = start_scan([database], folder, copies)
    assert 0 <= running.progress() <= 1
    wait_until(running.done, "the end of the scan")
    assert running.progress() == 1
    assert running.result().encode() == scanned(database).encode()
    assert load([database], folder, copies) is not None


def test_a_failing_scan_says_why(tmp_path: Path) -> None:
    """What the child found wrong is the parent's error."""
    path = write_database(tmp_path / "asn.mmdb", {"192.0.2.0/24": {"asn": 64500}})
    with pytest.raises(GeoError, match=r"asn\.mmdb: is not a city or country database"):
        start_scan([path], tmp_path / "scans", VerifiedCopies(tmp_path / "geoip")).result()


def test_a_scan_killed_by_its_database_is_an_error(
    database: Path, copies: VerifiedCopies, tmp_path: Path
) -> None:
    """A child that dies (the C extension crashes on some damaged records) takes nobody with it."""
    running = start_scan([database], tmp_path / "scans", copies)
    running._process.kill()
    with pytest.raises(GeoError, match="killed by signal 9"):
        running.result()


def test_a_scan_can_be_cancelled(database: Path, copies: VerifiedCopies, tmp_path: Path) -> None:
    """At any time, and twice; nothing is left running."""
    running = start_scan([database], tmp_path / "scans", copies)
    running.cancel()
    assert running.done()
    running.cancel()


def test_the_child_reports_a_folder_it_cannot_write(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cache folder that is a file is a fault in words, not a traceback."""
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file"), str(tmp_path / "geoip"), str(database)]) == 1
    assert "fault: " in capsys.readouterr().out


@pytest.mark.slow
def test_dbip(scanned_dbip: Scanned) -> None:
    """The real world: thousands of places; nearly no IPv4 address without a town; and the 7 % of all IPv4
    addresses that are dark in Columbus, Ohio, are less than 1 % of the clients."""
    table = scanned_dbip.table
    assert 7_000 < len(table.names) < 12_000
    coarse = [index for index, name in enumerate(table.names) if "/" not in name]
    assert table.ipv4_addresses[coarse].sum() < 0.01 * table.ipv4_addresses.sum()
    columbus = row(table, "US/39/-83")
    assert columbus["ipv4_addresses"] > 0.05 * table.ipv4_addresses.sum()
    assert columbus["clients"] < 0.01 * table.clients.sum()
    assert (39.5 < columbus["latitude"] < 40, -83 < columbus["longitude"] < -82.5) == (True, True)
