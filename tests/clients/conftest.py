"""One service and one small network for all real clients: every repo of its config is a scenario.

`z-good.example.org` carries them as they are at the origin. What goes wrong goes wrong on the
mirror that stands before it, because it comes first by name and all else is equal.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from app.model import (
    Content,
    Image,
    ImageDirectory,
    MirrorState,
    ProbeRound,
    RepomdVersion,
    Status,
    digest_of,
)
from tests.clients.hosts import Certificate, Host, front, has_ipv6_loopback, mirror_host
from tests.clients.repositories import build_package, make_repo, repomd_version
from tests.clients.service import Mirrorwise
from tests.once import MakeOnce

NOW = datetime.now(UTC).replace(microsecond=0)
SCENARIOS = ("fresh", "dead", "unnoticed", "stale", "behind", "damaged", "wrong")
SECURE, IPV6, ORIGIN = "secure", "ipv6", "nobody"
WITH_IMAGES = ("dead", "damaged")
"""The scenarios whose mirrors have images, as the prober believes."""
GOOD = "z-good.example.org"
ISOS = "9.8/isos/x86_64"
IMAGE = bytes(range(256)) * 4000
"""The content of both images at the origin; one mirror has something else under the name of one."""

CONFIG = """\
config_version: 3
versions: ["9", "9.8"]
duplicated_versions: {{"9": "9.8"}}
arches: {{"9": [x86_64, aarch64]}}
selection: {{spread_km: 0, origin_last: true}}
origin: '{origin}'
repos:
"""


@dataclass(frozen=True)
class Repos:
    """The same repository at three times: the package "tool" has version 3, 2 and 1 in them."""

    current: Path
    previous: Path
    stale: Path


@pytest.fixture(scope="session")
def repos(make_once: MakeOnce) -> Repos:
    ages_h = {"3": 2, "2": 48, "1": 400}

    def make(folder: Path) -> None:
        for version, age_h in ages_h.items():
            package = build_package(folder, "tool", version)
            make_repo(folder / f"repo-{version}", [package], int(NOW.timestamp()) - age_h * 3600)

    folder = make_once("repos", make)
    return Repos(*(folder / f"repo-{version}" for version in ages_h))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


class Network:
    """The data folder of a service, and the servers that play its mirrors."""

    def __init__(self, folder: Path, repos: Repos) -> None:
        self.data = folder / "data"
        self.trees = folder / "trees"
        self.hosts: dict[str, Host] = {}
        self.repos = repos
        (self.trees / GOOD).mkdir(parents=True)
        self.origin = mirror_host(self.trees / GOOD)
        (self.data / "mirrors.d").mkdir(parents=True)
        (self.data / "state" / "mirrors").mkdir(parents=True)
        every = (*SCENARIOS, SECURE, IPV6, ORIGIN)
        lines = [f"  - {{name: {name}, path: {name}/$basearch/os/}}\n" for name in every]
        (self.data / "config.yml").write_text(CONFIG.format(origin=self.origin.url) + "".join(lines))
        current = repomd_version(repos.current, seen_at=NOW - timedelta(hours=1))
        previous = repomd_version(repos.previous, seen_at=NOW - timedelta(hours=40))
        older = repomd_version(repos.stale, seen_at=NOW - timedelta(hours=400))
        facts: dict[str, list[RepomdVersion]] = {
            f"9.8/{name}/x86_64": [current, previous, older] for name in every
        }
        (self.data / "state" / "repos.json").write_bytes(msgspec.json.encode(facts))
        image = Image(size=len(IMAGE), sha256=digest_of(IMAGE))
        isos = ImageDirectory(
            checksums="CHECKSUM", seen_at=NOW, images={"rare.iso": image, "spoilt.iso": image}, others=()
        )
        (self.data / "state" / "isos.json").write_bytes(msgspec.json.encode({"9.8/x86_64": isos}))
        (self.data / "state" / "round.json").write_bytes(msgspec.json.encode(ProbeRound(completed_at=NOW)))

    def tree(self, mirror: str, repo: str, content: Path) -> Path:
        """Put a repository onto a mirror; returns the directory of the repo."""
        path = self.trees / mirror / "9.8" / repo / "x86_64" / "os"
        shutil.copytree(content, path)
        return path

    def image(self, mirror: str, name: str, content: bytes) -> None:
        """Put an image onto a mirror."""
        folder = self.trees / mirror / ISOS
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    def mirror(self, name: str, host: Host, contents: dict[str, Content]) -> None:
        """A mirror of these repos, and what the prober says of each."""
        protocol = host.url.partition(":")[0]
        self.hosts[name] = host
        (self.data / "mirrors.d" / f"{name}.yml").write_text(
            f"name: {name}\naddress: {{{protocol}: '{host.url}'}}\ngeolocation: {{country: DE}}\n"
            f"repos: [{', '.join(contents)}]\narches: [x86_64]\n"
        )
        state = MirrorState(
            mirror=name,
            probed_at=NOW,
            status=Status.OK,
            content={f"9.8/{repo}/x86_64": verdict for repo, verdict in contents.items()},
            isos={"9.8/x86_64": not contents.keys().isdisjoint(WITH_IMAGES)},
        )
        (self.data / "state" / "mirrors" / f"{name}.json").write_bytes(msgspec.json.encode(state))

    def first(self, scenario: str, content: Path, verdict: Content = Content.CURRENT) -> Path:
        """A scenario's own mirror, in front of the good one."""
        name = f"a-{scenario}.example.org"
        path = self.tree(name, scenario, content)
        self.mirror(name, mirror_host(self.trees / name), {scenario: verdict})
        return path

    def stop(self) -> None:
        for host in (self.origin, *self.hosts.values()):
            host.stop()


