"""The worker's part that writes down when mirrors came to have new versions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from app.history.database import open_history
from app.history.versions import read_carriers, read_versions
from app.model import Arrival, Content, RepomdVersion, version_name
from app.settings import Settings
from app.snapshot.propagation import PropagationDocument
from app.snapshot.statistics import decode
from app.store import FileStore, Store
from app.worker.history_writer import RETRY_S
from app.worker.statistician import UNTIL_FIRST_S
from tests.worker.conftest import StartWorker, stepped
from tests.worker.network import NOON, Network, generation, replaced

REPO = "9.8/baseos/x86_64"
HOUR_S = 3600
OLD, FIRST, SECOND = "old", "first", "second"
"""Versions of the repo in the order in which the origin had them. The oldest was there before."""
FAULT = "history/propagation"
Had = Mapping[str, Mapping[str, float]]
"""After how many hours mirrors had a version, by version."""


def digest(version: str) -> str:
    return sha256(version.encode()).hexdigest()


def origin(network: Network, **hours: float) -> None:
    """What the prober knows of the origin: its versions, with the hours after noon at which they came."""
    found = [
        RepomdVersion(
            timestamp=1,
            size=1,
            seen_at=datetime.fromtimestamp(NOON + after * HOUR_S, UTC),
            sha256=digest(name),
        )
        for name, after in hours.items()
    ]
    network.states.mkdir(parents=True, exist_ok=True)
    replaced(network.data / "state" / "repos.json", msgspec.json.encode({REPO: found[::-1]}))


def probed(network: Network, now: float, has: Mapping[str, tuple[str, float]]) -> None:
    """A round of the prober: which version each mirror has, and since how many hours after noon."""
    for name, (version, hours) in has.items():
        at_s = round(NOON + hours * HOUR_S)
        arrival = Arrival(version=version_name(digest(version)), at_s=at_s, is_exact=version != OLD)
        verdict = Content.PREVIOUS if version == OLD else Content.CURRENT
        network.state(name, at_s=now, content={REPO: verdict}, arrivals={REPO: arrival})
    network.round(now, interval_s=900.0)


def written(settings: Settings) -> Had:
    """What the database has."""
    names = {version_name(digest(version)): version for version in (OLD, FIRST, SECOND)}
    database = open_history(settings)
    with database.reading() as connection:
        mirrors = {number: mirror for mirror, number in read_carriers(connection).items()}
        found = {
            names[one.version]: {
                mirrors[mirror]: (at_s - one.origin_s) / HOUR_S
                for mirror, at_s in zip(one.mirrors.tolist(), one.at_s.tolist(), strict=True)
            }
            for one in read_versions(connection, 0)
        }
    database.close()
    return found


def published(store: Store) -> PropagationDocument | None:
    data = store.statistics()
    return decode(data).propagation if data else None


@pytest.fixture
def names(network: Network) -> list[str]:
    return network.several(3)


def test_written(network: Network, start: StartWorker, names: list[str]) -> None:
    """A version that is new at the origin is written with the mirrors that had it, as they come; what was
    there before the prober looked is not."""
    a, b, _ = names
    origin(network, old=-100)
    probed(network, NOON, dict.fromkeys(names, (OLD, -1.0)))
    worker = start()
    stepped(worker, NOON)
    origin(network, old=-100, first=1)
    probed(network, NOON + 2 * HOUR_S, {a: (FIRST, 1.5)})
    stepped(worker, NOON + 2 * HOUR_S)
    assert written(network.settings()) == {FIRST: {a: 0.5}}
    probed(network, NOON + 4 * HOUR_S, {a: (FIRST, 1.5), b: (FIRST, 4)})
    stepped(worker, NOON + 4 * HOUR_S)
    assert written(network.settings()) == {FIRST: {a: 0.5, b: 3}}
    assert worker.faults.current == {}


def test_a_mirror_that_is_seen_first(network: Network, start: StartWorker, names: list[str]) -> None:
    """A mirror may be seen with a version before the origin is: its moment is written as soon as the version
    is known to be new."""
    a, *_ = names
    origin(network, old=-100)
    probed(network, NOON, {a: (FIRST, 1)})
    worker = start()
    stepped(worker, NOON + HOUR_S)
    origin(network, old=-100, first=1.01)
    stepped(worker, NOON + 2 * HOUR_S)
    assert written(network.settings()) == {FIRST: {a: pytest.approx(-0.01, abs=0.001)}}


def test_restarts_and_another_worker(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """What was written stays as it is, also if a mirror is seen again later, and what came meanwhile is
    added."""
    a, b, _ = names
    origin(network, old=-100, first=1)
    probed(network, NOON, {a: (FIRST, 1.5)})
    worker = start()
    stepped(worker, NOON)
    worker.stop()
    origin(network, old=-100, first=1, second=5)
    probed(network, NOON + 8 * HOUR_S, {a: (SECOND, 6), b: (FIRST, 7)})
    other = start()
    stepped(other, NOON + 8 * HOUR_S)
    assert other.leading
    assert written(network.settings()) == {FIRST: {a: 0.5, b: 6}, SECOND: {a: 1}}


def spoil(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("trouble", [spoil, replace_by_folder])
def test_a_database_in_trouble(
    *, network: Network, store: FileStore, start: StartWorker, names: list[str], trouble: object
) -> None:
    """This is a fault, and what people write is published as ever. When the database is well again, all is
    written that was seen meanwhile, also of versions that are gone by then."""
    a, b, c = names
    origin(network, old=-100, first=1)
    probed(network, NOON, {a: (FIRST, 1.5)})
    worker = start()
    stepped(worker, NOON)
    path = network.var / "history.sqlite"
    good = shutil.copyfile(path, network.var / "good.sqlite")
    for rest in network.var.glob("history.sqlite-*"):
        rest.unlink()
    assert callable(trouble)
    trouble(path)
    probed(network, NOON + 2 * HOUR_S, {b: (FIRST, 2)})
    stepped(worker, NOON + 2 * HOUR_S)
    assert FAULT in worker.faults.current
    before = generation(store)
    network.mirror("new.example.org")
    origin(network, old=-100, first=1, second=5)
    probed(network, NOON + 6 * HOUR_S, {b: (SECOND, 5.5), c: (FIRST, 5.6)})
    stepped(worker, NOON + 6 * HOUR_S)
    assert generation(store) != before
    (path.rmdir if path.is_dir() else path.unlink)()
    shutil.copyfile(good, path)
    stepped(worker, NOON + 6 * HOUR_S + RETRY_S)
    assert FAULT not in worker.faults.current
    assert written(network.settings()) == {
        FIRST: {a: 0.5, b: 1, c: pytest.approx(4.6, abs=0.001)},
        SECOND: {b: 0.5},
    }


def test_published(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """How versions came to the mirrors is published also where no request was ever counted, without private
    mirrors."""
    a, b, c = names
    network.mirror(c, more="private: true\n")
    origin(network, old=-100, first=1)
    probed(network, NOON + 6 * HOUR_S, {a: (FIRST, 1.5), b: (OLD, 0), c: (FIRST, 3)})
    worker = start()
    now = NOON + 6 * HOUR_S
    stepped(worker, now)
    stepped(worker, now + UNTIL_FIRST_S)
    found = published(store)
    assert found is not None
    repo = found.of_repo(REPO)
    assert repo is not None
    assert [(one.mirrors, one.have) for one in repo.versions] == [(2, 1)]
    assert repo.lacking == (b,)
    assert {one.mirror for one in found.of_service().mirrors} == {a, b}
    assert found.of_service().interval_s == 900.0
