"""Reads geofeeds: rows that say where the clients of a prefix are, in place of the GeoIP database.

A geofeed has the format of https://www.rfc-editor.org/rfc/rfc8805: a row is a prefix, a country's code, a
region, a city and a postal code, and a "#" begins a comment. The country comes from the row, and the
coordinates come from the gazetteer if it knows the city. A row without a country, or with ZZ, says that its
clients are not to be located. The longest prefix with a row counts. Within a feed a prefix occurs once, and
of several feeds with the same prefix, the first by name counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from app.files import FileCache, Marks, folder_mark, marks, paths, read_bytes
from app.model import Coordinates, Finding, SourceError
from app.model.errors import fault
from app.model.place import UNKNOWN_PLACE, Place, country_of, place_of, places_by_code
from app.model.prefixes import Correction, Prefix, parse_prefix
from app.model.reserved import LOCAL, NOT_CLIENTS, is_inside, touches
from app.model.words import quoted
from app.sources.folder import GEOFEED_ENDINGS
from app.sources.gazetteer import Gazetteer
from app.sources.report import Report

MAX_BYTES = 16 * 1024**2
MAX_ROWS = 100_000
"""The largest number of rows, both in one geofeed and in all of them together."""
WIDEST = {4: 8, 6: 19}
"""The length of the widest prefix that a row may have, by IP version. It is as wide as any that a registry
has given to one network."""

UNLOCATED = ("", "ZZ")
"""What stands for the country in a row whose clients are not to be located."""

Rows: TypeAlias = Mapping[str, tuple[Correction, ...]]
"""The rows of geofeeds, by the file's name."""

_FORMAT = "a row is a prefix, a country, a region, a city and a postal code: 192.0.2.0/24,DE,,Frankfurt,"


def read_geofeed(path: Path, gazetteer: Gazetteer) -> tuple[tuple[Correction, ...], list[Finding]]:
    """Reads a geofeed. Returns its rows and the warnings. Raises SourceError if a row is at fault, with a
    finding for each such row."""
    content = read_bytes(path, MAX_BYTES)
    rows = _Rows(path.name, gazetteer)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError([fault(path.name, f"the file cannot be read as UTF-8: {error}")]) from error
    for number, line in enumerate(io.StringIO(text), 1):
        row = line.partition("#")[0].strip()
        if row and rows.count == MAX_ROWS:
            rows.report.fault(number, f"the file has more than the {MAX_ROWS:,} rows allowed")
            break
        if row:
            rows.add(number, row)
    if not rows.count:
        rows.report.fault(None, "the file has no rows; take it away if none is to count")
    if rows.report.faulty:
        raise SourceError(rows.report.findings)
    return tuple(rows.corrections), rows.report.findings


def is_geofeed(content: bytes) -> bool:
    """Returns whether the first row of a content looks like that of a geofeed, for files in wrong places."""
    for line in content.decode("utf-8-sig", "replace").splitlines():
        prefix, comma, rest = line.partition("#")[0].strip().partition(",")
        if prefix:
            try:
                parse_prefix(prefix.strip())
            except ValueError:
                return False
            country = rest.partition(",")[0].strip()
            return bool(comma) and (country in UNLOCATED or country.upper() in places_by_code())
    return False


class _Rows:
    """The rows of a geofeed, while it is read."""

    def __init__(self, file: str, gazetteer: Gazetteer) -> None:
        self.report = Report(file)
        #: How many rows there were so far, good ones and others.
        self.count = 0
        self.corrections: list[Correction] = []
        self._file = file
        self._lines: dict[Prefix, int] = {}
        self._find = cache(gazetteer.find)  # a few cities have most rows

    def add(self, line: int, text: str) -> None:
        """Adds the row in a line, which has this text, or reports what is wrong with it."""
        self.count += 1
        try:
            first, *others = (field.strip() for field in next(csv.reader([text], strict=True)))
            prefix = _prefix(first)
            if not others:
                raise ValueError(f"the row has no country; {_FORMAT}")
            known = self._lines.setdefault(prefix, line)
            if known != line:
                raise ValueError(f"{prefix} has a row in line {known} already")
            place, coordinates = self._located(line, *[*others, "", ""][:3])
        except (ValueError, csv.Error) as error:
            self.report.fault(line, str(error))
        else:
            self.corrections.append(Correction(prefix, place, coordinates, self._file, line))

    def _located(self, line: int, code: str, region: str, city: str) -> tuple[Place, Coordinates | None]:
        """Returns the place of a row, and its coordinates if that is a cell. Raises ValueError if the country
        is not known. Reports a region or city that is not."""
        if not code and (region or city):
            raise ValueError(f"{quoted(region or city)} stands there without a country")
        if code.upper() in UNLOCATED:
            return UNKNOWN_PLACE, None
        country = country_of(places_by_code().get(code.upper(), UNKNOWN_PLACE))
        if country is None:
            raise ValueError(f"{quoted(code)} is no country's code (ISO 3166-1)")
        home, dash, part = region.upper().rpartition("-")
        if dash and home != code.upper():
            self.report.warning(line, f"{quoted(region)} is no region of {country}, so it does not count")
            part = ""
        coordinates = self._find(country, part or None, city) if city else None
        if coordinates is None:
            if city:
                message = f"{quoted(city)} is not in the list of places of {country}, so the country counts"
                self.report.warning(line, message)
            return place_of(country), None
        return place_of(country, None, (coordinates.latitude, coordinates.longitude)), coordinates


