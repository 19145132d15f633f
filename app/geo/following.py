"""Follows database files that may be replaced, damaged or removed while they are in use.

The worker, the web processes and nginx's directory follow the same files by the same rule: a fault in one
file changes nothing for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from app.geo.copies import VerifiedCopies
from app.geo.database import AsnDatabase, CityDatabase, check_asns, city_layout_of
from app.geo.mmdb import MmdbFile
from app.model import GeoError

D = TypeVar("D", CityDatabase, AsnDatabase)


class FollowedDatabase(Generic[D]):
    """A database that is opened anew when its files change.

    Only verified copies are opened. In place of a file at fault, its last good copy is used: the one that
    this process uses already, or else the one that an earlier process used.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        copies: VerifiedCopies,
        judge: Callable[[MmdbFile], object],
        open_copies: Callable[[Sequence[Path]], D],
    ) -> None:
        #: The files, in the order in which they are asked.
        self.sources = tuple(sources)
        #: The database in use; None until each file has been good at some time.
        self.database: D | None = None
        #: What was wrong at the last look, by file.
        self.faults: dict[Path, str] = {}
        self._copies = copies
        self._judge = judge  # raises GeoError for a good file of another kind of database
        self._open: Callable[[Sequence[Path]], D] = open_copies

    def look(self) -> bool:
        """Looks whether the files have changed, and opens the database anew if so. Returns whether `database`
        is another one now. While nothing changes, a look costs one stat for each file."""
        self.faults = {}
        used = self.database.paths if self.database else (None,) * len(self.sources)
        found = map(self._newest_good, self.sources, used)
        copies = tuple(copy for copy in found if copy is not None)
        if not copies or len(copies) < len(self.sources):
            return False
        try:
            if copies != used:
                self.database = self._open(copies)
        except GeoError as error:  # a copy was deleted between the look at it and its use
            self.faults = dict.fromkeys(self.sources, str(error)) | self.faults
            return False
        for source, copy in zip(self.sources, copies, strict=True):
            if source not in self.faults:
                self._copies.remember(source, copy)
        return copies != used

    @property
    def remarks(self) -> dict[Path, str]:
        """What is odd about files that can be used all the same, by file."""
        if self.database is None:
            return {}
        remarks = self.database.remarks
        pairs = zip(self.sources, self.database.paths, strict=True)
        return {source: f"{source}: {remarks[copy]}" for source, copy in pairs if copy in remarks}

    def _newest_good(self, source: Path, used: Path | None) -> Path | None:
        """Returns the copy to use for a file: a new one or, if the file is at fault, the one in use (`used`)
        or the one that was used last. Returns None if the file was never good."""
        try:
            copy = self._copies.copy(source)
            if copy != used:
                self._judge(MmdbFile(copy, str(source)))
        except GeoError as error:
            self.faults[source] = str(error)
            return used or self._copies.last(source)
        return copy


def follow_cities(sources: Sequence[Path], copies: VerifiedCopies) -> FollowedDatabase[CityDatabase]:
    """Makes a city database that follows these files."""
    return FollowedDatabase(sources, copies, city_layout_of, CityDatabase)


def follow_asns(
    sources: Sequence[Path], copies: VerifiedCopies, cache_folder: Path | None = None
) -> FollowedDatabase[AsnDatabase]:
    """Makes an ASN database that follows these files. `cache_folder` is where `AsnDatabase` keeps its
    scan."""
    return FollowedDatabase(sources, copies, check_asns, partial(AsnDatabase, cache_folder=cache_folder))
