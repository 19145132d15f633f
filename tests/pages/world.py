"""The network that the pages are looked at with: AlmaLinux's mirrors in every state that a mirror can be in.

Where these are not there, the sample network stands in. Mirrors with hostile texts are among them, so every
page that shows mirrors is looked at with those too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import yaml

from app.catalogue.catalogue import carries, expected_isos, expected_repos
from app.model import (
    Content,
    Endpoint,
    Image,
    ImageDirectory,
    Mirror,
    MirrorState,
    ProbeRound,
    RepomdVersion,
    ServiceConfig,
    Status,
)
from app.settings import read_settings
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.statistics import encode
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config
from app.store import FileStore, file_store
from app.worker.loop import Worker
from app.worker.running import run_once
from app.worker.statistics import Shown, statistics_of
from tests.conftest import REAL_DATA, ROOT
from tests.served import a_year
from tests.servers import SELDOM_S, environ

NOW = datetime.now(UTC).replace(microsecond=0)
MARKUP = "\"'></td></table><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"
LONG = "W" * 400
RIGHT_TO_LEFT = "\u202eمرآة\u2066 שרת\u2067 <b>\u200f"
LONG_NAME = f"mirror-{'w' * 193}"
HOSTILE: Mapping[str, dict[str, Any]] = {
    "markup.example.org": {
        "sponsor": MARKUP,
        "sponsor_url": "javascript:alert(4)",
        "geolocation": {"country": "BR", "state_province": MARKUP, "city": MARKUP},
    },
    "data.example.org": {"sponsor": "&lt;b&gt;", "sponsor_url": "data:text/html,<script>alert(5)</script>"},
    "quotes.example.org": {
        "sponsor": MARKUP,
        "sponsor_url": "https://sponsor.example.org/'onclick='alert(6)",
        "address": {"https": "https://quotes.example.org/'onclick='alert(7)'/(x)*&lt;b&gt;/"},
    },
    "right-to-left.example.org": {
        "sponsor": RIGHT_TO_LEFT,
        "sponsor_url": "https://sponsor.example.org/" + "a" * 300,
        "geolocation": {"country": "BR", "state_province": RIGHT_TO_LEFT, "city": RIGHT_TO_LEFT},
    },
    LONG_NAME: {
        "sponsor": LONG,
        "geolocation": {"country": "BR", "state_province": LONG, "city": LONG},
        "address": {"https": f"https://long.example.org/{'l' * 500}/"},
    },
}
"""What is special about the files of hostile mirrors, by the mirror's name."""

LOGO = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" onload="alert(8)">
<script>alert(9)</script><circle cx="16" cy="16" r="14" fill="#1f4f8f"/></svg>
"""


@dataclass(frozen=True)
class Health:
    """What the prober says of a mirror. `content` is the verdict on all that begins like `of`."""

    status: Status = Status.OK
    reason: str | None = None
    behind: timedelta = timedelta(hours=1)
    of: str = ""
    content: Content = Content.CURRENT


WELL = Health()
ILL: Mapping[int, Health | None] = {
    3: Health(Status.STALE, "31.2 h behind the origin", timedelta(hours=31.2), content=Content.STALE),
    7: Health(Status.UNREACHABLE, "no answer within 10 s"),
    11: Health(Status.BROKEN, "9.8/baseos/x86_64: a repomd.xml that the origin never had", of="9.8/baseos/",
               content=Content.CORRUPT),
    13: Health(Status.DEGRADED, "it lacks 1 of 69 directories: 9.8/devel/aarch64 (missing)",
               of="9.8/devel/aarch64", content=Content.MISSING),
    17: Health(behind=timedelta(hours=8), of="10", content=Content.PREVIOUS),
    18: None,
}  # fmt: skip
"""Of twenty mirrors, these are not well. Of None, the prober knows nothing."""
HOSTILE_HEALTH = Health(Status.UNREACHABLE, f"{MARKUP} {LONG}")
FACTS = (
    RepomdVersion(
        timestamp=int(NOW.timestamp()) - 7200,
        size=3000,
        seen_at=NOW - timedelta(hours=2),
        sha256="1" * 64,
        sha512="2" * 128,
    ),
)
ORIGIN = "origin: https://repo.example.org/linux/\n"
SITE = """\
site:
  title: Example <b>&</b> Linux
  home: https://www.example.org/
  logo: logo.svg
  links: {The <i>wiki</i>: "https://wiki.example.org/'x'"}
  imprint: https://www.example.org/imprint
