"""Shares the results of database scans among the workers, so that a takeover does not begin with a scan.

A scan takes from seconds to a minute, in which lists would go by country alone. Results are shared under the
key that the scan cache has for them, which stands for the content of the database: another machine with the
same database finds them there. While a machine has another database, it begins with the places of the shared
one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from app.geo import scan_cache
from app.geo.asn_prefixes import PrefixTable
from app.geo.places import PlaceTable
from app.model import GeoError
from app.store import Store

log = logging.getLogger("mirrorwise.worker")

SHARED = "scan/"  # + kind, "-" and key

_DECODERS: Mapping[str, Callable[[bytes], object]] = {"places": PlaceTable.decode, "asn": PrefixTable.decode}


class SharedScans:
    """The scan cache of this machine, as far as it is shared. `scans` below are the keys of the results that
    belong to the databases in use, by kind, and `tags` those of all that the store has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, store: Store, tags: Mapping[str, str], scans: Mapping[str, str]) -> None:
        """Takes the results that this machine does not have out of the store."""
        for kind, key in scans.items():
            name = _name(kind, key)
            if name not in tags or scan_cache.load(self._folder, kind, key) is not None:
                continue
            content = store.read_shared(name)
            if content is None:
                continue
            try:
                _DECODERS[kind](content)
                scan_cache.save(self._folder, kind, key, content)
            except (GeoError, OSError) as error:
                log.warning("the shared %s are of no use here: %s", name, error)
            else:
                log.info("took %s from the store, where another worker had shared it", name)

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


def shared_places(store: Store, tags: Mapping[str, str]) -> PlaceTable | None:
    """Returns the shared places, of whatever database they are; None if there are none that can be used."""
    for name in tags:
        content = store.read_shared(name) if name.startswith(_name("places", "")) else None
        try:
            if content is not None:
                return PlaceTable.decode(content)
        except GeoError as error:
            log.warning("the shared %s are of no use: %s", name, error)
    return None


def _name(kind: str, key: str) -> str:
    return f"{SHARED}{kind}-{key}"