@pytest.fixture(scope="session")
def network(
    tmp_path_factory: pytest.TempPathFactory, repos: Repos, certificate: Certificate
) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("network"), repos)
    for scenario in (*SCENARIOS, SECURE, IPV6, ORIGIN):
        network.tree(GOOD, scenario, repos.current)
    folder = network.trees / GOOD
    network.mirror(GOOD, mirror_host(folder), dict.fromkeys(SCENARIOS, Content.CURRENT))
    secure = mirror_host(folder, tls=certificate.context)
    network.mirror("y-secure.example.org", secure, {SECURE: Content.CURRENT})
    if has_ipv6_loopback():
        network.mirror("y-ipv6.example.org", mirror_host(folder, "::1"), {IPV6: Content.CURRENT})

    network.first("fresh", repos.current)
    network.first("dead", repos.current)
    network.hosts["a-dead.example.org"].stop()
    network.first("unnoticed", repos.stale)
    network.first("stale", repos.stale, Content.STALE)
    network.first("behind", repos.previous, Content.PREVIOUS)
    damaged = network.first("damaged", repos.current)
    for path in (*damaged.glob("Packages/*.rpm"), *damaged.glob("repodata/*primary.xml*")):
        path.write_bytes(b"x" * path.stat().st_size)
    network.image(GOOD, "rare.iso", IMAGE)
    network.image(GOOD, "spoilt.iso", IMAGE)
    network.image("a-damaged.example.org", "spoilt.iso", bytes(len(IMAGE)))
    wrong = network.first("wrong", repos.current)
    (wrong / "repodata" / "repomd.xml").write_text("<html>This domain is for sale</html>\n")
    yield network
    network.stop()


@pytest.fixture(scope="session")
def service(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrorwise]:
    service = Mirrorwise(network.data, tmp_path_factory.mktemp("var"))
    yield service
    service.stop()


@pytest.fixture
def noted(service: Mirrorwise) -> Iterator[Host]:
    """A proxy before the service that notes what it was asked."""
    host = front(service.port)
    yield host
    host.stop()


@pytest.fixture
def ipv6() -> str:
    """An IPv6 address to bind to."""
    if not has_ipv6_loopback():
        pytest.skip("this machine has no IPv6 loopback")
    return "::1"
