"""Makes the part of the sample network that tools would have written: state/, cloud/ and geoip/.

What people write is kept by hand and read here: cities.csv, config.yml and mirrors.d/. From that
and the tables below, `python data/make_sample.py [FOLDER]` writes the rest into FOLDER (default:
beside this file). The same input gives the same bytes: all times are constants, which is fine
because a mirror's age is its probe's time less its timestamp, whatever the date is today.

Nothing in it is measured. Coordinates are rounded to a hundredth of a degree; who uses the public
ranges is common knowledge, and where they are is where that organisation is, no more.

How to try it: addresses in 2001:db8::/32 follow the telephone. 2001:db8:49::1 is in Germany (+49),
2001:db8:81::1 in Japan (+81), 2001:db8:1:212::1 in New York (area code 212). 192.0.2.0/24 is Europe,
198.51.100.0/24 the Americas, 203.0.113.0/24 the rest of the world, in small pieces.
EXAMPLES names the best ones. Loopback is in Frankfurt, so that a first curl has a place.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
from mmdb_writer import MmdbF64, MMDBWriter
from netaddr import IPSet

from app.catalogue.catalogue import carries, expected_isos, expected_repos
from app.model import (
    Content,
    Endpoint,
    Family,
    Image,
    ImageDirectory,
    Mirror,
    MirrorState,
    ProbeRound,
    RepomdVersion,
    SourceError,
    Status,
)
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config

Cities = dict[tuple[str, str], dict[str, str]]  # rows of cities.csv by country and city

PROBED_AT = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
ROUND_COMPLETED_AT = PROBED_AT + timedelta(minutes=5)
ORIGIN_TIMESTAMP = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
BUILD_EPOCH = int(PROBED_AT.timestamp())

EXAMPLES = {
    "192.0.2.1": "Frankfurt am Main: a city with a mirror of its own",
    "192.0.2.49": "Luxembourg: its mirror first, then those of the countries around it",
    "192.0.2.17": "Darmstadt: inside a campus network, whose own mirror comes first",
    "192.0.2.225": "AWS eu-central-1: the mirror inside the region first",
    "198.51.100.225": "the United States, nobody knows where in it",
    "203.0.113.1": "Tokyo",
    "203.0.113.161": "Nairobi: the nearest is its own country's mirror, the next is 2,900 km away",
    "2001:db8:49::1": "Frankfurt am Main, by Germany's telephone code",
    "2001:db8:ffff::1": "an address that GeoIP knows nothing about",
    "8.8.8.8": "a public resolver, near San Jose",
    "130.83.1.1": "a university in Darmstadt",
}

# --- where networks are, besides cities.csv -------------------------------------------------------

# Known as a country only, or (with ~) as a continent. Of nested networks the inner one counts.
VAGUE_NETWORKS = """
AU: 1.1.1.0/24 1.0.0.0/24 2606:4700:4700::/48
DE: 192.0.2.240/29
DK: 2001:db8:45::/48 130.225.0.0/16
US: 198.51.100.224/28 2001:db8:1::/48 4.2.2.0/24
~AF: 203.0.113.240/29
~EU: 192.0.2.248/29
"""

# Where vendors put a network of which they know the country only: somewhere in its middle.
COUNTRY_CENTRES = {
    "AU": ("OC", -25.0, 135.0),
    "DE": ("EU", 51.3, 9.49),
    "DK": ("EU", 55.71, 12.06),
    "US": ("NA", 37.75, -97.82),
}

AUTONOMOUS_SYSTEMS = {
    64500: ("Example Access", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/33"),
    64501: ("Example Telecom Asia", "203.0.113.32/28 2001:db8:65::/48"),
    64502: ("Example Mobile Asia", "203.0.113.208/28 2001:db8:886::/48"),
    64510: ("Example University", "192.0.2.16/28 2001:db8:49:6151::/64"),
    64511: ("Example Cloud", "192.0.2.224/28 198.51.100.32/28 198.51.100.192/27 2001:db8:c0::/46"),
    15169: ("Google", "8.8.8.0/24 8.8.4.0/24 2001:4860:4860::/48"),
    13335: ("Cloudflare", "1.1.1.0/24 1.0.0.0/24 2606:4700:4700::/48"),
    19281: ("Quad9", "9.9.9.0/24 2620:fe::/48"),
}

# --- the cloud providers' files -------------------------------------------------------------------

# The last one lies inside Buenos Aires' piece: a local zone that belongs to a region elsewhere.
AWS = """
eu-central-1: 192.0.2.224/28 2001:db8:c1:1::/64 18.192.0.0/15 2a05:d014::/36
us-east-1: 198.51.100.32/28 2001:db8:c1:2::/64 52.4.0.0/14
eu-west-3: 2001:db8:c1:3::/64
ap-northeast-1: 43.206.0.0/15
GLOBAL: 2001:db8:c1::/48
us-east-1-bue-1: 198.51.100.136/29
"""
AZURE = """
westeurope: 2001:db8:c2:1::/64 4.180.0.0/16
centralfrance: 2001:db8:c2:2::/64 4.176.0.0/16
southeastasia: 203.0.113.224/28
"""
GCP = """
us-central1: 198.51.100.192/28 2001:db8:c3:1::/64 34.28.0.0/14
europe-west3: 2001:db8:c3:2::/64 34.159.0.0/16
europe-west1: 34.76.0.0/14
asia-east1: 34.80.0.0/15
global: 2001:db8:c3::/48
"""
OCI = """
us-ashburn-1: 198.51.100.208/28 129.80.0.0/16
eu-frankfurt-1: 89.168.64.0/18
"""

# --- what the prober saw --------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """How a mirror's state differs from that of a mirror in good health."""

    status: Status = Status.OK
    reason: str | None = None
    since_hours: int = 240
    failures: int = 0
    behind_hours: float | None = None
    content: tuple[str, Content] = ("", Content.CURRENT)  # the keys that start so hold this
    no_address: tuple[Family, ...] = ()
    no_answer: tuple[Family, ...] = ()


