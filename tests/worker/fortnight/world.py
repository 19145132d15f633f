"""A network of mirrors whose time is simulated: people, a prober and its origin, workers, and clients.

What is done here to a mirror is noted at once as what must be known of it afterwards: which events there are,
in which condition it was since when, and when it had a version of a repo. Workers, stores and databases are
real; the prober's files are written as the prober would write them.
"""

from __future__ import annotations

import logging
import random
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from app.logs import Faults
from app.model import (
    Arrival,
    Content,
    Endpoint,
    EventKind,
    Family,
    MirrorState,
    Protocol,
    RepomdVersion,
    Status,
    StoreError,
)
from app.past.archive import Archive
from app.past.keeper import Keeper
from app.settings import SecretUrl, Settings
from app.web import create_app
from app.worker.loop import Worker
from app.worker.pricing import Solution
from app.worker.recorder import Recorder
from tests.builders import a_repomd
from tests.web.asking import FRANKFURT, LUXEMBOURG, NEW_YORK, PROXY, TOKYO
from tests.worker.fortnight.databases import database_of
from tests.worker.network import CITY, NOON, Network, replaced

HOUR = 3600.0
HOURS = 14 * 24
MIRRORS = 60
GRACE_HOURS = 24
"""For so long, an older version of a repo is as good as the origin's newest one."""

ARCHES = ("x86_64", "aarch64")
REPOS = tuple(f"9.8/{repo}/{arch}" for repo in ("baseos", "appstream") for arch in ARCHES)
COUNTRIES = ("DE", "DE", "FR", "US", "AU", "JP")
CLIENTS = (FRANKFURT, LUXEMBOURG, TOKYO, NEW_YORK)

UP, STALE, OUT = "up", "stale", "out"
_CONDITIONS = {Status.OK: UP, Status.DEGRADED: UP, Status.STALE: STALE}


class Expected(NamedTuple):
    """An event that must be there, exactly once."""

    at_s: float
    kind: EventKind
    mirror: str | None
    before: str | None
    after: str | None
    changes_lists: bool


class Answered(NamedTuple):
    """A list as a client got it. `path` is what it asked for."""

    at_s: float
    address: str
    path: str
    generation: str
    body: bytes


@dataclass
class Found:
    """A mirror as the prober finds it."""

    status: Status | None = None
    since: float = 0.0
    #: The reason, with `{n}` for a number that is another one in each round.
    why: str | None = None
    #: What is wrong with which repo, by its key.
    lacking: dict[str, Content] = field(default_factory=dict)
    isos: dict[str, bool] = field(default_factory=lambda: {"9.8/x86_64": True})
    endpoints: dict[Protocol, dict[Family, Endpoint]] = field(default_factory=dict)
    rounds: int = 0
    #: Whether the prober asks it: no private mirror, and none that is disabled.
    is_asked: bool = True


