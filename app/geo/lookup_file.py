"""Opens MMDB files for lookups, and counts the lookups that fail."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path

from app.geo.mmdb import MmdbFile

_logger = logging.getLogger(__name__)


class LookupFile:
    """One file of a database, and how often a lookup in it failed. The first failure is logged. Opening
    raises GeoError if the file is unusable."""

    def __init__(self, path: Path) -> None:
        self.file = MmdbFile(path)
        self.get = self.file.reader.get
        self.database_type = self.file.metadata.database_type
        self.failures = 0
        if not self.file.by_extension:
            _logger.warning("maxminddb's C extension is missing: lookups in %s are ten times slower", path)

    def failed(self, address: str, error: BaseException) -> None:
        """Counts a lookup that ended with this error, unless the text is no address."""
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return  # it was no address, so the database is not at fault
        self.failures += 1
        if self.failures == 1:  # neither the client's address nor the error, which may repeat it
            kind = type(error).__name__
            _logger.error(
                "%s (%s) is damaged: a lookup failed (%s)", self.file.name, self.database_type, kind
            )
