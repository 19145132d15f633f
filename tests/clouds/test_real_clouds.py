"""Clients in the real clouds: their region's mirror first, their provider's next when it is gone, and
others always below it. On the providers' real ranges and AlmaLinux's real mirrors."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.clouds.read import read_cloud_folder
from app.clouds.regions import region_location, regions_by_distance
from app.geo.networks import NetworkLookup, build_networks
from app.model import ClientClass, Cloud, Mirror, Status
from app.model.countries import countries
from app.model.prefixes import WIDTHS, CloudRange, Prefix
from app.request.address import parse_address, spread
from app.snapshot.compile import Inputs, MirrorLocation, compile_snapshot
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.networks import ClientNetworks
from app.snapshot.schema import encode, generation_of
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config
from tests.builders import a_state, question, select

PROVIDERS = ("aws", "azure", "gcp", "oci")
CLIENTS = 1_000


class Clouds:
    """AlmaLinux's public mirrors, and one more in every region of every provider."""

    def __init__(self, real_data: Path, folder: Path) -> None:
        read, _ = read_cloud_folder(real_data / "cloud")
        self.ranges = {name: [r for r in ranges.ranges if r.region] for name, ranges in read.items()}
        self.config, _ = read_service_config(real_data / "almalinux" / "config.yml")
        files = sorted((real_data / "almalinux" / "mirrors.d").glob("*.yml"))
        public = [mirror for file in files if (mirror := read_mirror(file, self.config)[0]) is not None]
        self.public = [m for m in public if m.cloud is None and not m.private and not m.subnets]
        self.inside = {
            (provider, region): Mirror(
                name=f"{region}.{provider}.example.org",
                addresses={"https": f"https://{region}.{provider}.example.org/"},
                cloud=Cloud(provider=provider, regions=(region,)),
            )
            for provider, ranges in self.ranges.items()
            for region in sorted({str(r.region) for r in ranges})
        }
        networks = build_networks([r for read in self.ranges.values() for r in read], (), (), 1)
        (folder / "networks.mmdb").write_bytes(networks.mmdb)
        self.lookup = NetworkLookup(folder / "networks.mmdb")
        self.overlays = networks.overlays

    def load(self, unreachable: Sequence[str] = ()) -> LoadedSnapshot:
        mirrors = sorted([*self.public, *self.inside.values()], key=lambda mirror: mirror.name)
        states = {name: a_state(name, status=Status.UNREACHABLE) for name in unreachable}
        inputs = Inputs(
            config=self.config,
            mirrors=mirrors,
            locations={m.name: located(m) for m in mirrors},
            states=states,
            networks=ClientNetworks(overlays=self.overlays),
        )
        data = encode(compile_snapshot(inputs))
        return LoadedSnapshot(generation_of(data), data)

    def clients(self, provider: str) -> list[tuple[CloudRange, ClientClass]]:
        """Random addresses in the provider's ranges, each with the most specific range around it."""
        draw = random.Random(provider)
        by_prefix = {r.prefix: r for r in self.ranges[provider]}
        found = []
        for chosen in draw.choices(self.ranges[provider], k=CLIENTS):
            number = draw.randint(chosen.prefix.address, chosen.prefix.last)
            version = chosen.prefix.version
            around = (
                Prefix(version, number >> host_bits << host_bits, WIDTHS[version] - host_bits)
                for host_bits in range(WIDTHS[version] + 1)
            )
            belongs = next(by_prefix[prefix] for prefix in around if prefix in by_prefix)
            text = str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))
            address = parse_address(text)
            assert address is not None
            network = self.lookup.find(address.text).overlay or ""
            found.append((belongs, ClientClass("", network, spread(address.packed), version)))
        return found


def located(mirror: Mirror) -> MirrorLocation:
    """Its country's centre is near enough here."""
    centre = countries()[mirror.country].centre if mirror.country else None
    return MirrorLocation(country=mirror.country, coordinates=centre)


@pytest.fixture(scope="module")
def clouds(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Clouds:
    return Clouds(real_data, tmp_path_factory.mktemp("clouds"))


@pytest.fixture(scope="module")
def snapshot(clouds: Clouds) -> LoadedSnapshot:
    return clouds.load()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_region_first(clouds: Clouds, snapshot: LoadedSnapshot, provider: str) -> None:
    """A thousand clients of a provider: their own region's mirror first, and at least two outside of
    any cloud below it."""
    asked = question(clouds.config)
    for belongs, client in clouds.clients(provider):
        selection = select(snapshot, client, asked)
        mirrors = [snapshot.mirrors[index] for index in selection.mirrors]
        assert mirrors[0].name == f"{belongs.region}.{provider}.example.org", (belongs, client)
        assert selection.reason == "region"
        assert sum(mirror.cloud_provider is None for mirror in mirrors) >= 2


def test_next_region_when_it_is_gone(clouds: Clouds) -> None:
    """The clients of a region whose mirror is unreachable get the provider's nearest one on the
    continent, then geography; all others what they had."""
    gone = ("aws", "eu-central-1")
    snapshot = clouds.load([clouds.inside[gone].name])
    asked = question(clouds.config)
    near = next(r for r in regions_by_distance(*gone) if ("aws", r) in clouds.inside)
    for belongs, client in clouds.clients("aws"):
        selection = select(snapshot, client, asked)
        region = near if belongs.region == gone[1] else belongs.region
        assert snapshot.mirrors[selection.mirrors[0]].name == f"{region}.aws.example.org"
        assert selection.passes[-1] == "geography"


def test_border_group_is_elsewhere(clouds: Clouds, snapshot: LoadedSnapshot) -> None:
    """A client in Buenos Aires' zone belongs to us-east-1, and its geography is South America's."""
    [network] = {o.name for o in clouds.overlays if o.cloud and o.cloud.border_group == "us-east-1-bue-1"}
    place = region_location("aws", "us-east-1-bue-1")
    assert place is not None and place.country == "AR"
    selection = select(snapshot, ClientClass("US/39/-78", network, 0, 4), question(clouds.config))
    names = [snapshot.mirrors[index] for index in selection.mirrors]
    assert names[0].name == "us-east-1.aws.example.org"
    first_outside = next(mirror for mirror in names if mirror.cloud_provider is None)
    assert first_outside.continent == "SA"
