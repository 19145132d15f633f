"""Shares the results of database scans among the workers, so that a takeover does not begin with a scan.

A scan takes from seconds to a minute, in which no client would have a place. Results are shared under the
key that the scan cache has for them, which stands for the content of the database: another machine with the
same database finds them there. While a machine has another database, it begins with the places of the shared
one. The places database itself is a blob of the publication, under the digest that the table of places
has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from app.geo import scan_cache
from app.geo.asn_prefixes import PrefixTable
from app.geo.copies import VerifiedCopies
from app.geo.places import PlaceTable
from app.model import GeoError
from app.store import Store

log = logging.getLogger("mirrorwise.worker")

SHARED = "scan/"  # + kind, "-" and key

_DECODERS: Mapping[str, Callable[[bytes], object]] = {"places": PlaceTable.decode, "asn": PrefixTable.decode}


class SharedScans:
    """The scan cache of this machine, as far as it is shared. `scans` below are the keys of the results that
    belong to the databases in use, by kind, and `tags` those of all that the store has."""

    def __init__(self, folder: Path, copies: VerifiedCopies) -> None:
        self._folder = folder
        self._copies = copies

    def fetch(self, store: Store, tags: Mapping[str, str], scans: Mapping[str, str]) -> None:
        """Takes the results that this machine does not have out of the store."""
        for kind, key in scans.items():
            name = _name(kind, key)
            if name not in tags or self._has(kind, key):
                continue
            content = store.read_shared(name)
            if content is None:
                continue
            try:
                result = _DECODERS[kind](content)
                if isinstance(result, PlaceTable):
                    self._fetch_database(store, result)
                scan_cache.save(self._folder, kind, key, content)
            except (GeoError, OSError) as error:
                log.warning("the shared %s are of no use here: %s", name, error)
            else:
                log.info("took %s from the store, where another worker had shared it", name)

    def fetch_places(self, store: Store, tags: Mapping[str, str]) -> PlaceTable | None:
        """Takes the shared places, of whatever database they are, and the places database that belongs to
        them; None if there are none that can be used."""
        for name in tags:
            content = store.read_shared(name) if name.startswith(_name("places", "")) else None
            try:
                if content is not None:
                    table = PlaceTable.decode(content)
                    self._fetch_database(store, table)
                    return table
            except GeoError as error:
                log.warning("the shared %s are of no use: %s", name, error)
        return None

    def share(self, store: Store, tags: Mapping[str, str], scans: Mapping[str, str]) -> None:
        """Shares the results that the store does not have. Of each kind, it has one."""
        for kind, key in scans.items():
            name = _name(kind, key)
            if name in tags:
                continue
            content = scan_cache.load(self._folder, kind, key)
            if content is not None:
                store.share(name, content)
                store.unshare(*(other for other in tags if other.startswith(_name(kind, ""))))

    def _has(self, kind: str, key: str) -> bool:
        content = scan_cache.load(self._folder, kind, key)
        if content is None or kind != "places":
            return content is not None
        try:
            return self._copies.use(PlaceTable.decode(content).database) is not None
        except GeoError:
            return False

    def _fetch_database(self, store: Store, table: PlaceTable) -> None:
        """Takes the places database of a shared table, which is published. Raises GeoError."""
        if self._copies.use(table.database) is None:
            content = store.blob(table.database)
            if content is None:
                raise GeoError("their places database is not in the store")
            self._copies.keep(table.database, content)


def _name(kind: str, key: str) -> str:
    return f"{SHARED}{kind}-{key}"
