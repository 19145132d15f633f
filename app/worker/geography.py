"""Reads the inputs that say where clients are: GeoIP databases, their places, and cloud ranges.

If a database file becomes bad, its last good copy stays in use. A new city database is scanned for its
places in a child process, which also makes the places database. Until that is done, the places of the former
database are used. Before the first scan has ended, no client has a place. The networks database is built anew
only when one of its inputs has changed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from app.clouds import PROVIDERS
from app.clouds.overlap import netblock_findings
from app.clouds.ranges import CloudRanges, decode_ranges, encode_ranges
from app.clouds.read import RANGE_ENDINGS, read_cloud_folder
from app.files import FileMark, Marks, folder_mark, listing_error, mark, marks
from app.geo import places, scan_cache
from app.geo.copies import VerifiedCopies
from app.geo.database import AsnDatabase, CityDatabase
from app.geo.following import follow_asns, follow_cities
from app.geo.networks import Networks, build_networks
from app.geo.place_scan import PlaceScan, start_scan
from app.geo.places import PlaceTable
from app.logs import Faults
from app.model import GeoError, Mirror, Severity, digest_of
from app.model.errors import fault
from app.model.prefixes import CloudRange
from app.settings import Settings
from app.sources.reach import asn_findings, by_asn
from app.sources.report import located
from app.store import Blob
from app.worker.corrections import CorrectionFiles

log = logging.getLogger("mirrorwise.worker")

_PLACES = Path("places.mmdb")
"""What stands for the source of the places database among the copies."""

RESCAN_S = 300.0
"""The pause after a place scan that failed because the disk was full or the child process was killed."""


class GeoFiles:
    """The GeoIP databases that are in use, and the places in the city database. Something that is odd but no
    fault is a remark, here and in `NetworkFiles`: remarks are logged once, and counted nowhere."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.cities: CityDatabase | None = None
        self.asns: AsnDatabase | None = None
        self.places: PlaceTable | None = None
        #: The places database that was made together with `places`.
        self.database: Blob | None = None
        self.copies = VerifiedCopies(settings.var_dir / "geoip")
        self._faults = faults
        self._remarks = Faults(log)
        self._cache_folder = settings.var_dir / "scans"
        self._followed_cities = follow_cities(settings.geoip_city, self.copies)
        self._followed_asns = follow_asns(settings.geoip_asn, self.copies, self._cache_folder)
        self._scan: PlaceScan | None = None
        self._scanned: Sequence[Path] = ()
        self._scan_again_s: float | None = None  # of the monotonic clock
        self._database_mark: FileMark | None = None

    def marks(self) -> Marks:
        sources = (*self._followed_cities.sources, *self._followed_asns.sources)
        return {str(path): mark(path) for path in sources}

    def read(self, now: float) -> None:
        """Opens databases that have changed. `now` is in epoch seconds."""
        self._followed_cities.look()
        self._followed_asns.look()
        faults = {**self._followed_cities.faults, **self._followed_asns.faults}
        texts = {source.name: text for source, text in faults.items()}
        for source in (*self._followed_cities.sources, *self._followed_asns.sources):
            self._faults.report(f"geoip/{source.name}", texts.get(source.name))
        remarks = {f"geoip/{source.name}": text for source, text in self._followed_cities.remarks.items()}
        self._remarks.replace("geoip/", remarks)
        self.cities, self.asns = self._followed_cities.database, self._followed_asns.database
        self.copies.delete_unused(now)

    @property
    def scans(self) -> dict[str, str]:
        """The keys that the results of scanning the databases in use have in the scan cache, by kind."""
        found = {"places": places.scan_key(self.cities.paths)} if self.cities else {}
        return {**found, "asn": self.asns.scan_key} if self.asns else found

    def scan(self, wait: bool = False) -> bool:
        """Starts a place scan if one is needed, or takes over its result if it has ended. Returns whether
        there are new places. With `wait`, it waits for the end of the scan."""
        if self.cities is None:
            return False
        if self._scan_again_s is not None and time.monotonic() > self._scan_again_s:
            self._scan_again_s, self._scanned = None, ()
        self._look_at_database()
        if self._scan is None and self._scanned != self.cities.paths:
            self._scanned = self.cities.paths
            known = places.load(self._scanned, self._cache_folder, self.copies)
            if known is not None:
                self.take(known)
                return True
            log.info("looking for the places in the city database; until then, %s", self._until_then)
            try:
                self._scan = start_scan(self._scanned, self._cache_folder, self.copies)
            except OSError as error:
                self._scan_failed(f"the place scan cannot be started: {error}")
        if self._scan is not None and (wait or self._scan.done()):
            return self._finish(self._scan)
        return False

    @property
    def _until_then(self) -> str:
        return "the former ones count" if self.places else "no client has a place"

    def take(self, table: PlaceTable) -> None:
        """Takes up a table of places, whose places database is among the copies. Raises OSError."""
        path = self.copies.path_of(table.database)
        self.database, self._database_mark = Blob.in_file(path, table.database), mark(path)
        self.copies.remember(_PLACES, path)
        self.places = table
        self._faults.clear("geoip/places")

    def doubt_database(self) -> None:
        """Has the places database verified at the next look."""
        self._database_mark = None

    def _look_at_database(self) -> None:
        """Notices if the places database was damaged or has gone, and then has it made again."""
        if self.database is None:
            return
        path = self.copies.path_of(self.database.digest)
        seen = mark(path)
        if seen is not None and seen == self._database_mark:
            return
        self._database_mark = seen
        if self.copies.use(self.database.digest) is None and self._scan is None:
            with suppress(OSError):  # what is damaged is not compared with what the store has
                path.unlink()
            self._faults.set("geoip/places", f"{path} is damaged or gone, so it is made again")
            self._scanned = ()

    @property
    def scan_progress(self) -> float | None:
        """The share of the running scan that is done, 0 to 1; None if no scan is running."""
        return self._scan.progress() if self._scan else None

    def close(self) -> None:
        if self._scan is not None:
            self._scan.cancel()
            self._scan = None

    def _finish(self, scan: PlaceScan) -> bool:
        self._scan = None
        try:
            found = scan.result()
            self.take(found)
        except (GeoError, OSError) as error:
            self._scan_failed(str(error))
            return False
        log.info("found %d places in the city database", len(found.names))
        return True

    def _scan_failed(self, problem: str) -> None:
        self._faults.set("geoip/places", problem)
        self._scan_again_s = time.monotonic() + RESCAN_S