NO_ANSWER = "no answer within 10 s"
TROUBLES = {
    "mirror.waw.example.org": Trouble(
        Status.STALE, "31.2 h behind the origin", 19, behind_hours=31.2, content=("", Content.STALE)
    ),
    "mirror.mad.example.org": Trouble(
        Status.UNREACHABLE, NO_ANSWER, 45, failures=11, behind_hours=45, no_answer=("ipv4", "ipv6")
    ),
    "mirror.chi.example.com": Trouble(
        Status.BROKEN,
        "9.8/baseos/x86_64: a repomd.xml that the origin never had",
        6,
        failures=3,
        content=("9.8/baseos/", Content.CORRUPT),
    ),
    "mirror.akl.example.org": Trouble(behind_hours=8, content=("9.8/", Content.PREVIOUS)),
    "mirror.hel.example.org": Trouble(
        Status.DEGRADED,
        "it lacks 1 of 69 directories: 9.8/highavailability/s390x (missing)",
        27,
        content=("9.8/highavailability/s390x", Content.MISSING),
    ),
    "mirror.zrh.example.org": Trouble(no_address=("ipv4",)),
    "mirror.nbo.example.org": Trouble(no_address=("ipv6",)),
    "mirror.scl.example.org": Trouble(no_answer=("ipv6",)),
}
NOT_PROBED = {"mirror.tpe.example.org"}


# --- geoip/ ---------------------------------------------------------------------------------------


class ReproducibleWriter(MMDBWriter):
    """Stamps a database with a fixed time instead of the present one."""

    def _build_meta(self) -> dict[str, Any]:
        return {**super()._build_meta(), "build_epoch": BUILD_EPOCH}


def table(text: str) -> list[tuple[str, list[str]]]:
    """`name: item item …` lines, in order."""
    rows = (line.split(": ") for line in text.strip().splitlines())
    return [(name, items.split()) for name, items in rows]


