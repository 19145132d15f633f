"""MMDB files: the walk over the tree finds what the reader's own iteration finds; damage is reported."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import maxminddb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.geo.mmdb import DistinctRecords, MmdbFile
from app.model import GeoError
from tests.geo.databases import write_database

Networks = set[tuple[str, str]]


def walked(file: MmdbFile) -> list[tuple[str, str]]:
    """(prefix, record) of every network, as the walk finds them."""
    read: list[Any] = []

    def number_of(record: Any) -> int:
        read.append(record)
        return len(read) - 1

    records, found = DistinctRecords(file, number_of), []
    for level in file.walk():
        distinct, inverse = records.of_networks(level)
        for high, low, record in zip(level.high.tolist(), level.low.tolist(), distinct[inverse], strict=True):
            address = (
                ipaddress.ip_address(low) if level.version == 4 else ipaddress.IPv6Address(high << 64 | low)
            )
            found.append((f"{address}/{level.length}", repr(read[record])))
    return found


def iterated(path: Path) -> Networks:
    """The same by maxminddb's own iteration."""
    with maxminddb.open_database(path) as reader:
        return {(str(network), repr(record)) for network, record in reader}


prefixes4 = st.builds(
    lambda address, length: str(ipaddress.IPv4Network((address, length), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)
prefixes6 = st.builds(
    lambda address, length: str(ipaddress.IPv6Network((address, length), strict=False)),
    st.integers(2**125, 2**126 - 1),
    st.integers(17, 128),
)
records = st.sampled_from([{"country_code": "LU"}, {"country_code": "DE", "city": "Exampletown"}, {"asn": 7}])


@settings(max_examples=40, deadline=None)
@given(
    networks=st.dictionaries(prefixes4 | prefixes6, records, min_size=1, max_size=12),
    ipv6=st.booleans(),
    record_size=st.sampled_from([24, 28, 32]),
    aliases=st.booleans(),
)
def test_the_walk_finds_what_iteration_finds(
    networks: dict[str, Any], ipv6: bool, record_size: int, aliases: bool
) -> None:
    """Every network with its record, once: IPv4 and IPv6 trees, all record sizes, with aliases or not."""
    if not ipv6:
        networks = {prefix: record for prefix, record in networks.items() if ":" not in prefix}
    with TemporaryDirectory() as folder:
        path = write_database(
            Path(folder) / "x.mmdb",
            networks or {"192.0.2.0/24": {"asn": 1}},
            ip_version=6 if ipv6 else 4,
            record_size=record_size,
            aliases=ipv6 and aliases,
        )
        found = walked(MmdbFile(path))
        assert set(found) == iterated(path)
        assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "name", ["GeoIP2-City-Test", "GeoLite2-City-Test", "GeoLite2-ASN-Test", "MaxMind-DB-test-ipv4-24"]
)
def test_the_walk_finds_what_iteration_finds_in_maxminds_test_databases(real_data: Path, name: str) -> None:
    """The same for files that MaxMind's own writer made, whose aliases are real."""
    path = real_data / "geoip" / f"{name}.mmdb"
    assert set(walked(MmdbFile(path))) == iterated(path)


def test_ipv4_networks_of_an_ipv6_tree_come_once(tmp_path: Path) -> None:
    """IPv4 shown again at ::ffff:0:0/96 and 2002::/16 is not counted a second and third time."""
    path = write_database(
        tmp_path / "x.mmdb", {"192.0.2.0/24": {"a": 1}, "2001:db8::/32": {"a": 2}}, ip_version=6, aliases=True
    )
    with maxminddb.open_database(path) as reader:
        assert reader.get("2002:c000:201::") == {"a": 1}  # it is an alias indeed
    assert sorted(walked(MmdbFile(path))) == [("192.0.2.0/24", "{'a': 1}"), ("2001:db8::/32", "{'a': 2}")]


def test_walked_ends_at_one(tmp_path: Path) -> None:
    """The share of the tree that was walked grows up to 1, so that a progress bar arrives."""
    networks = {f"192.0.2.{host}/32": {"a": host} for host in range(0, 256, 5)}
    shares = [level.walked for level in MmdbFile(write_database(tmp_path / "x.mmdb", networks)).walk()]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_sample_is_always_the_same_and_bounded(tmp_path: Path) -> None:
    """A sample of a large database reads some records, the same ones each time."""
    networks = {
        f"10.0.{net}.{host}/32": {"a": net * 256 + host} for net in range(4) for host in range(0, 256, 2)
    }
    file = MmdbFile(write_database(tmp_path / "x.mmdb", networks))
    sample = file.sample(16)
    assert 0 < len(sample) < 512
    assert sample == file.sample(16)
    assert len(file.sample(1024)) == 512


def broken(path: Path, at: int, value: bytes) -> MmdbFile:
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return MmdbFile(path)


def test_a_loop_in_the_tree_is_an_error(tmp_path: Path) -> None:
    """A node that is its own child ends the walk with an error, not in a walk without end."""
    path = write_database(tmp_path / "x.mmdb", {"192.0.2.0/24": {"a": 1}})
    file = broken(path, 0, bytes(6))
    with pytest.raises(GeoError, match=r"x\.mmdb: its search tree has a loop"):
        list(file.walk())


def test_a_tree_that_points_behind_the_file_is_an_error(tmp_path: Path) -> None:
    """A leaf whose record is not in the file is reported, not followed."""
    path = write_database(tmp_path / "x.mmdb", {"192.0.2.0/24": {"a": 1}})
    file = broken(path, 0, b"\xff\xff\xff")
    with pytest.raises(GeoError, match="points outside of the data"):
        list(file.walk())


def test_a_record_that_crashes_the_c_extension_is_an_error(tmp_path: Path) -> None:
    """A map key that is a number where text must be, one byte of damage, ends the process when the
    C extension decodes it. It is found by other means, in this process."""
    path = write_database(tmp_path / "x.mmdb", {"192.0.2.0/24": {"city": {"names": {"en": "Exampletown"}}}})
    file = broken(path, path.read_bytes().index(b"\x44city"), b"\xc4")
    with pytest.raises(GeoError, match=r"the record of 192\.0\.2\.0 has a key that is not text"):
        file.sample(16)
