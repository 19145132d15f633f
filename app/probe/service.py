"""Runs the prober: one round, or rounds for ever. Meanwhile it looks at the origin every minute."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from app.catalogue.catalogue import expected_repos, vault_samples
from app.files import guarded, is_gone
from app.model import Mirror, ProbeRound, ServiceConfig, Severity, SourceError, Status
from app.probe.fetch import Network
from app.probe.hosts import Hosts
from app.probe.origin import Origin
from app.probe.records import Records, RecordsError
from app.probe.report import RoundTally, explain, progress
from app.probe.round import Round, chosen
from app.probe.sharing import Sharing
from app.probe.surroundings import MIRROR_S, Surroundings
from app.probe.visits import Result, Visits
from app.sources.folder import DataFolder
from app.sources.people_files import PeopleFiles
from app.sources.probe_state import read_images, read_repo_versions
from app.store import Store

log = logging.getLogger("mirrorwise.probe")

_T = TypeVar("_T")

_NAMED_MIRROR_S = 600.0
"""The seconds that a mirror may take if the operator named it, because then everything about the mirror is to
be found out."""


@dataclass(frozen=True)
class ProbeOptions:
    """The options of the command `mirrorwise probe`."""

    data_dir: Path
    #: The time from round to round; None for one round.
    every_s: float | None = None
    #: Whether every mirror is asked for all contents, with unconditional requests.
    full: bool = False
    #: If set, only these mirrors are asked, whatever their budget, private ones too.
    names: tuple[str, ...] = ()
    verbose: bool = False
    #: The folder for what is measured, if that is to be kept apart from the data folder.
    records_dir: Path | None = None
    #: The name under which this machine shares what it found.
    machine: str = ""


@dataclass(frozen=True)
class Pace:
    """The times that the prober waits."""

    #: The time before a second try.
    retry_after_s: float = 60.0
    #: The time between two reads of a new version at the origin.
    reread_after_s: float = 5.0
    #: The time between two looks at the origin.
    origin_every_s: float = 60.0
    #: The time between two moments at which what was found is shared.
    share_every_s: float = 30.0


def run_probe(
    options: ProbeOptions,
    network: Network | None = None,
    pace: Pace | None = None,
    console: Console | None = None,
    store: Store | None = None,
) -> int:
    """Runs the prober. Returns the exit code: 0 if all went well, 1 if the input is at fault or a mirror that
    was asked for by name is not ok, 2 if no mirror has that name. SIGTERM and Ctrl-C end it cleanly."""
    _allow_open_files()
    prober = Prober(options, network or Network(), pace or Pace(), console or Console(), store)
    try:
        return asyncio.run(prober.run())
    except (SourceError, RecordsError) as error:
        log.error("%s", error)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0


def _allow_open_files() -> None:
    """Raises the usual limit of 1,024 open files as far as the system allows, because hundreds of slow
    mirrors may be connected at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass
class Prober:
    """The prober as it runs: its options, its files, and the counts of requests to hosts."""

    options: ProbeOptions
    network: Network
    pace: Pace
    console: Console
    #: The store through which workers on other machines learn what was found; None if there are none.
    store: Store | None = None
    visits: Visits = field(default_factory=Visits)
    hosts: Hosts = field(default_factory=lambda: Hosts(None))
    records: Records = field(init=False)
    files: PeopleFiles = field(init=False)
    config: ServiceConfig = field(init=False)
    mirrors: dict[str, Mirror] = field(init=False)
    #: The results of the last round, of a prober that runs only one.
    results: list[Result] = field(default_factory=list)
    sharing: Sharing | None = field(init=False)

    def __post_init__(self) -> None:
        options = self.options
        folder = DataFolder(options.records_dir or options.data_dir)
        self.records = Records(folder)
        self.files = PeopleFiles(DataFolder(options.data_dir))
        self.sharing = Sharing(folder, self.store, options.machine) if self.store else None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None and threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        await self._read_files()
        unknown = [name for name in self.options.names if name not in self.mirrors]
        if unknown:
            log.error(
                "there is no mirror of the name %s among the %d mirror files that can be used",
                ", ".join(unknown),
                len(self.mirrors),
            )
            return 2
        versions = self._known(self.records.folder.repos, read_repo_versions)
        images = self._known(self.records.folder.images, read_images)
        origin = Origin(self.network, self.records, versions, images, user_agent(self.config))
        if self.config.origin is None and not self.config.module_origins:
            log.warning("config.yml names no origin: contents cannot be compared, only looked for")
        watch = asyncio.create_task(self._watch(origin, first := asyncio.Event()))
        sharing = asyncio.create_task(self._share_again_and_again())
        try:
            if self.options.every_s is None:
                await first.wait()
            else:
                with suppress(TimeoutError):  # an origin that is slow delays no round
                    await asyncio.wait_for(first.wait(), self.pace.origin_every_s)
            return await self._rounds(origin)
        finally:
            watch.cancel()
            sharing.cancel()
            await asyncio.gather(watch, sharing, return_exceptions=True)
            await self._share()

    async def _rounds(self, origin: Origin) -> int:
        """Runs all rounds, and returns the exit code. Each round starts on time, however long mirrors take.
        If a round fails, the failure is logged, and the next round tries again."""
        next_s = time.monotonic()
        while self.options.every_s is not None:
            next_s = max(next_s, time.monotonic()) + self.options.every_s
            try:
                await self._round(origin, next_s - time.monotonic())
            except RecordsError as error:
                log.error("the round could not be finished: %s", error)
            except Exception:
                log.exception("the round could not be finished")
            await asyncio.sleep(next_s - time.monotonic())
            await self._read_files()
        self.results = await self._round(origin)
        if not self.options.names:
            return 0
        return 0 if all(r.state is not None and r.state.status is Status.OK for r in self.results) else 1

    async def _round(self, origin: Origin, within_s: float | None = None) -> list[Result]:
        self.records.prepare()
        mirrors = chosen(self.mirrors.values(), self.options.names)
        tally = RoundTally()
        started_at, started = self.network.clock(), time.monotonic()
        with progress(self.console, len(mirrors), tally) as on_result:
            results = await Round(
                around=self._surroundings(origin),
                records=self.records,
                origin_timestamp=origin.timestamp,
                retry_after_s=self.pace.retry_after_s,
                named=bool(self.options.names),
                on_result=on_result,
                visits=self.visits,
            ).run(mirrors, within_s)
        for result in results if self.options.names else ():
            explain(self.console, result, self.options.verbose)
        if not self.options.names and self.visits.have_ended(mirrors):
            self.records.save_round(
                ProbeRound(
                    started_at=started_at,
                    completed_at=self.network.clock(),
                    interval_s=self.options.every_s,
                    mirrors=tally.done,
                    requests=tally.requests,
                )
            )
        log.info("%s", tally.line(time.monotonic() - started, origin.faults, self.visits.left()))
        await self._share()
        return results

    def _surroundings(self, origin: Origin) -> Surroundings:
        config = self.config
        self.hosts.budget = None if self.options.names else config.probe.requests_per_hour
        return Surroundings(
            config=config,
            network=self.network,
            resolver=self.network.resolver(),
            hosts=self.hosts,
            repos=expected_repos(config),
            isos=origin.isos(config),
            vault=vault_samples(config),
            versions=lambda: origin.versions,
            confirms=partial(origin.confirms, config),
            agent=user_agent(config),
            interval_s=self.options.every_s,
            full=self.options.full,
            mirror_s=_NAMED_MIRROR_S if self.options.names else MIRROR_S,
        )

    async def _watch(self, origin: Origin, first: asyncio.Event) -> None:
        """Refreshes what is known of the origin, again and again. Sets `first` after the first time."""
        while True:
            await self._look_at(origin)
            first.set()
            await asyncio.sleep(self.pace.origin_every_s)

    async def _look_at(self, origin: Origin) -> None:
        before, images = origin.faults, origin.images
        try:
            changed = await origin.refresh(self.config, self.pace.reread_after_s)
        except RecordsError as error:
            log.error("the origin could not be looked at: %s", error)
            return
        except Exception:
            log.exception("the origin could not be looked at")
            return
        if changed:
            log.info("the origin has new versions of %d repos", len(changed))
        if origin.images != images:
            log.info("the origin's images have changed: they are known in %d directories", len(origin.images))
        if origin.faults != before:
            log.warning("origin: %s", "; ".join(origin.faults) or "all is well again")

    async def _share_again_and_again(self) -> None:
        while True:
            await self._share()
            await asyncio.sleep(self.pace.share_every_s)

    async def _share(self) -> None:
        """Shares what was found up to now. A bug in that stops no round."""
        try:
            if self.sharing is not None:
                await asyncio.to_thread(self.sharing.share, self.mirrors.values())
        except Exception:
            log.exception("what was found could not be shared")

    async def _read_files(self) -> None:
        """Brings config and mirrors up to date. If a file is at fault, its last good definition counts, and
        the log says so. Raises SourceError if there has never been a good config."""
        self.config = await asyncio.to_thread(self.files.read)
        self.mirrors = self.files.mirrors
        for finding in self.files.findings:
            if finding.severity is Severity.FAULT:
                log.warning("the last good definition stays, if there is one: %s", finding)

    def _known(self, path: Path, read: Callable[[Path], dict[str, _T]]) -> dict[str, _T]:
        """Returns what an earlier run found at the origin. A damaged file counts as none."""
        try:
            return {} if is_gone(path) else guarded(read, path)
        except SourceError as error:
            log.warning("%s", error)
            return {}


def user_agent(config: ServiceConfig) -> str:
    """Returns the User-Agent of the prober: the name of the project, and where to find its operator."""
    contact = config.probe.contact_url or config.origin
    return f"mirrorwise-probe (+{contact})" if contact else "mirrorwise-probe"