def location(latitude: float, longitude: float, accuracy_radius_km: int) -> dict[str, Any]:
    # mmdb_writer takes 50 and 50.0 for the same value and would write one as the other; not when wrapped.
    return {
        "accuracy_radius": accuracy_radius_km,
        "latitude": MmdbF64(latitude),
        "longitude": MmdbF64(longitude),
    }


def city_record(city: dict[str, str]) -> dict[str, Any]:
    """MaxMind's record for a row of cities.csv."""
    record: dict[str, Any] = {
        "city": {"names": {"en": city["city"]}},
        "continent": {"code": city["continent"]},
        "country": {"iso_code": city["country"]},
        "location": location(float(city["latitude"]), float(city["longitude"]), 20),
    }
    if city["state_province"]:
        record["subdivisions"] = [{"names": {"en": city["state_province"]}}]
    return record


def vague_record(name: str) -> dict[str, Any]:
    """MaxMind's record for a name in VAGUE_NETWORKS."""
    if name.startswith("~"):
        return {"continent": {"code": name[1:]}}
    continent, latitude, longitude = COUNTRY_CENTRES[name]
    return {
        "continent": {"code": continent},
        "country": {"iso_code": name},
        "location": location(latitude, longitude, 1000),
    }


def write_database(path: Path, database_type: str, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """One MMDB of both families; wider networks go in first, so that inner ones win."""
    writer = ReproducibleWriter(
        ip_version=6,
        database_type=database_type,
        languages=["en"],
        description="Sample data of Mirrorwise; not for use in production",
        ipv4_compatible=True,
    )
    for prefix, record in sorted(rows, key=lambda row: ip_network(row[0]).prefixlen):
        writer.insert_network(IPSet([prefix]), record)
    writer.to_db_file(str(path))


def write_geoip(cities: Cities, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    places = [(vague_record(name), networks) for name, networks in table(VAGUE_NETWORKS)]
    places += [(city_record(city), city["networks"].split()) for city in cities.values()]
    rows = [(network, record) for record, networks in places for network in networks]
    write_database(folder / "city.mmdb", "Mirrorwise-Sample-City", rows)
    asn_rows: list[tuple[str, dict[str, Any]]] = [
        (network, {"autonomous_system_number": asn, "autonomous_system_organization": organisation})
        for asn, (organisation, networks) in AUTONOMOUS_SYSTEMS.items()
        for network in networks.split()
    ]
    write_database(folder / "asn.mmdb", "Mirrorwise-Sample-ASN", asn_rows)


# --- cloud/ ---------------------------------------------------------------------------------------


def aws() -> dict[str, Any]:
    """https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html"""
    prefixes: dict[str, list[dict[str, str]]] = {"ip_prefix": [], "ipv6_prefix": []}
    for group, networks in table(AWS):
        for network in networks:
            key = "ipv6_prefix" if ":" in network else "ip_prefix"
            region = "us-east-1" if group == "us-east-1-bue-1" else group
            row = {key: network, "region": region, "service": "EC2", "network_border_group": group}
            prefixes[key].append(row)
    return {
        "syncToken": str(BUILD_EPOCH),
        "createDate": f"{PROBED_AT:%Y-%m-%d-%H-%M-%S}",
        "prefixes": prefixes["ip_prefix"],
        "ipv6_prefixes": prefixes["ipv6_prefix"],
    }


def azure() -> dict[str, Any]:
    """https://learn.microsoft.com/azure/virtual-network/service-tags-overview"""
    common = {"changeNumber": 1, "platform": "Azure", "systemService": "", "networkFeatures": ["API", "NSG"]}
    tags = [
        {
            "name": f"AzureCloud.{region}",
            "id": f"AzureCloud.{region}",
            "properties": {**common, "region": region, "addressPrefixes": networks},
        }
        for region, networks in table(AZURE)
    ]
    return {"changeNumber": 1, "cloud": "Public", "values": tags}


def gcp() -> dict[str, Any]:
    """https://cloud.google.com/compute/docs/faq#find_ip_range"""
    prefixes = [
        {"ipv6Prefix" if ":" in network else "ipv4Prefix": network, "service": "Google Cloud", "scope": scope}
        for scope, networks in table(GCP)
        for network in networks
    ]
    created = f"{PROBED_AT:%Y-%m-%dT%H:%M:%S}.000000"
    return {"syncToken": f"{BUILD_EPOCH}000", "creationTime": created, "prefixes": prefixes}


def oci() -> dict[str, Any]:
    """https://docs.oracle.com/iaas/Content/General/Concepts/addressranges.htm"""
    regions = [
        {"region": region, "cidrs": [{"cidr": network, "tags": ["OCI"]} for network in networks]}
        for region, networks in table(OCI)
    ]
    return {"last_updated_timestamp": f"{PROBED_AT:%Y-%m-%dT%H:%M:%S}.000000", "regions": regions}


def write_cloud(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for provider, content in {"aws": aws(), "azure": azure(), "gcp": gcp(), "oci": oci()}.items():
        (folder / f"{provider}.json").write_text(json.dumps(content, indent=1) + "\n")


# --- state/ ---------------------------------------------------------------------------------------


def home_networks(mirror: Mirror, cities: Cities) -> list[str]:
    """The documentation prefixes of the city, or of the cloud region, that a mirror is in."""
    if mirror.cloud:
        regions = dict(table({"aws": AWS, "azure": AZURE, "gcp": GCP, "oci": OCI}[mirror.cloud.provider]))
        networks = regions[mirror.cloud.regions[0] if mirror.cloud.regions else "us-east-1"]
    else:
        # The one mirror with coordinates instead of a city is in Tromsø.
        networks = cities[mirror.country or "", mirror.city or "Tromsø"]["networks"].split()
    documentation = ("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:")
    return [network for network in networks if network.startswith(documentation)]


def mirror_addresses(mirror: Mirror, homes: list[str], used: Counter[str]) -> dict[Family, str]:
    """One address of each family that the mirror has, in the first such network of its home."""
    addresses: dict[Family, str] = {}
    for network in homes:
        family: Family = "ipv6" if ":" in network else "ipv4"
        if family not in addresses and family not in trouble_of(mirror).no_address:
            addresses[family] = str(ip_network(network)[2 + used[network]])
            used[network] += 1
    return addresses


def trouble_of(mirror: Mirror) -> Trouble:
    return TROUBLES.get(mirror.name, Trouble())


def mirror_state(mirror: Mirror, addresses: dict[Family, str], keys: list[str], hours: int) -> MirrorState:
    """`keys`: of its content. `hours`: how far it is behind the origin when in good health."""
    trouble = trouble_of(mirror)
    behind_hours = hours if trouble.behind_hours is None else trouble.behind_hours
    start, verdict = trouble.content
    return MirrorState(
        mirror=mirror.name,
        probed_at=PROBED_AT,
        status=trouble.status,
        since=PROBED_AT - timedelta(hours=trouble.since_hours),
        failures=trouble.failures,
        reason=trouble.reason,
        addresses=tuple(addresses.values()),
        timestamp=ORIGIN_TIMESTAMP - timedelta(hours=behind_hours),
        origin_timestamp=ORIGIN_TIMESTAMP,
        endpoints={
            protocol: {
                family: Endpoint(ok=False, detail=NO_ANSWER)
                if family in trouble.no_answer
                else Endpoint(ok=True)
                for family in addresses
            }
            for protocol in mirror.addresses
        },
        content={key: verdict if key.startswith(start) else Content.CURRENT for key in keys},
        isos={f"{release}/{arch}": True for release, _, arch in (key.split("/") for key in keys)},
    )


def repomd_versions(key: str) -> list[RepomdVersion]:
    """The origin's repomd.xml of a repo, and for 9.8 the one before too; hashes of nothing real."""
    seen_at = [ORIGIN_TIMESTAMP - timedelta(hours=6), ORIGIN_TIMESTAMP - timedelta(days=5)]
    versions = []
    for time in seen_at if key.startswith("9.8/") else seen_at[:1]:
        seed = f"{key} {time:%Y-%m-%d}".encode()
        version = RepomdVersion(
            timestamp=int(time.timestamp()) - 900,
            size=3000 + hashlib.sha256(seed).digest()[0],
            seen_at=time,
            sha256=hashlib.sha256(seed).hexdigest(),
            sha512=hashlib.sha512(seed).hexdigest(),
        )
        versions.append(version)
    return versions


IMAGE_SIZES = {"boot": 1_090_000_000, "minimal": 2_210_000_000, "dvd": 12_400_000_000}


def image_directory(release: str, arch: str) -> ImageDirectory:
    """The origin's images of a release for an arch, and a torrent of the largest; hashes of nothing real."""
    major, _, module = release.partition("-")
    named = f"Example-{module.capitalize()}-{major}-20261115.0" if module else f"Example-{release}"
    latest = named.rpartition("-")[0] if module else f"Example-{release.partition('.')[0]}"
    images = {}
    for kind, size in IMAGE_SIZES.items():
        seed = hashlib.sha256(f"{named} {arch} {kind}".encode()).digest()
        image = Image(size=size + seed[0] * 2_097_152, sha256=seed.hex())
        images[f"{named}-{arch}-{kind}.iso"] = images[f"{latest}-latest-{arch}-{kind}.iso"] = image
    return ImageDirectory(
        checksums="CHECKSUM",
        seen_at=ORIGIN_TIMESTAMP - timedelta(days=5),
        images=images,
        others=("CHECKSUM.asc", f"{named}-{arch}-dvd.iso.torrent"),
    )


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item not in (None, {})}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def write_json(path: Path, value: Any) -> None:
    """A line for each key of the outermost object."""
    plain = without_nulls(msgspec.to_builtins(value))
    lines = [f"{json.dumps(key)}: {json.dumps(item)}" for key, item in plain.items()]
    path.write_text("{" + ",\n ".join(lines) + "}\n")


def write_state(source: Path, cities: Cities, folder: Path) -> None:
    (folder / "mirrors").mkdir(parents=True, exist_ok=True)
    config, _ = read_service_config(source / "config.yml")
    used: Counter[str] = Counter()
    for number, path in enumerate(sorted((source / config.mirrors_dir).glob("*.yml"))):
        mirror, findings = read_mirror(path, config)
        if mirror is None:
            raise SourceError(findings)
        if mirror.probe and not mirror.private and mirror.name not in NOT_PROBED:
            addresses = mirror_addresses(mirror, home_networks(mirror, cities), used)
            keys = [found.key for found in expected_repos(config) if carries(mirror, found)]
            state = mirror_state(mirror, addresses, keys, hours=number % 4)
            write_json(folder / "mirrors" / f"{mirror.name}.json", state)
    facts = {found.key: repomd_versions(found.key) for found in expected_repos(config)}
    write_json(folder / "repos.json", facts)
    isos = {found.key: image_directory(found.release, found.arch) for found in expected_isos(config)}
    write_json(folder / "isos.json", isos)
    write_json(folder / "round.json", ProbeRound(completed_at=ROUND_COMPLETED_AT))


def city_table(source: Path) -> Cities:
    with (source / "cities.csv").open(encoding="utf-8", newline="") as file:
        return {(row["country"], row["city"]): row for row in csv.DictReader(file)}


def write_sample(source: Path, target: Path) -> None:
    """Read what people wrote in `source`, write what tools would have written into `target`."""
    cities = city_table(source)
    write_geoip(cities, target / "geoip")
    write_cloud(target / "cloud")
    write_state(source, cities, target / "state")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    write_sample(here, Path(sys.argv[1]) if len(sys.argv) > 1 else here)