class World:
    """The network, with its clock. One worker leads, and others may stand by."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network = network
        self.settings = settings
        self.database = database_of(settings)
        self.store = network.store()
        self.now = NOON
        self.draw = random.Random(22)
        self.found: dict[str, Found] = {}
        self.gone: dict[str, Found] = {}
        self.workers: list[Worker] = []
        #: The prices to which load prices go, by mirror.
        self.target_km: dict[str, float] = {}
        #: Which versions the origin has had, the newest first; each is one of all repos.
        self.origin: list[RepomdVersion] = []
        #: After how many hours each mirror has which version; at once if it is not here.
        self.delays: dict[int, dict[str, float]] = {}
        # --- what must be known afterwards
        self.expected: list[Expected] = []
        #: Since when each mirror was in which condition; None if it was not there, or not known.
        self.conditions: dict[str, list[tuple[float, str | None]]] = defaultdict(list)
        #: When each mirror was first seen with a version, by the version's timestamp and the mirror.
        self.had: dict[int, dict[str, float]] = defaultdict(dict)
        #: When which generation became current.
        self.published: list[tuple[float, str]] = []
        self.answered: list[Answered] = []
        self._states: dict[str, MirrorState] = {}
        self._troubles = ExitStack()
        network.states.mkdir(parents=True)
        #: What a machine keeps for questions about the past whose worker always stands by.
        self.elsewhere = Archive(network.var.parent / "elsewhere")
        self._recorder = Recorder(
            Keeper(self.elsewhere, 10**12), self.elsewhere.databases.joinpath, Faults(logging.getLogger())
        )
        self._app = create_app(settings, network.store(), follow=False)

    # --- the clock -----------------------------------------------------------------------------------

    def at(self, hours: float) -> None:
        """Puts the clock to so many hours after the beginning."""
        now = NOON + hours * HOUR
        assert now >= self.now, "time goes on"
        self.now = now

    # --- workers -------------------------------------------------------------------------------------

    def start_worker(self) -> Worker:
        """Starts a worker, behind those that run already."""
        worker = Worker(self.settings, self.network.store())
        self.workers.append(worker)
        return worker

    def stop_worker(self) -> None:
        """Ends the first worker in order."""
        self.workers.pop(0).stop()

    def kill_worker(self) -> None:
        """Ends the first worker as a crash does: it does nothing any more, and its lease ends."""
        dead = self.workers.pop(0)
        dead._store.release(dead.owner)
        dead._pricing.close()

    def let_write_nothing(self) -> None:
        """From now on, the first worker gets nothing written to the database."""
        self.workers[0]._chronicle._writer.begin = lambda *_: False  # type: ignore[method-assign]  # as if it hung

    def let_store_nothing(self) -> None:
        """From now on, the first worker's store takes nothing that it would have to remember."""

        def refuse(*_: object) -> None:
            raise StoreError("the store is full")

        store: Any = self.workers[0]._store
        store.publish = store.remember = refuse

    def look(self) -> None:
        """Lets each worker look once, with all that runs beside it waited for."""
        for worker in self.workers:
            self._step(worker)
            while worker.wait(self.now):
                self._step(worker)
            bugs = [subject for subject in worker.faults.current if subject.startswith("worker")]
            assert not bugs, worker.faults.current

    def _step(self, worker: Worker) -> None:
        """Lets a worker look, and notes what is then published. Another machine looks, too."""
        worker.step(self.now)
        self._recorder.look(self.store, self.now)
        while self._recorder.wait():
            self._recorder.look(self.store, self.now)
        pointer = self.store.pointer()
        if pointer and pointer.generation != (self.published[-1][1] if self.published else None):
            self.published.append((self.now, pointer.generation))

    def stop(self) -> None:
        self.end()
        while self.workers:
            self.stop_worker()

    # --- what people write ---------------------------------------------------------------------------

    def declare(self, name: str, more: str = "", country: str | None = None, http: bool = False) -> None:
        """Writes a mirror's file."""
        number = int(name[1:3]) if name[1:3].isdigit() else 0
        path = self.network.mirror(name, country or COUNTRIES[number % len(COUNTRIES)], more)
        if http:
            both = f'{{https: "https://{name}/examplelinux/", http: "http://{name}/examplelinux/"}}'
            lines = path.read_text().splitlines()
            path.write_text("\n".join(f"address: {both}" if "address" in li else li for li in lines) + "\n")

    def add(self, name: str, more: str = "", probed: bool = True) -> None:
        """Declares a mirror that was not there. If it was `probed`, the prober has found it well already; one
        that was there before has its last state."""
        self.declare(name, more)
        found = self.gone.pop(name, None) or Found(Status.OK if probed else None, self.now)
        self.found[name] = found
        if name not in self.conditions:
            self._write(name)
        self.conditions[name].append((self.now, _condition(found.status)))
        self.expect(EventKind.ADDED, name, None, found.status, changes=found.status is not None)

    def edit(self, name: str, more: str, before: str | None, after: str | None, **others: Any) -> None:
        """Declares a mirror anew, with `more` in its file. The words are those of the event; `others` are
        those of `declare`, and `changes`."""
        self.expect(EventKind.DECLARED, name, before, after, others.pop("changes", True))
        self.declare(name, more, **others)
        found, is_asked = (
            self.found[name],
            not any(key in more for key in ("private: true", "disabled: true")),
        )
        if is_asked is not found.is_asked:
            was, now = (found.status, None) if found.is_asked else (None, found.status)
            self.expect(EventKind.STATUS, name, was, now, changes="disabled" in f"{before}")
            self.conditions[name].append((self.now, _condition(found.status) if is_asked else None))
            found.is_asked = is_asked

    def remove(self, name: str) -> None:
        """Removes a mirror's file. The prober asks it no more, and leaves its state as it is."""
        self.network.remove(name)
        self.gone[name] = self.found.pop(name)
        self.conditions[name].append((self.now, None))
        self.expect(EventKind.REMOVED, name, self.gone[name].status, None)

    # --- what the prober finds -----------------------------------------------------------------------

    def find(self, name: str, status: Status, why: str | None = None, changes: bool = True) -> None:
        """Has the prober find a status and reason that are not those of before, in the round to come."""
        found = self.found[name]
        self.expect(EventKind.STATUS, name, found.status, status, changes)
        if status is not found.status:
            found.since = self.now
            self.conditions[name].append((self.now, _condition(status)))
        found.status, found.why, found.rounds = status, why, 0

    def lack(
        self,
        name: str,
        before: str | None,
        after: str | None,
        lacking: Mapping[str, Content],
        isos: bool = True,
    ) -> None:
        """Has the prober find that a mirror lacks just these repos, and the ISOs for x86_64 unless `isos`.
        The words are those of the event."""
        found = self.found[name]
        found.lacking, found.isos = dict(lacking), {"9.8/x86_64": isos}
        self.expect(EventKind.CONTENT, name, before, after)
        status = Status.DEGRADED if lacking or not isos else Status.OK
        if status is not found.status:
            self.find(name, status, None if status is Status.OK else "it lacks {n} of 6 directories")

    def release(self, late: Mapping[str, float] | None = None) -> None:
        """Has the origin publish a new version of all repos. `late` says after how many hours which mirrors
        ("m01") have it; all others have it after 1 to 20 hours."""
        digits = f"{int(self.now):016x}"
        version = a_repomd(int(self.now), seen_at=_moment(self.now), sha256=digits * 4, sha512=digits * 8)
        self.origin.insert(0, version)
        self.delays[version.timestamp] = {
            name: (late or {}).get(name.partition(".")[0], self.draw.randint(1, 20))
            for name in sorted(self.found)
        }

    def probe(self) -> None:
        """A round of the prober: it has just asked all mirrors, and the workers look."""
        repos = msgspec.json.encode(dict.fromkeys(REPOS, tuple(self.origin)))
        path = self.network.states.parent / "repos.json"
        if not path.exists() or path.read_bytes() != repos:
            replaced(path, repos)
        for name in self.found:
            self._write(name)
        self.network.round(self.now, interval_s=HOUR)
        self.look()

    def content(self, name: str) -> dict[str, Content]:
        """What the prober finds of each repo of a mirror."""
        found, newest = self.found[name], self.origin[0]
        down = found.status in (Status.UNREACHABLE, Status.BROKEN)
        has = self.now >= newest.timestamp + HOUR * self.delays.get(newest.timestamp, {}).get(name, 0.0)
        if has and not down:
            self.had[newest.timestamp].setdefault(name, self.now)
        known = name in self.had[newest.timestamp]
        return dict.fromkeys(REPOS, Content.CURRENT if known else Content.PREVIOUS) | found.lacking

    def arrivals(self, name: str) -> dict[str, Arrival]:
        """What the prober knows of the newest version that a mirror has. One that came later may have had it
        for long."""
        newest = self.origin[0]
        at_s = self.had[newest.timestamp].get(name)
        if at_s is None or newest.name is None:
            return {}
        is_exact = name in self.delays[newest.timestamp]
        return dict.fromkeys(REPOS, Arrival(version=newest.name, at_s=int(at_s), is_exact=is_exact))

    def state(self, name: str) -> MirrorState:
        """The content of a mirror's state file."""
        found = self.found[name]
        assert found.status is not None
        found.rounds += 1
        age_s = HOUR * (13 + found.rounds) if found.status is Status.STALE else 0.0
        return MirrorState(
            mirror=name,
            probed_at=_moment(self.now),
            status=found.status,
            since=_moment(found.since),
            reason=found.why.format(n=found.rounds + 1) if found.why else None,
            failures=found.rounds + 1 if found.status is Status.UNREACHABLE else 0,
            timestamp=_moment(self.now - age_s),
            origin_timestamp=_moment(self.now),
            endpoints=found.endpoints,
            content=self.content(name),
            arrivals=self.arrivals(name),
            isos=found.isos,
        )

    def _write(self, name: str) -> None:
        """Writes a mirror's state file. That of a mirror that is as it was stays, which saves time."""
        if self.found[name].status is None or not self.found[name].is_asked:
            return
        state = self.state(name)
        former = self._states.get(name)
        times = {"probed_at": None, "timestamp": None, "origin_timestamp": None}
        if former is None or msgspec.structs.replace(state, **times) != msgspec.structs.replace(
            former, **times
        ):
            self._states[name] = state
            replaced(self.network.states / f"{name}.json", msgspec.json.encode(state))

    # --- clients -------------------------------------------------------------------------------------

    def ask(self, address: str, path: str = "/mirrorlist/9/baseos?arch=x86_64") -> None:
        """Has a client ask the service, and notes what it gets."""
        current = self._app.extensions["mirrorwise"]
        current.refresh()
        target = f"{path}&ip={address}"
        response = self._app.test_client().get(target, environ_overrides={"REMOTE_ADDR": PROXY})
        assert response.status_code == 200, response.get_data()
        generation = current.serving.snapshot.generation
        self.answered.append(Answered(self.now, address, path, generation, response.get_data()))

    # --- what must be known --------------------------------------------------------------------------

    def expect(
        self, kind: EventKind, mirror: str, before: str | None, after: str | None, changes: bool = True
    ) -> None:
        self.expected.append(Expected(self.now, kind, mirror, before, after, changes))

    def availability(self, name: str, until: float) -> float | None:
        """The share of the known time in which a mirror answered; None if nothing is known of it."""
        times: dict[str | None, float] = defaultdict(float)
        spans = [*self.conditions[name], (until, None)]
        for (begins, condition), (ends, _) in pairwise(spans):
            times[condition] += ends - begins
        known = sum(times[condition] for condition in (UP, STALE, OUT))
        return (times[UP] + times[STALE]) / known if known else None

    def delays_s(self, version: RepomdVersion) -> Mapping[str, float]:
        """How long after the origin each mirror was first seen with a version."""
        return {name: at_s - version.timestamp for name, at_s in self.had[version.timestamp].items()}

    # --- trouble that lasts -------------------------------------------------------------------------

    def begin(self, trouble: AbstractContextManager[None]) -> None:
        """Begins a trouble that lasts until `end`."""
        self._troubles.enter_context(trouble)

    def end(self) -> None:
        self._troubles.close()

    def empty_store(self) -> None:
        """The store loses all that it has, as a Redis without persistence does."""
        for path in self.store.directory.iterdir():
            if path.name != "lease.lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def solved(self, *_: object) -> Solution:
        """Stands for the computing of load prices."""
        return Solution(dict(self.target_km), is_overloaded=False)


def _condition(status: Status | None) -> str | None:
    return None if status is None else _CONDITIONS.get(status, OUT)


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


@contextmanager
def a_world(network: Network, history_url: str | None) -> Iterator[World]:
    """A world before its beginning."""
    url = SecretUrl(history_url) if history_url else None
    settings = msgspec.structs.replace(network.settings(CITY), history_url=url)
    world = World(network, settings)
    yield world
    world.stop()
