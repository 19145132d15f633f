"""Watches the origin: its repomd.xml files, and the images in its ISO directories (`images`). Mirrors are
compared with the repomd.xml files, and metalinks have their checksums.

Every minute each file is asked for again, conditionally. Origins are updated in place, so a new version
counts only if two reads a few seconds apart were equal and well-formed. Such a version is written at once,
because until metalinks name it, clients refuse mirrors that have it already. Versions that were replaced
within the grace period stay in the history, newest first. An origin that does not answer changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from app.catalogue.catalogue import Directory, expected_isos, expected_repos, origin_of
from app.catalogue.versions import acceptable
from app.model import FAMILIES, Family, ImageDirectory, RepomdVersion, ServiceConfig, digest_of
from app.probe.fetch import Failure, Fault, Fetched, MirrorClient, Network, Request
from app.probe.hosts import Hosts
from app.probe.images import Asking, ImageVisit
from app.probe.records import OriginNotes, Records, Seen
from app.probe.repomd import repomd_timestamp, version_of
from app.probe.timestamp import TIMESTAMP_FILE, read_timestamp

VERSIONS_KEPT = 50

RepoVersions = dict[str, tuple[RepomdVersion, ...]]


def with_version(versions: Sequence[RepomdVersion], new: RepomdVersion) -> tuple[RepomdVersion, ...]:
    """Returns the history of a repo with a new version in front. A version that comes back (a rollback) is in
    it only once. The history has at most `VERSIONS_KEPT` versions, so that the file with all histories stays
    readable however often the origin changes."""
    return (new, *(version for version in versions if version.sha256 != new.sha256))[:VERSIONS_KEPT]


class Origin:
    """What is known of the origin, which `refresh` brings up to date. The attributes may be read at any time:
    their values are replaced, and never changed in place."""

    def __init__(
        self,
        network: Network,
        records: Records,
        versions: RepoVersions,
        images: Mapping[str, ImageDirectory],
        agent: str,
    ) -> None:
        self.versions = versions
        self.images = images
        self.faults: tuple[str, ...] = ()
        self._network = network
        self._records = records
        self._notes = records.load_origin()
        self._agent = agent
        self._confirmed: dict[str, tuple[datetime, asyncio.Future[str | None]]] = {}

    def timestamp(self, product: str | None = None) -> datetime | None:
        """Returns the time in the timestamp file of the origin, or of a product's, as it was last read."""
        return self._notes.product_timestamps.get(product) if product else self._notes.timestamp

    async def refresh(self, config: ServiceConfig, reread_after_s: float) -> tuple[str, ...]:
        """Asks for all files of the origin, and after `reread_after_s` seconds again for those that have
        changed. Returns the keys of the repos that have a new version."""
        async with self._client() as client:
            visit = _Visit(client, config, self)
            await visit.find_families()
            bodies = await visit.read(expected_repos(config), conditional=True)
            if bodies:
                await asyncio.sleep(reread_after_s)
                again = await visit.read([target for target, _ in bodies], conditional=False)
                second = {target.key: answer.body for target, answer in again}
                confirmed = [(target, read) for target, read in bodies if second.get(target.key) == read.body]
                unequal = len(bodies) - len(confirmed)
                if unequal:
                    visit.faults.append(f"{unequal} of its repomd.xml files changed while they were read")
                bodies = confirmed
            changed = self._adopt(config, visit, bodies)  # at once: the images need more time
            await self._look_at_images(config, visit, reread_after_s)
        return changed

    async def _look_at_images(self, config: ServiceConfig, visit: _Visit, reread_after_s: float) -> None:
        """Brings up to date what is known of the ISO directories, and writes what has changed."""
        looking = ImageVisit(visit.ask, self._network.clock(), reread_after_s)
        found = await looking.look(expected_isos(config), self.images, self._notes.isos)
        images = {key: one.directory for key, one in found.items() if one.directory}
        seen = {key: one.seen for key, one in found.items() if one.seen}
        notes = msgspec.structs.replace(self._notes, isos=seen)
        if looking.unread:
            self.faults = (*self.faults, _unread("ISO directories", looking.unread))
        if images != self.images or notes != self._notes:
            self._records.save_images(images, notes)
        self.images, self._notes = images, notes

    async def confirms(self, config: ServiceConfig, target: Directory, sha256: str) -> bool | None:
        """Returns whether a repo's repomd.xml at the origin has this SHA-256 now, or None if the origin does
        not answer. The origin is asked at most once a minute for each repo."""
        now = self._network.clock()
        known = self._confirmed.get(target.key)
        if known is None or now - known[0] >= timedelta(minutes=1):
            # Many mirrors may want to know at once. The first that does need not wait for the answer.
            known = self._confirmed[target.key] = now, asyncio.ensure_future(self._digest(config, target))
        found = await asyncio.shield(known[1])
        return None if found is None else found == sha256

    async def _digest(self, config: ServiceConfig, target: Directory) -> str | None:
        async with self._client() as client:
            visit = _Visit(client, config, self)
            await visit.find_families()
            bodies = await visit.read([target], conditional=False)
        return digest_of(bodies[0][1].body) if bodies else None

    def isos(self, config: ServiceConfig) -> tuple[Directory, ...]:
        """Returns the ISO directories that mirrors are asked for, each with the name of the file of checksums
        that it has at the origin."""
        return tuple(
            msgspec.structs.replace(target, checksums=known.checksums)
            if (known := self.images.get(target.key))
            else target
            for target in expected_isos(config)
        )

    def seen(self, key: str) -> Seen | None:
        """Returns the notes on the last fetch of a repo's repomd.xml, or None if that fetch did not bring the
        newest version."""
        seen = self._notes.contents.get(key)
        known = self.versions.get(key)
        return seen if seen and known and known[0].sha256 == seen.sha256 else None

    def _client(self) -> MirrorClient:
        # The operator's own config names the origin, so it may have a private address.
        resolver = self._network.resolver()
        return MirrorClient(self._network, resolver, Hosts(None), allow_private=True, agent=self._agent)

    def _adopt(
        self, config: ServiceConfig, visit: _Visit, bodies: Iterable[tuple[Directory, Fetched]]
    ) -> tuple[str, ...]:
        """Takes over the files that were read, and writes what has changed. Returns the keys of the repos
        that have a new version."""
        now = self._network.clock()
        wanted = {target.key for target in expected_repos(config)}
        versions = {key: known for key, known in self.versions.items() if key in wanted}
        contents = dict(self._notes.contents)
        changed = []
        for target, answer in bodies:
            date = repomd_timestamp(answer.body)
            if date is None:
                visit.faults.append(f"{target.file} is not a well-formed repomd.xml")
                continue
            version = version_of(answer.body, date, now)
            known = versions.get(target.key, ())
            if not known or known[0].sha256 != version.sha256:
                versions[target.key] = with_version(known, version)
                changed.append(target.key)
            contents[target.key] = Seen(
                asked_at=round(now.timestamp(), 3),
                sha256=version.sha256,
                etag=answer.etag,
                modified=answer.modified,
            )
        grace_s = config.probe.grace_s
        versions = {key: acceptable(known, now, grace_s) for key, known in versions.items()}
        notes = OriginNotes(
            timestamp=visit.timestamps.get(None, self.timestamp()),
            product_timestamps={
                product: moment
                for product in config.product_paths
                if (moment := visit.timestamps.get(product, self.timestamp(product)))
            },
            contents=contents,
            isos=self._notes.isos,
        )
        self.faults = tuple(visit.faults)
        if versions != self.versions or notes != self._notes:
            self._records.save_origin(versions, notes)
        self.versions, self._notes = versions, notes
        return tuple(changed)


