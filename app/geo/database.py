"""Looks addresses up in GeoIP databases: a city database for places, an ASN database for AS numbers.

A database has one or more files, because some vendors split IPv4 and IPv6. The first file with a record
counts. If a lookup fails, nothing is known of the address; failures are counted, and the first one of
each file is logged. Open only verified copies (`copies`).

Every request calls `place`: it makes one lookup in the C extension, and no object but the record.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from app.geo import scan_cache, vendors
from app.geo.asn_prefixes import PrefixTable
from app.geo.copies import identity_of
from app.geo.lookup_file import LookupFile
from app.geo.mmdb import LOOKUP_ERRORS, MmdbFile, holds_ipv4
from app.geo.vendors import Details, GeoipLocation, Layout
from app.model import GeoError
from app.model.place import UNKNOWN_PLACE, Place

_SAMPLE = 16  # nodes for each level, which gives enough records to tell a layout by

_COUNTRIES_ONLY = (
    "no record says more than the country, as in a country database, so that all clients of a country get "
    "the same mirrors; a city database says where in it they are"
)

_logger = logging.getLogger(__name__)


class _Database:
    """The base of both kinds of databases. `identity` names the content of the files, and `failures` counts
    the lookups that failed. Raises GeoError if a file is unusable."""

    def __init__(self, paths: Sequence[Path]) -> None:
        if not paths:
            raise GeoError("a GeoIP database needs at least one file")
        self.paths = tuple(paths)
        self.identity = identity_of(paths)
        #: What is odd about a file that can be used, by its path.
        self.remarks: dict[Path, str] = {}
        self._ipv4 = [LookupFile(path) for path in paths]
        self._ipv6 = [source for source in self._ipv4 if source.file.metadata.ip_version == 6]

    @property
    def build_epochs(self) -> list[int]:
        return [source.file.metadata.build_epoch for source in self._ipv4]

    @property
    def failures(self) -> int:
        return sum(source.failures for source in self._ipv4)

    def _find(self, address: str) -> tuple[LookupFile, Any] | None:
        if holds_ipv4(address):
            return None
        for source in self._ipv6 if ":" in address else self._ipv4:
            try:
                record = source.get(address)
            except LOOKUP_ERRORS as error:
                source.failed(address, error)
                continue
            if record is not None:
                return source, record
        return None


class CityDatabase(_Database):
    """A city database, which tells where an address is. It takes any text, and finds nothing for a text that
    is no address. IPv4-mapped IPv6 addresses must have been turned into IPv4 before."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(paths)
        self._layouts = {}
        for source in self._ipv4:
            records = source.file.sample(_SAMPLE)
            layout = self._layouts[source] = _layout(source.file, records)
            if not any(layout.locate(record).precise for record in records):
                self.remarks[source.file.path] = _COUNTRIES_ONLY
        self._places4 = [(source.get, self._layouts[source].place, source) for source in self._ipv4]
        self._places6 = [(source.get, self._layouts[source].place, source) for source in self._ipv6]

    @property
    def vendor(self) -> str:
        return ", ".join(dict.fromkeys(layout.vendor for layout in self._layouts.values()))

    def place(self, address: str) -> Place:
        if ":" in address and holds_ipv4(address):
            return UNKNOWN_PLACE
        for get, place, source in self._places6 if ":" in address else self._places4:
            try:
                record = get(address)
            except LOOKUP_ERRORS as error:
                source.failed(address, error)
                continue
            if record is not None:
                return place(record)
        return UNKNOWN_PLACE

    def locate(self, address: str) -> GeoipLocation:
        found = self._find(address)
        return vendors.NOWHERE if found is None else self._layouts[found[0]].locate(found[1])

    def describe(self, address: str) -> Details:
        found = self._find(address)
        return Details() if found is None else self._layouts[found[0]].describe(found[1])


class AsnDatabase(_Database):
    """An ASN database, which tells the AS number of an address, and all prefixes of an AS. Prefixes need a
    scan of all networks, which is made when first asked for and kept in `cache_folder`, if there is one."""

    def __init__(self, paths: Sequence[Path], cache_folder: Path | None = None) -> None:
        super().__init__(paths)
        self._cache_folder = cache_folder
        for source in self._ipv4:
            check_asns(source.file)

    def asn(self, address: str) -> int | None:
        found = self._find(address)
        return None if found is None else vendors.asn_of(found[1])

    def prefixes(self) -> Iterator[tuple[str, int]]:
        """Yields all prefixes in the files as (prefix, AS number). Raises GeoError if a file is damaged."""
        return self._prefixes.select(None)

    def prefixes_of(self, wanted: Collection[int]) -> list[tuple[str, int]]:
        """Returns the prefixes of the wanted ASes, each as (prefix, AS number). Raises GeoError if a file is
        damaged."""
        return list(self._prefixes.select(wanted))

    @property
    def scan_key(self) -> str:
        """The key of its prefixes in the scan cache."""
        return scan_cache.key_of(self.identity, PrefixTable.SCHEMA)

    @cached_property
    def _prefixes(self) -> PrefixTable:
        files = [source.file for source in self._ipv4]
        if self._cache_folder is None:
            return PrefixTable.scan(files)
        content = scan_cache.load(self._cache_folder, "asn", self.scan_key)
        if content is not None:
            return PrefixTable.decode(content)
        table = PrefixTable.scan(files)
        try:
            scan_cache.save(self._cache_folder, "asn", self.scan_key, table.encode())
        except OSError as error:
            _logger.warning("the prefixes found in the ASN database are not kept: %s", error)
        return table


def check_asns(file: MmdbFile) -> None:
    """Checks that a file belongs to an ASN database: at least one of its sampled records has an AS number.
    Raises GeoError if none has."""
    if not any(map(vendors.asn_of, file.sample(_SAMPLE))):
        raise GeoError(
            f"{file.name}: is not an ASN database: its type is {file.metadata.database_type!r}, "
            "and no record has an AS number"
        )


def city_layout_of(file: MmdbFile) -> Layout:
    """Returns the layout of the records in a city database's file. Raises GeoError if the file holds another
    kind of database."""
    return _layout(file, file.sample(_SAMPLE))


def _layout(file: MmdbFile, records: Sequence[Any]) -> Layout:
    return vendors.city_layout(file.name, file.metadata.database_type, records)