def _prefix(text: str) -> Prefix:
    """Parses the prefix of a row. Raises ValueError if there is none, or one that a row may not have."""
    try:
        prefix = parse_prefix(text)
    except ValueError as error:
        raise ValueError(f"{error}; {_FORMAT}") from error
    widest = WIDEST[prefix.version]
    if prefix.length < widest:
        raise ValueError(f"{text} is too wide; the widest allowed for IPv{prefix.version} is a /{widest}")
    if parse_prefix(text.partition("/")[0]).address != prefix.address:
        raise ValueError(f"{text} has bits set after its prefix length; the prefix would be {prefix}")
    if touches(prefix, NOT_CLIENTS) and not is_inside(prefix, LOCAL):
        raise ValueError(f"{text} is a range that no client has an address in")
    return prefix


class Geofeeds:
    """The geofeeds in a folder. A file at fault keeps its last good rows. A folder that is not there is at
    fault only if there were geofeeds in it before."""

    def __init__(self, folder: Path) -> None:
        #: The last good rows of each file, by the file's name.
        self.rows: Rows = {}
        #: The rows that count, each prefix once.
        self.corrections: tuple[Correction, ...] = ()
        #: The findings of the last reading. The folder itself is called ".".
        self.findings: list[Finding] = []
        self._folder = folder
        self._cache = FileCache(partial(read_geofeed, gazetteer=Gazetteer()))

    def marks(self) -> Marks:
        """Returns the marks of the folder and its files. They change when one of them does."""
        return {**folder_mark(self._folder), **marks(self._folder, *GEOFEED_ENDINGS)}

    def read(self) -> None:
        """Reads the files that have changed."""
        self.findings = []
        try:
            files = paths(self._folder, *GEOFEED_ENDINGS)
        except OSError as closed:
            if self.rows or not isinstance(closed, FileNotFoundError):
                problem = f"the folder cannot be read, so all geofeeds stay as they were: {closed.strerror}"
                self.findings.append(fault(".", problem))
        else:
            self.rows = self._read(files)
        self.corrections = self._counting()

    def _read(self, files: Iterable[Path]) -> Rows:
        rows: dict[str, tuple[Correction, ...]] = {}
        room = MAX_ROWS
        for path in files:
            try:
                found, findings = self._cache.get(path)
            except SourceError as error:
                found, findings = self.rows.get(path.name, ()), error.findings
            self.findings += findings
            if len(found) > room:
                problem = f"all geofeeds together have more than the {MAX_ROWS:,} rows allowed"
                self.findings.append(fault(path.name, f"{problem}, so those of this file do not count"))
            elif found:
                rows[path.name] = found
                room -= len(found)
        return rows

    def _counting(self) -> tuple[Correction, ...]:
        """Returns the rows that count. Reports those whose prefix is in an earlier file."""
        counting: dict[Prefix, Correction] = {}
        for file, rows in sorted(self.rows.items()):
            report = Report(file)
            for row in rows:
                first = counting.setdefault(row.prefix, row)
                if first is not row:
                    report.warning(row.line, f"{row.prefix} has a row in {first.source}, which counts")
            self.findings += report.findings
        return tuple(counting.values())


# --- the kept copy ---------------------------------------------------------------------------------


class _KeptRow(NamedTuple):
    """A row as it is kept. The prefix is a text, because IPv6 numbers are too large."""

    prefix: str
    place: Place
    coordinates: Coordinates | None
    line: int


_KEPT = msgspec.json.Decoder(dict[str, list[_KeptRow]])


def encode_rows(rows: Rows) -> bytes:
    """Encodes the rows of geofeeds as JSON, for the copy that the worker keeps of the last good ones."""
    kept = {
        file: [_KeptRow(str(row.prefix), row.place, row.coordinates, row.line) for row in found]
        for file, found in rows.items()
    }
    return msgspec.json.encode(kept)


def decode_rows(content: bytes) -> Rows:
    """Decodes rows that `encode_rows` wrote."""
    return {
        file: tuple(
            Correction(parse_prefix(row.prefix), row.place, row.coordinates, file, row.line) for row in kept
        )
        for file, kept in _KEPT.decode(content).items()
    }