class _Visit:
    """A visit to the origin and to the origins of modules."""

    def __init__(self, client: MirrorClient, config: ServiceConfig, origin: Origin) -> None:
        self.faults: list[str] = []
        #: The times in the timestamp files of the origin (by None) or of each product's (by product).
        self.timestamps: dict[str | None, datetime] = {}
        self._client = client
        self._config = config
        self._origin = origin
        self._family: dict[str, Family] = {}

    async def find_families(self) -> None:
        """Asks every origin for its timestamp file, over IPv6 only if IPv4 does not answer. An origin that
        does not answer is not asked again in this visit."""
        config = self._config
        timed: dict[str | None, str | None] = {None: config.origin}
        if config.product_paths:
            timed = {product: config.module_origins.get(product) for product in config.product_paths}
        for base in dict.fromkeys(filter(None, (*timed.values(), *config.module_origins.values()))):
            for family in FAMILIES:
                answer = await self._client.fetch(Request(url=base + TIMESTAMP_FILE, family=family))
                if isinstance(answer, Fetched) or answer.fault in (Fault.ANSWERED, Fault.SLOW):
                    self._family[base] = family
                    break
            else:
                self.faults.append(f"{base} does not answer")
            named = [name for name, url in timed.items() if url == base]
            if isinstance(answer, Fetched) and answer.status == 200 and named:
                moment = read_timestamp(answer.body, self._client.network.clock())
                if isinstance(moment, datetime):
                    self.timestamps |= dict.fromkeys(named, moment)
                else:
                    self.faults.append(f"{base}: {moment}")

    async def read(self, targets: Iterable[Directory], conditional: bool) -> list[tuple[Directory, Fetched]]:
        """Reads the repomd.xml files of these repos. Returns those that could be read; if `conditional`, only
        those that have changed."""
        found = await asyncio.gather(*(self._read_one(target, conditional) for target in targets))
        reasons = {target.key: why for target, why in found if isinstance(why, str)}
        if reasons:
            self.faults.append(_unread("repos", reasons))
        return [(target, answer) for target, answer in found if isinstance(answer, Fetched)]

    async def ask(self, target: Directory, asking: Asking) -> Fetched | Failure:
        """Sends a request to the origin of a directory, unless that did not answer before."""
        base, seen = self._origin_of(target), asking.seen
        if base is None:
            return Failure(fault=Fault.NOT_ASKED, reason="its origin does not answer")
        request = Request(
            url=base + asking.path,
            family=self._family[base],
            method=asking.method,
            etag=seen.etag if seen else None,
            modified=seen.modified if seen else None,
        )
        return await self._client.fetch(request)

    def _origin_of(self, target: Directory) -> str | None:
        """Returns the base URL of the origin of a directory; None if there is none, or it does not answer."""
        base = origin_of(self._config, target.release)
        return base if base in self._family else None

    async def _read_one(self, target: Directory, conditional: bool) -> tuple[Directory, Fetched | str | None]:
        """Reads a repomd.xml. Returns the repo with the answer, with the reason why there is none, or with
        None if the file has not changed or its origin cannot be asked."""
        if self._origin_of(target) is None:
            return target, None
        seen = self._origin.seen(target.key) if conditional else None
        answer = await self.ask(target, Asking(path=target.file, seen=seen))
        if isinstance(answer, Failure):
            return target, answer.reason
        if answer.status == 304 and seen is not None:
            return target, None
        if answer.status != 200:
            return target, f"HTTP {answer.status}"
        if conditional and seen is not None and digest_of(answer.body) == seen.sha256:
            return target, None
        return target, answer


def _unread(what: str, reasons: Mapping[str, str]) -> str:
    """Returns the words for what could not be read at the origin, by the reasons for each key."""
    examples = ", ".join(f"{key} ({why})" for key, why in reasons.items())
    return f"{len(reasons)} {what} could not be read: {examples[:300]}"