"""


@dataclass
class World:
    """The published network: the environment of its service, and what the tests ask it for."""

    environ: dict[str, str]
    config: ServiceConfig
    mirrors: dict[str, Mirror] = field(default_factory=dict)
    #: A mirror by each thing that the prober says.
    of_status: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> FileStore:
        return file_store(Path(self.environ["MIRRORWISE_VAR"]))

    def outside(self) -> Iterator[str]:
        """The addresses outside the service that its pages may hold: those that the files name."""
        config = self.config
        yield from filter(None, (config.origin, config.vault_url, *config.module_origins.values()))
        site = config.site
        yield from filter(None, (site.home, site.imprint, *site.links.values()))
        yield from self.base_urls()
        yield from filter(None, (mirror.sponsor_url for mirror in self.mirrors.values()))

    def base_urls(self, *names: str) -> Iterator[str]:
        """The base URLs of these mirrors, or of all."""
        for name in names or self.mirrors:
            mirror = self.mirrors[name]
            for addresses in (mirror.addresses, *mirror.module_addresses.values()):
                yield from addresses.values()


def a_world(folder: Path) -> World:
    """Makes and publishes the network in an empty folder."""
    data = folder / "data"
    (data / "mirrors.d").mkdir(parents=True)
    source = REAL_DATA / "almalinux" if REAL_DATA.is_dir() else ROOT / "data"
    text = (source / "config.yml").read_text()
    more = [part for part in (ORIGIN, SITE) if f"\n{part.partition(':')[0]}:" not in text]
    (data / "config.yml").write_text("".join((text.removesuffix("...\n"), *more)))
    (data / "logo.svg").write_text(LOGO)
    for file in (source / "mirrors.d").glob("*.yml"):
        shutil.copy(file, data / "mirrors.d")
    for name, special in HOSTILE.items():
        usual = {"name": name, "address": {"https": f"https://{name}/"}, "geolocation": {"country": "BR"}}
        (data / "mirrors.d" / f"{name}.yml").write_text(yaml.safe_dump({**usual, **special}))
    config, _ = read_service_config(data / "config.yml")
    cities = str(ROOT / "data" / "geoip" / "city.mmdb")
    world = World(environ(data, folder / "var", GEOIP_CITY=cities, REFRESH_SECONDS=SELDOM_S), config)
    _probe(world, data)
    assert run_once(Worker(read_settings(world.environ), world.store))
    _count(world)
    return world


def _probe(world: World, data: Path) -> None:
    """Writes what a prober would have found out."""
    (data / "state" / "mirrors").mkdir(parents=True)
    expected = expected_repos(world.config)
    for number, path in enumerate(sorted((data / "mirrors.d").glob("*.yml"))):
        mirror, _ = read_mirror(path, world.config)
        assert mirror is not None, path
        if mirror.private:
            continue
        world.mirrors[mirror.name] = mirror
        health = HOSTILE_HEALTH if mirror.name in HOSTILE else ILL.get(number % 20, WELL)
        if mirror.name not in HOSTILE and not mirror.disabled:
            world.of_status.setdefault(health.status if health else "not probed", mirror.name)
        if health is not None:
            keys = [repo.key for repo in expected if carries(mirror, repo)]
            (data / "state" / "mirrors" / f"{mirror.name}.json").write_bytes(
                msgspec.json.encode(_state(mirror, health, keys))
            )
    facts = {repo.key: FACTS for repo in expected}
    (data / "state" / "repos.json").write_bytes(msgspec.json.encode(facts))
    images = {directory.key: _images(directory.key) for directory in expected_isos(world.config)}
    (data / "state" / "isos.json").write_bytes(msgspec.json.encode(images))
    (data / "state" / "round.json").write_bytes(msgspec.json.encode(ProbeRound(completed_at=NOW)))


def _state(mirror: Mirror, health: Health, keys: list[str]) -> MirrorState:
    answers = health.status is not Status.UNREACHABLE
    endpoint = Endpoint(ok=answers, detail=None if answers else health.reason)
    return MirrorState(
        mirror=mirror.name,
        probed_at=NOW,
        status=health.status,
        since=NOW - timedelta(hours=40),
        failures=0 if answers else 12,
        reason=health.reason,
        addresses=("198.51.100.7", "2001:db8:1:212::7"),
        timestamp=NOW - health.behind,
        origin_timestamp=NOW,
        endpoints={protocol: {"ipv4": endpoint, "ipv6": endpoint} for protocol in mirror.addresses},
        content={key: health.content if key.startswith(health.of) else Content.CURRENT for key in keys},
        isos={f"{key.split('/')[0]}/{key.split('/')[2]}": True for key in keys},
    )


def _images(key: str) -> ImageDirectory:
    """The ISO directory of the origin for a "release/arch"."""
    names = [f"Example-{key.replace('/', '-')}-{kind}.iso" for kind in ("boot", "dvd", "minimal")]
    sizes = dict(zip(names, (1_000_000_000, 12_000_000_000, None), strict=True))
    return ImageDirectory(
        checksums="CHECKSUM",
        seen_at=NOW,
        images={
            name: Image(size=size, sha256=sha256(name.encode()).hexdigest()) for name, size in sizes.items()
        },
        others=tuple(f"{name}.torrent" for name in names[1:]),
    )


def _count(world: World) -> None:
    """Publishes statistics of an invented year."""
    pointer = world.store.pointer()
    data = world.store.snapshot(pointer.generation) if pointer else None
    assert pointer is not None and data is not None
    names = [mirror.name for mirror in LoadedSnapshot(pointer.generation, data).mirrors if not mirror.private]
    planned = {name: 1 / len(names) for name in names}
    statistics = statistics_of(a_year(names, places=2000), Shown(10, names, planned), NOW)
    world.store.publish_statistics(encode(*statistics))
