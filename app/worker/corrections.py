"""Follows the geofeeds, which say where clients are instead of the GeoIP database.

The last good rows of each file are kept on disk, for a worker that starts while a file is bad.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from app.files import Marks
from app.geo import scan_cache
from app.logs import Faults
from app.model import Coordinates, Severity
from app.model.place import Place
from app.model.prefixes import Correction
from app.sources.geofeeds import Geofeeds, Rows, decode_rows, encode_rows
from app.sources.report import by_file, located

log = logging.getLogger("mirrorwise.worker")

_KIND, _KEY = "geofeeds", "rows"


class CorrectionFiles:
    """The rows of geofeeds. Something that is odd but no fault is a remark, which is logged once."""

    def __init__(self, folder: Path, var_dir: Path, faults: Faults) -> None:
        #: How often the files were read because something had changed.
        self.readings = 0
        self._geofeeds = Geofeeds(folder)
        self._kept_folder = var_dir / "geofeeds"
        self._faults = faults
        self._remarks = Faults(log)
        self._marks: Marks | None = None
        self._kept_rows: Rows = {}

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """The rows that count, each prefix once."""
        return self._geofeeds.corrections

    @property
    def cells(self) -> Mapping[Place, Coordinates]:
        """The coordinates of each cell that a row names. Of several cities in one cell, the first counts."""
        found: dict[Place, Coordinates] = {}
        for row in self.corrections:
            if row.coordinates is not None:
                found.setdefault(row.place, row.coordinates)
        return found

    def marks(self) -> Marks:
        return self._geofeeds.marks()

    def read(self) -> None:
        """Brings the rows up to date. A file at fault keeps its last good rows."""
        seen = self.marks()
        if seen != self._marks:
            if self._marks is None:
                self._recall()
            self._marks = seen
            self.readings += 1
            self._geofeeds.read()
            found = located(self._geofeeds.findings, "geofeeds")
            self._faults.replace("geofeeds", by_file(found, Severity.FAULT))
            self._remarks.replace("geofeeds", by_file(found, Severity.WARNING))
        self._keep()

    def _recall(self) -> None:
        content = scan_cache.load(self._kept_folder, _KIND, _KEY)
        if content is not None:
            with suppress(ValueError):  # another version of this program kept it
                self._geofeeds.rows = self._kept_rows = decode_rows(content)

    def _keep(self) -> None:
        """Keeps the rows on disk, unless the disk has them already."""
        rows = self._geofeeds.rows
        if rows != self._kept_rows:
            try:
                scan_cache.save(self._kept_folder, _KIND, _KEY, encode_rows(rows))
            except OSError as error:
                self._faults.set("var/geofeeds", f"the geofeeds are not kept for a restart: {error}")
                return
            self._kept_rows = rows
        self._faults.clear("var/geofeeds")
