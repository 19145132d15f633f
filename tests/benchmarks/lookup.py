"""Measures what the networks database costs (reading, building, looking up), and a place beside the vendor's
record of it. It only prints.

python tests/benchmarks/lookup.py [FOLDER WITH CLOUD RANGES]    (default: the real files, if there)
"""

from __future__ import annotations

import os
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.clouds.read import read_cloud_folder  # noqa: E402 - as above
from app.geo.copies import VerifiedCopies  # noqa: E402 - as above
from app.geo.database import CityDatabase  # noqa: E402 - as above
from app.geo.mmdb import MmdbFile, texts  # noqa: E402 - as above
from app.geo.networks import NetworkLookup, build_networks  # noqa: E402 - needs the path above
from app.geo.place_lookup import PlaceLookup  # noqa: E402 - as above
from app.geo.places import scan  # noqa: E402 - as above
from app.model.prefixes import CloudRange  # noqa: E402 - as above

T = TypeVar("T")
LOOKUPS = 200_000
NODES = 20_000  # of each level


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def best(what: str, work: Callable[[], T], times: int = 5) -> T:
    """Runs `work` several times and prints the fastest and the slowest time."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        result = work()
        took.append(time.perf_counter() - started)
    say(f"{what}: {min(took):.3f} s at best, {max(took):.3f} s at worst of {times}")
    return result


def synthetic_asn_prefixes(rng: random.Random, count: int) -> list[tuple[str, int]]:
    """Prefixes with AS numbers: five of six are IPv4, with lengths about as in the routing table."""
    prefixes = []
    for number in range(count):
        if number % 6:
            address = socket.inet_ntop(socket.AF_INET, rng.randbytes(4))
            prefixes.append(
                (f"{address}/{rng.choice([16, 19, 20, 21, 22, 23, 24, 24, 24])}", rng.randrange(500))
            )
        else:
            address = socket.inet_ntop(socket.AF_INET6, b"\x24" + rng.randbytes(15))
            prefixes.append((f"{address}/{rng.choice([32, 36, 40, 44, 48, 48])}", rng.randrange(500)))
    return prefixes


def addresses(rng: random.Random, ranges: list[CloudRange]) -> list[str]:
    """Addresses, half of them anywhere and half in cloud ranges."""
    chosen = [socket.inet_ntop(socket.AF_INET, rng.randbytes(4)) for _ in range(LOOKUPS // 2)]
    for prefix in (r.prefix for r in rng.choices(ranges, k=LOOKUPS // 2)):
        chosen.append(str(prefix._replace(length=32 if prefix.version == 4 else 128)).partition("/")[0])
    rng.shuffle(chosen)
    return chosen


def main() -> None:
    real = Path(os.environ.get("MIRRORWISE_REAL_DATA", ROOT.parent / "shared" / "data")) / "cloud"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else real
    by_provider, findings = best(f"reading {folder}", lambda: read_cloud_folder(folder))
    ranges = [r for provider in by_provider.values() for r in provider.ranges]
    if not ranges:
        sys.exit("\n".join([f"no cloud ranges in {folder}", *map(str, findings)]))
    say(f"  {len(ranges):,} prefixes of {', '.join(by_provider)}")
    rng = random.Random(1)
    asked = addresses(rng, ranges)
    for what, prefixes in (
        ("cloud ranges", []),
        ("cloud ranges and 60,000 ASN prefixes", synthetic_asn_prefixes(rng, 60_000)),
    ):
        measure(what, ranges, prefixes, asked)
    dbip = Path(os.environ.get("MIRRORWISE_DBIP", "not there"))
    compare_places("MaxMind", [real.parent / "geoip" / "GeoLite2-City-Test.mmdb"])
    compare_places("DB-IP", [dbip / f"dbip-city-{family}.mmdb" for family in ("ipv4", "ipv6")])


def compare_places(vendor: str, paths: list[Path]) -> None:
    """Looks places up in a vendor's database and in the places database made of it, in turns. The addresses
    are in networks from all over the vendor's tree."""
    if not all(path.is_file() for path in paths):
        say(f"places: no database of {vendor}")
        return
    rng = random.Random(2)
    levels = [level for path in paths for level in MmdbFile(path).walk(NODES)]
    known = [text for level in levels for text in texts(level.version, level.high, level.low)]
    asked = rng.choices(known, k=LOOKUPS)
    with tempfile.TemporaryDirectory() as folder:
        copies = VerifiedCopies(Path(folder))
        path = copies.use(scan(paths, copies).database)
        assert path is not None
        cities, places = CityDatabase(paths), PlaceLookup(path)
        assert all(cities.place(address) == places.place(address) for address in asked)
        took: dict[str, list[float]] = {"vendor": [], "places": []}
        for _ in range(9):
            for name, place in (("vendor", cities.place), ("places", places.place)):
                started = time.perf_counter()
                for address in asked:
                    place(address)
                took[name].append((time.perf_counter() - started) / LOOKUPS * 1e6)
        vendor_us, places_us = (statistics.median(took[name]) for name in ("vendor", "places"))
        size = path.stat().st_size / 1e6
    say(f"places of {vendor}: {vendor_us:.2f} µs in its own database, {places_us:.2f} µs in ours")
    say(f"  {places_us / vendor_us:.2f} times as long; ours has {size:.1f} MB")


def measure(what: str, ranges: list[CloudRange], prefixes: list[tuple[str, int]], asked: list[str]) -> None:
    networks = best(f"building {what}", lambda: build_networks(ranges, [], prefixes, 1))
    say(f"  {len(networks.mmdb):,} bytes, {len(networks.overlays):,} overlays")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "networks.mmdb"
        path.write_bytes(networks.mmdb)
        lookup = NetworkLookup(path)
        found = best(f"{LOOKUPS:,} lookups", lambda: sum(lookup.find(a).overlay is not None for a in asked))
        started = time.perf_counter()
        for address in asked:
            lookup.find(address)
        say(f"  {(time.perf_counter() - started) / LOOKUPS * 1e6:.2f} µs each, {found / LOOKUPS:.0%} found")


if __name__ == "__main__":
    main()
