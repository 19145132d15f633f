"""Builds small networks for tests: mirrors, a service config, places, and the snapshots of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import floor
from typing import Any

import msgspec
import numpy as np

from app.answer.lists import MirrorLists, Selection
from app.geo.networks import KnownNetwork, Netblock
from app.geo.places import PlaceTable
from app.model import (
    ClientClass,
    Cloud,
    Coordinates,
    Endpoint,
    Family,
    Image,
    ImageDirectory,
    Mirror,
    MirrorState,
    ProbeRound,
    Protocol,
    Repo,
    RepomdVersion,
    SelectionPolicy,
    ServiceConfig,
    Status,
)
from app.model.network import CloudRegion, parse_network
from app.request.parameters import ParameterReader
from app.request.question import Parser, Question
from app.snapshot.compile import Inputs, MirrorLocation, compile_snapshot
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.networks import ClientNetworks
from app.snapshot.schema import Snapshot, encode, generation_of

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
ROUND = ProbeRound(completed_at=NOW)

TOWNS: dict[str, tuple[str, float, float]] = {
    "frankfurt": ("DE", 50.11, 8.68),
    "munich": ("DE", 48.14, 11.58),
    "strasbourg": ("FR", 48.57, 7.75),
    "paris": ("FR", 48.86, 2.35),
    "luxembourg": ("LU", 49.61, 6.13),
    "istanbul": ("TR", 41.01, 28.98),
    "new york": ("US", 40.71, -74.01),
    "ashburn": ("US", 39.04, -77.49),
    "san francisco": ("US", 37.77, -122.42),
    "sao paulo": ("BR", -23.55, -46.63),
    "tokyo": ("JP", 35.68, 139.69),
    "sydney": ("AU", -33.87, 151.21),
}


def cell(town: str) -> str:
    """The place of a client in this town."""
    country, latitude, longitude = TOWNS[town]
    return f"{country}/{floor(latitude)}/{floor(longitude)}"


def a_config(**changes: Any) -> ServiceConfig:
    """A service config with one of everything that it may have."""
    settings: dict[str, Any] = {
        "releases": ("9.8", "10-kitten"),
        "aliases": {"9": "9.8"},
        "vault_releases": ("9.7",),
        "arches": {
            "9.8": ("x86_64", "aarch64", "s390x"),
            "9.7": ("x86_64", "aarch64"),
            "10-kitten": ("x86_64", "aarch64"),
        },
        "repos": (
            Repo(name="baseos", path="BaseOS/$basearch/os/"),
            Repo(name="appstream", path="AppStream/$basearch/os/"),
            Repo(name="extras", path="extras/$basearch/os/"),
            Repo(name="nfv", path="NFV/$basearch/os/", arches=("x86_64",), releases=("9.8",)),
            Repo(name="sources", path="sources/", releases=("9.8",)),
            Repo(name="baseos-debug", path="BaseOS/debug/$basearch/", vault=True),
        ),
        "modules": {"10-kitten": "kitten"},
        "vault_url": "https://vault.example.org/",
        "origin": "https://origin.example.org/alma/",
        "module_origins": {"kitten": "https://origin.example.org/kitten/"},
    }
    return ServiceConfig(**{**settings, **changes})


def without_origin(**changes: Any) -> ServiceConfig:
    return a_config(**{"origin": None, "module_origins": {}, **changes})


def policy(**changes: Any) -> SelectionPolicy:
    return SelectionPolicy(**changes)


QUIET = policy(spread_km=0.0)  # no noise: order by cost alone
AWS = KnownNetwork(name="aws:eu-central-1", cloud=CloudRegion("aws", "eu-central-1"))
AS64500 = KnownNetwork(name="AS64500", asn=64500)


def a_mirror(name: str, town: str | None = None, **changes: Any) -> Mirror:
    """A public mirror `<name>.example.org`, in a town if one is given."""
    host = f"{name}.example.org"
    settings: dict[str, Any] = {
        "name": host,
        "addresses": {"https": f"https://{host}/alma/", "http": f"http://{host}/alma/"},
    }
    if town is not None:
        country, latitude, longitude = TOWNS[town]
        settings["country"] = country
        settings["coordinates"] = Coordinates(latitude=latitude, longitude=longitude)
    return Mirror(**{**settings, **changes})


def in_cloud(name: str, town: str | None, provider: str, *regions: str, **changes: Any) -> Mirror:
    return a_mirror(name, town, cloud=Cloud(provider=provider, regions=regions), **changes)


def a_state(
    name: str, status: Status = Status.OK, age: timedelta = timedelta(0), **changes: Any
) -> MirrorState:
    """The prober's state of `<name>.example.org`; `age` is how far it is behind the origin."""
    settings: dict[str, Any] = {
        "mirror": f"{name}.example.org",
        "probed_at": NOW,
        "status": status,
        "timestamp": NOW - age,
        "origin_timestamp": NOW,
    }
    return MirrorState(**{**settings, **changes})


def endpoints(
    *, ipv4: bool | None = None, ipv6: bool | None = None
) -> dict[Protocol, dict[Family, Endpoint]]:
    """The endpoints of https, with whether each family works; None if it was not tried."""
    found: list[tuple[Family, bool | None]] = [("ipv4", ipv4), ("ipv6", ipv6)]
    return {"https": {family: Endpoint(ok=ok) for family, ok in found if ok is not None}}