class NetworkFiles:
    """The cloud ranges, and the networks database that is built from them, from the netblocks of mirrors and
    from ASNs. The last good ranges of each provider are kept on disk, for a worker that starts while a file
    is bad."""

    def __init__(self, folder: Path, var_dir: Path, faults: Faults) -> None:
        self._folder = folder
        self._kept_folder = var_dir / "cloud"
        self._faults = faults
        self._ranges: dict[str, CloudRanges] = {}
        self._marks: Marks | None = None
        self._is_kept = False
        self._readings = 0
        self._key = ""
        self._judged: object = None  # what the AS numbers were last judged by
        self._refused_asns: set[str] = set()
        self._remarks = Faults(log)
        self.networks = Networks(b"", ())

    @property
    def providers(self) -> int:
        """The number of cloud providers whose ranges are known."""
        return len(self._ranges)

    def marks(self) -> Marks:
        return {**folder_mark(self._folder), **marks(self._folder, *RANGE_ENDINGS)}

    def read(self) -> None:
        """Brings the cloud ranges up to date. A provider whose file is at fault keeps its last good
        ranges."""
        seen = self.marks()
        if seen == self._marks:
            if not self._is_kept:
                self._keep(self._ranges)
            return
        self._marks = seen
        self._readings += 1
        last = {**self._kept(), **self._ranges}
        ranges, findings = read_cloud_folder(self._folder, last)
        if findings or listing_error(self._folder):  # people who want no ranges leave the folder empty
            if last and not findings:
                findings = [fault(".", "the folder is not there, so all ranges stay as they were")]
            ranges = {**last, **ranges}
        self._faults.replace("cloud", {f.file: str(f) for f in located(findings, "cloud")})
        self._keep(ranges)
        self._ranges = ranges

    def _kept(self) -> dict[str, CloudRanges]:
        stored = (scan_cache.load(self._kept_folder, provider, "ranges") for provider in PROVIDERS)
        kept = (decode_ranges(content) for content in stored if content)
        return {ranges.provider: ranges for ranges in kept}

    def _keep(self, ranges: Mapping[str, CloudRanges]) -> None:
        """Keeps the ranges on disk. For a provider without ranges an empty file is kept, because people took
        the provider's file away."""
        try:
            for provider in PROVIDERS:
                now = ranges.get(provider)
                if self._is_kept and now == self._ranges.get(provider):
                    continue
                scan_cache.save(self._kept_folder, provider, "ranges", encode_ranges(now) if now else b"")
        except OSError as error:
            self._faults.set("var/cloud", f"the ranges are not kept for a restart: {error}")
            return
        self._is_kept = True
        self._faults.clear("var/cloud")

    def refuse(self, definitions: Mapping[str, Mirror], asns: AsnDatabase | None) -> list[Mirror]:
        """Returns the mirrors of these files. If the netblocks of a mirror claim too much, or its AS numbers
        do, the mirror is returned without them, and that is reported."""
        published = [r for ranges in self._ranges.values() for r in ranges.ranges]
        declared = [
            (file, mirror.name, mirror.subnets) for file, mirror in definitions.items() if mirror.subnets
        ]
        findings = netblock_findings(declared, published)
        self._faults.replace("netblocks/", {f"netblocks/{f.file}": str(f) for f in findings})
        netblocks = {finding.file for finding in findings}
        self._judge_asns(
            {file: mirror for file, mirror in definitions.items() if mirror.asns}, asns, published
        )
        return [
            msgspec.structs.replace(
                mirror,
                subnets=() if file in netblocks else mirror.subnets,
                asns=() if file in self._refused_asns else mirror.asns,
            )
            for file, mirror in definitions.items()
        ]

    def _judge_asns(
        self, claims: Mapping[str, Mirror], asns: AsnDatabase | None, published: Sequence[CloudRange]
    ) -> None:
        """Finds and reports the mirrors (by file) whose AS numbers claim too much, unless nothing has changed
        by which they are judged."""
        declared = {file: (mirror.asns, mirror.monopoly) for file, mirror in claims.items()}
        judged = (declared, asns.identity if asns else "", self._readings)
        if judged == self._judged:
            return
        wanted = sorted({asn for mirror in claims.values() for asn in mirror.asns})
        found = asn_findings(claims, by_asn(self._asn_prefixes(asns, wanted)), published)
        for severity, kept in ((Severity.FAULT, self._faults), (Severity.WARNING, self._remarks)):
            kept.replace("asns/", {f"asns/{f.file}": str(f) for f in found if f.severity is severity})
        self._judged, self._refused_asns = judged, {finding.file for finding in found}

    def build(
        self,
        mirrors: Sequence[Mirror],
        measured: Mapping[str, Sequence[int]],
        asns: AsnDatabase | None,
        geofeeds: CorrectionFiles,
    ) -> Networks:
        """Returns the networks database for these mirrors, which is built anew only if one of its inputs has
        changed. `measured` are the ASNs of the mirrors' addresses, by mirror name."""
        subnets = sorted((mirror.name, prefix) for mirror in mirrors for prefix in mirror.subnets)
        wanted = sorted({n for m in mirrors for n in m.asns} | {n for ns in measured.values() for n in ns})
        parts = (self._readings, geofeeds.readings, subnets, wanted, asns.identity if asns else "")
        key = digest_of(msgspec.msgpack.encode(parts))
        if key != self._key:
            self.networks = build_networks(
                [r for ranges in self._ranges.values() for r in ranges.ranges],
                subnets,
                self._asn_prefixes(asns, wanted),
                build_epoch=1,  # fixed, so that the same input has the same digest; 0 is not valid
                corrections=geofeeds.corrections,
            )
            self._key = key
        return self.networks

    def _asn_prefixes(self, asns: AsnDatabase | None, wanted: Sequence[int]) -> Sequence[tuple[str, int]]:
        """Returns the prefixes of the wanted ASNs; none without a database, or if the database turns out to
        be damaged."""
        try:
            prefixes = asns.prefixes_of(wanted) if asns else ()
        except GeoError as error:
            self._faults.set("geoip/asn prefixes", str(error))
            return ()
        self._faults.clear("geoip/asn prefixes")
        return prefixes
