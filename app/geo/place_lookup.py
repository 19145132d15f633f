"""Looks up where clients are, in the places database that the worker has compiled.

The database tells for every address the place of a client there, and a record is nothing but the place, as a
text (`DE/50/8`). The worker makes it out of the vendors' databases (`place_database`), so that no lookup has
to know their layouts. nginx reads the same file.

Every request calls `place`: it makes one lookup in the C extension, and no object but the place.
"""

from __future__ import annotations

import re
from pathlib import Path

from app.geo.lookup_file import LookupFile
from app.geo.memory import MemoryFile
from app.geo.mmdb import LOOKUP_ERRORS, MmdbFile, holds_ipv4
from app.model import GeoError
from app.model.place import PATTERN, UNKNOWN_PLACE, Place

DATABASE_TYPE = "Mirrorwise-Places"
_SHORT_TEXT, _SHORT_TEXT_LIMIT = 0x40, 29  # the type of a text, and the first length that takes another byte


class PlaceLookup:
    """An open places database. The file is mapped, so it must not change while it is open."""

    def __init__(self, path: Path) -> None:
        """Opens the database. Raises GeoError, also if a record is no place: places go into headers."""
        self._source = LookupFile(path)
        self._get = self._source.get
        if self._source.database_type != DATABASE_TYPE or self._source.file.metadata.ip_version != 6:
            raise GeoError(f"{path}: is not a places database: its type is {self._source.database_type!r}")
        _check_records(self._source.file)

    @classmethod
    def of(cls, content: bytes) -> PlaceLookup:
        """Opens a places database from its bytes, without a file on disk. Raises GeoError if the bytes are no
        such database."""
        with MemoryFile("places") as memory:
            memory.path.write_bytes(content)
            return cls(memory.path)

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


def _check_records(file: MmdbFile) -> None:
    """Raises GeoError unless the data section has places alone, one behind the other: each is a byte with the
    length of a short text, and the text."""
    data, places, at = file.data(), [], 0
    while at < len(data):
        end = at + 1 + data[at] - _SHORT_TEXT
        if not at + 1 <= end <= min(len(data), at + _SHORT_TEXT_LIMIT):
            raise GeoError(f"{file.name}: holds a record that is no text")
        places.append(data[at + 1 : end].decode("latin-1"))
        at = end
    lines = "".join(f"{place}\n" for place in places)
    if lines.count("\n") > len(places) or not re.fullmatch(rf"(?:{PATTERN}\n)*+", lines):
        raise GeoError(f"{file.name}: holds a record that is no place")
