"""Keeps generations in the folder of the past: writes what is new and removes what is too old or too much.

The first snapshot of a day stands alone. The first one of each other hour is packed against that, and all
others against the first one of their hour: then what one is packed against is kept for longer than itself.
Several workers may keep the same in one folder: what one has written, the other finds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from app.files import remove_abandoned, replace
from app.past.archive import Archive, KeptGeneration, is_digest, seconds_of, stamp_of
from app.past.packing import PastError, compressed, header_of, pack, pack_snapshot
from app.past.thinning import DAY_S, HOUR_S, Footprint, surplus

UNCLAIMED_S = 3600.0
"""A database that no generation needs is removed after this time. Another worker may have written it just
now, before the snapshot."""
NEXT_S = 0.001


class Sighting(NamedTuple):
    """A generation that is current now, with what is known of its time."""

    generation: str
    snapshot: bytes
    #: The digests of the databases that it needs.
    databases: tuple[str, ...]
    published_at_s: float
    #: The moment at which the generation was seen for the first time.
    seen_at_s: float
    #: The generation that was current until then; None if others may have been in between.
    follows: str | None


class Keeper:
    """The writer of an archive. It may be used by one thread at a time."""

    def __init__(self, archive: Archive, limit_bytes: int) -> None:
        self._archive = archive
        self._limit_bytes = limit_bytes
        self._needed: dict[str, tuple[str, ...]] = {}  # the databases that a generation needs, by its name

    def keep(self, seen: Sighting, database: Callable[[str], bytes | None]) -> None:
        """Keeps a generation, unless it is the last one that is kept already. `database` reads a database by
        its digest. Raises OSError, or what `database` raises; then nothing is kept of it."""
        kept = self._archive.kept()
        latest = kept[-1] if kept else None
        if latest is not None and latest.generation == seen.generation:
            return
        since_s = _begin_of(seen, latest)
        if latest is not None and latest.generation == seen.follows:
            self._write_until(latest, since_s)
        for digest in seen.databases:
            self._keep_database(digest, database)
        one = KeptGeneration(f"{stamp_of(since_s)}-{seen.generation}", seen.generation, since_s)
        base = _base_of(one, kept)
        path = self._archive.path_of(base) if base else None
        pack_snapshot(self._archive.path_of(one), seen.snapshot, seen.databases, path)
        self.thin(seen.seen_at_s)

    def keep_status(self, generation: str, status: bytes, now_s: float) -> None:
        """Keeps the status document of this moment beside the generation that is current. Raises OSError."""
        kept = self._archive.kept()
        if not kept or kept[-1].generation != generation:
            return  # it could not be kept
        first = _base_of(kept[-1], kept) or kept[-1]
        base = next((name for _, name in first.statuses), None)
        folder = self._archive.generations
        path = folder / f"{kept[-1].name}.{stamp_of(now_s)}.status"
        pack(path, status, folder / base if base else None)
        self.thin(now_s)

    def note_until(self, generation: str, now_s: float) -> None:
        """Notes that a generation is still current. Raises OSError."""
        kept = self._archive.kept()
        if kept and kept[-1].generation == generation:
            self._write_until(kept[-1], now_s)

    def _write_until(self, kept: KeptGeneration, until_s: float) -> None:
        if until_s > self._archive.until_s(kept):
            replace(self._archive.until_path(kept), stamp_of(until_s).encode())

    def _keep_database(self, digest: str, database: Callable[[str], bytes | None]) -> None:
        path = self._archive.databases / digest
        if path.is_file():
            return
        content = database(digest)
        if content is None:
            raise PastError(f"the store does not have the database {digest[:16]}")
        replace(path, compressed(content))

    # --- what goes -------------------------------------------------------------------------------

    def thin(self, now_s: float) -> None:
        """Removes what is too old, and what there is no room for. Raises OSError."""
        kept = self._archive.kept()
        self._needed = {one.name: self._databases_of(one) for one in kept}
        stored = [Footprint(one.name, one.since_s, one.size_bytes, self._needed[one.name]) for one in kept]
        sizes = dict(self._sizes_of_databases())
        for one in surplus(stored, sizes, now_s, self._limit_bytes):
            self._remove(one.name)
            del self._needed[one.name]
        self._remove_fragments(now_s)
        needed = {digest for databases in self._needed.values() for digest in databases}
        for digest in sizes.keys() - needed:
            path = self._archive.databases / digest
            with suppress(FileNotFoundError):  # another worker was faster
                if time.time() - path.stat().st_mtime > UNCLAIMED_S:
                    path.unlink()

    def _databases_of(self, kept: KeptGeneration) -> tuple[str, ...]:
        known = self._needed.get(kept.name)
        if known is not None:
            return known
        try:
            return header_of(self._archive.path_of(kept)).databases
        except PastError:  # who asks for it is told
            return ()

    def _sizes_of_databases(self) -> Iterator[tuple[str, int]]:
        with suppress(FileNotFoundError), os.scandir(self._archive.databases) as entries:
            for entry in entries:
                if is_digest(entry.name):
                    yield entry.name, entry.stat().st_size

    def _remove_fragments(self, now_s: float) -> None:
        """Removes what is left of a generation whose removal was cut short, and of files that were being
        written."""
        for match, _ in list(self._archive.files()):
            if match["name"] not in self._needed and now_s - seconds_of(match["since"]) > DAY_S:
                (self._archive.generations / match[0]).unlink(missing_ok=True)
        remove_abandoned(self._archive.generations)
        remove_abandoned(self._archive.databases)

    def _remove(self, name: str) -> None:
        """Removes the files of a generation, its snapshot first: without it, nothing is kept."""
        folder = self._archive.generations
        (folder / f"{name}.snapshot").unlink(missing_ok=True)
        for path in folder.glob(f"{name}.*"):
            path.unlink(missing_ok=True)


def _begin_of(seen: Sighting, latest: KeptGeneration | None) -> float:
    """Returns when a generation became current, which is after the latest one that is kept."""
    if latest is None:
        return seen.published_at_s
    if seen.published_at_s > latest.since_s:
        return seen.published_at_s
    return max(seen.seen_at_s, latest.since_s + NEXT_S)  # it is published again, or a clock was set back


def _base_of(one: KeptGeneration, kept: list[KeptGeneration]) -> KeptGeneration | None:
    """Returns the generation that another one is packed against; None if that is the first of its day."""
    day = [other for other in kept if other.since_s // DAY_S == one.since_s // DAY_S and other != one]
    hour = [other for other in day if other.since_s // HOUR_S == one.since_s // HOUR_S]
    return next(iter([*hour, *day]), None)
