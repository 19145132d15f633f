"""Looks up where clients are, in the places database that the worker has compiled.

The database tells for every address the place of a client there, and a record is nothing but the place, as a
text (`DE/50/8`). The worker makes it out of the vendors' databases (`place_database`), so that no lookup has
to know their layouts. nginx reads the same file.

Every request calls `place`: it makes one lookup in the C extension, and no object but the place.
"""

from __future__ import annotations

from pathlib import Path

from app.geo.lookup_file import LookupFile
from app.geo.mmdb import LOOKUP_ERRORS, holds_ipv4
from app.model import GeoError
from app.model.place import UNKNOWN_PLACE, Place

DATABASE_TYPE = "Mirrorwise-Places"


class PlaceLookup:
    """An open places database. The file is mapped, so it must not change while it is open."""

    def __init__(self, path: Path) -> None:
        """Opens the database. Raises GeoError."""
        self._source = LookupFile(path)
        self._get = self._source.get
        if self._source.database_type != DATABASE_TYPE or self._source.file.metadata.ip_version != 6:
            raise GeoError(f"{path}: is not a places database: its type is {self._source.database_type!r}")

    @property
    def build_epoch(self) -> int:
        """When the oldest of the vendors' databases was built that this one is made of, in epoch seconds."""
        return self._source.file.metadata.build_epoch

    @property
    def failures(self) -> int:
        """How many lookups have failed. Nothing is known of their addresses."""
        return self._source.failures

    def place(self, address: str) -> Place:
        """Returns the place of a client. It takes any text, and finds nothing for a text that is no
        address."""
        if ":" in address and holds_ipv4(address):
            return UNKNOWN_PLACE
        try:
            found = self._get(address)
            if found is None:
                return UNKNOWN_PLACE
            if type(found) is not str:
                raise TypeError("a place is a text")
        except LOOKUP_ERRORS as error:
            self._source.failed(address, error)
            return UNKNOWN_PLACE
        return found

    def close(self) -> None:
        self._source.file.reader.close()
