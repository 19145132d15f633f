"""A small network of mirrors in a folder, to be changed by the tests as people and probers would,
and a worker that is stepped through it by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from app.model import ClientClass, Mirror, MirrorState, ProbeRound, Status
from app.request.parameters import ParameterReader
from app.request.question import Parser
from app.settings import Settings
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import StatusDocument
from app.snapshot.status import decode as decode_status
from app.store import FileStore, Store
from app.worker import memory
from app.worker.loop import Worker
from tests.builders import select
from tests.conftest import ROOT

CITY = ROOT / "data" / "geoip" / "city.mmdb"
NOON = 1_800_000_000.0
"""When tests begin, in epoch seconds; a full hour."""

CONFIG = """\
config_version: 3
versions: ["9", "9.8"]
duplicated_versions: {"9": "9.8"}
vault_versions: ["9.7"]
vault_mirror: https://vault.example.org/
arches:
  "9": [x86_64, aarch64]
repos:
  - {name: baseos, path: BaseOS/$basearch/os/}
  - {name: appstream, path: AppStream/$basearch/os/}
origin: https://repo.example.org/examplelinux/
"""

MIRROR = """\
name: {name}
address: {{https: "https://{name}/examplelinux/"}}
geolocation: {{country: {country}}}
"""

QUESTION = "9.8/baseos/x86_64"


class Network:
    """`folder`/data and `folder`/var, as the settings name them."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.var = folder / "var"
        self.mirrors = self.data / "mirrors.d"
        self.states = self.data / "state" / "mirrors"
        self.mirrors.mkdir(parents=True)
        self.config = self.data / "config.yml"
        self.config.write_text(CONFIG)

    # --- what people write ---------------------------------------------------------------------------

    def mirror(self, name: str, country: str = "DE", more: str = "") -> Path:
        path = self.mirrors / f"{name}.yml"
        path.write_text(MIRROR.format(name=name, country=country) + more)
        return path

    def several(self, count: int, country: str = "DE") -> list[str]:
        """m00.example.org and so on."""
        names = [f"m{number:02}.example.org" for number in range(count)]
        for name in names:
            self.mirror(name, country)
        return names

    def remove(self, *names: str) -> None:
        for name in names:
            (self.mirrors / f"{name}.yml").unlink()

    # --- what the prober writes ----------------------------------------------------------------------

    def state(
        self, name: str, status: Status = Status.OK, at_s: float = NOON, age_s: float = 0, **more: Any
    ) -> Path:
        """Probed at `at_s`, with content that is `age_s` old."""
        self.states.mkdir(parents=True, exist_ok=True)
        probed_at = datetime.fromtimestamp(at_s, UTC)
        state = MirrorState(
            mirror=name,
            probed_at=probed_at,
            status=status,
            timestamp=datetime.fromtimestamp(at_s - age_s, UTC),
            origin_timestamp=probed_at,
            **more,
        )
        return replaced(self.states / f"{name}.json", msgspec.json.encode(state))

    def round(self, at_s: float = NOON, took_s: float = 0, interval_s: float | None = None) -> None:
        """A complete round of probing ended."""
        done = ProbeRound(
            completed_at=datetime.fromtimestamp(at_s, UTC),
            started_at=datetime.fromtimestamp(at_s - took_s, UTC),
            interval_s=interval_s,
            mirrors=1,
            requests=10,
        )
        replaced(self.data / "state" / "round.json", msgspec.json.encode(done))

    def probed(
        self, names: Iterable[str], status: Status = Status.OK, at_s: float = NOON, **more: Any
    ) -> None:
        """A round that found the same of all these mirrors."""
        for name in names:
            self.state(name, status, at_s, **more)
        self.round(at_s)

    # --- GeoIP ---------------------------------------------------------------------------------------

    def city_database(self) -> Path:
        """A copy of the sample database, for tests to spoil."""
        path = self.data / "geoip" / "city.mmdb"
        path.parent.mkdir(exist_ok=True)
        return shutil.copyfile(CITY, path)

    # --- a worker ------------------------------------------------------------------------------------

    def settings(self, *cities: Path, asns: tuple[Path, ...] = ()) -> Settings:
        """Without `cities`, no database: nothing has to be scanned."""
        return Settings(
            data_dir=self.data, var_dir=self.var, geoip_city=cities, geoip_asn=asns, refresh_s=0.05
        )

    def store(self) -> FileStore:
        return FileStore(self.var / "store")

    def worker(
        self, store: Store | None = None, cities: tuple[Path, ...] = (), asns: tuple[Path, ...] = ()
    ) -> Worker:
        return Worker(self.settings(*cities, asns=asns), store or self.store())


def replaced(path: Path, content: bytes) -> Path:
    """Written as the prober does: a temporary file, renamed."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    return temporary.rename(path)


# --- what the store holds, as readers of it would see it -----------------------------------------------


def generation(store: Store) -> str | None:
    pointer = store.pointer()
    return pointer.generation if pointer else None


def loaded(store: Store) -> LoadedSnapshot:
    pointer = store.pointer()
    assert pointer is not None, "nothing is published"
    data = store.snapshot(pointer.generation)
    assert data is not None
    return LoadedSnapshot(pointer.generation, data)


def listed(store: Store, place: str = "DE", question: str = QUESTION) -> list[str]:
    """The names of the mirrors that a client gets, in order; none where it is sent to the origin."""
    release, repo, arch = question.split("/")
    snapshot = loaded(store)
    parser = Parser(snapshot.config, ParameterReader(snapshot.policy))
    client = ClientClass(place, network="", spread=0, family=4, private=False)
    parsed = parser.parse_list({"arch": arch, "limit": "50"}, release, repo)
    return [snapshot.mirrors[index].name for index in select(snapshot, client, parsed).mirrors]


def address(store: Store, name: str) -> str | None:
    """The HTTPS address of a mirror as published; None if it is not there at all."""
    snapshot = loaded(store)
    number = snapshot.number.get(name)
    return None if number is None else snapshot.mirrors[number].addresses["https"]


def status(store: Store) -> StatusDocument:
    data = store.status()
    assert data is not None, "there is no status document"
    return decode_status(data)


def definitions(store: Store) -> dict[str, Mirror]:
    return memory.decode(store.memory()).definitions