def a_repomd(timestamp: int = 1_795_000_000, **changes: Any) -> RepomdVersion:
    settings: dict[str, Any] = {
        "timestamp": timestamp,
        "size": 4321,
        "seen_at": NOW,
        "sha256": f"{timestamp:064x}",
        "sha512": f"{timestamp:0128x}",
    }
    return RepomdVersion(**{**settings, **changes})


def an_image_directory(*names: str, **changes: Any) -> ImageDirectory:
    """An ISO directory with these images, each with a checksum of its own, and without an index."""
    images = {name: Image(size=5_000_000, sha256=f"{number:064x}") for number, name in enumerate(names, 1)}
    return ImageDirectory(**{"checksums": "CHECKSUM", "seen_at": NOW, "images": images, **changes})


def place_table(cells: Mapping[str, tuple[float, float]]) -> PlaceTable:
    """A table of cells, given by name, with the same number of clients in each."""
    names = sorted(cells)
    ones = np.ones(len(names))
    return PlaceTable(
        names=names,
        latitude=np.array([cells[name][0] for name in names], np.float64),
        longitude=np.array([cells[name][1] for name in names], np.float64),
        ipv4_addresses=ones,
        ipv6_netblocks=ones,
        clients=ones,
        database="0" * 64,
    )


TOWN_CELLS = {cell(town): (latitude, longitude) for town, (_, latitude, longitude) in TOWNS.items()}


@dataclass(frozen=True)
class Network:
    """A network with all that a compile needs, and defaults. `states` are those that the prober knows."""

    mirrors: Sequence[Mirror]
    config: ServiceConfig = field(default_factory=a_config)
    states: Iterable[MirrorState] = ()
    last_round: ProbeRound | None = None
    cells: Mapping[str, tuple[float, float]] = field(default_factory=lambda: TOWN_CELLS)
    overlays: Sequence[KnownNetwork] = ()
    measured_asns: Mapping[str, Sequence[int]] = field(default_factory=dict)
    repomd: Mapping[str, tuple[RepomdVersion, ...]] = field(default_factory=dict)
    images: Mapping[str, ImageDirectory] = field(default_factory=dict)
    load_km: Mapping[str, float] = field(default_factory=dict)

    def compile(self) -> Snapshot:
        mirrors = sorted(self.mirrors, key=lambda mirror: mirror.name)
        locations = {
            mirror.name: MirrorLocation(coordinates=mirror.coordinates, country=mirror.country)
            for mirror in mirrors
        }
        return compile_snapshot(
            Inputs(
                config=self.config,
                mirrors=mirrors,
                locations=locations,
                states={state.mirror: state for state in self.states},
                last_round=self.last_round,
                places=place_table(self.cells),
                networks=ClientNetworks(overlays=self.overlays, measured_asns=self.measured_asns),
                repomd=self.repomd,
                images=self.images,
                load_km=self.load_km,
            )
        )

    def load(self) -> LoadedSnapshot:
        """The snapshot as the web process gets it: compiled, encoded and decoded."""
        data = encode(self.compile())
        return LoadedSnapshot(generation_of(data), data)


def load(*mirrors: Mirror, **others: Any) -> LoadedSnapshot:
    return Network(mirrors=mirrors, **others).load()


def an_overlay(name: str, **changes: Any) -> KnownNetwork:
    """An overlay with the cloud region that is in its name."""
    return msgspec.structs.replace(KnownNetwork(name=name, cloud=parse_network(name).cloud), **changes)


def netblock(prefix: str, *names: str) -> Netblock:
    """A subnet that these mirrors (`<name>.example.org`) declare."""
    return Netblock(prefix=prefix, mirrors=tuple(sorted(f"{name}.example.org" for name in names)))


def a_client(town: str = "frankfurt", **changes: Any) -> ClientClass:
    """The class of an IPv4 client in a town, of spread 0 and in no known network."""
    return ClientClass(**{"place": cell(town), "network": "", "spread": 0, "family": 4, **changes})


def question(config: ServiceConfig, repo: str = "baseos", release: str = "9", **parameters: str) -> Question:
    parser = Parser(config, ParameterReader(config.selection))
    return parser.parse_list({"arch": "x86_64", **parameters}, release, repo)


def ask(snapshot: LoadedSnapshot, client: ClientClass, repo: str = "baseos", **parameters: str) -> Selection:
    """The selection of a client. `parameters` are as in a URL; by default, release is 9, arch x86_64."""
    return select(snapshot, client, question(snapshot.config, repo, **parameters))


@lru_cache(maxsize=4)
def lists_of(snapshot: LoadedSnapshot) -> MirrorLists:
    """The `MirrorLists` of a snapshot. The last few are kept, with what they remember."""
    return MirrorLists(snapshot)


def select(snapshot: LoadedSnapshot, client: ClientClass, asked: Question) -> Selection:
    """The selection of a client for a question."""
    return lists_of(snapshot).select(client, asked)


def served(snapshot: LoadedSnapshot, selection: Selection) -> list[tuple[str, str]]:
    """The mirrors served, in order, each as (mirror without its domain, pass)."""
    return [
        (snapshot.mirrors[index].name.removesuffix(".example.org"), pass_)
        for index, pass_ in zip(selection.mirrors, selection.passes, strict=True)
    ]


def listed(
    snapshot: LoadedSnapshot, client: ClientClass, repo: str = "baseos", **parameters: str
) -> list[str]:
    """The mirrors that a client gets, in order, without their domain."""
    return [name for name, _ in served(snapshot, ask(snapshot, client, repo, **parameters))]


def named(*names: str, reason: str) -> list[tuple[str, str]]:
    """Mirrors of one pass, as `served` returns them."""
    return [(name, reason) for name in names]
