"""Versions of repos: when each was new at the origin, and when which mirror was first seen to have it.

What is added may be added again, by another worker too: of several moments, the earliest counts. So nothing
is lost as long as what the probers' state files say is added once in a while. A row has the arrivals at all
mirrors, packed as an array of fixed width, so that a month of 200 repos and 530 mirrors is read in a second.
Versions older than `KEPT_DAYS` are deleted whenever something is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from app.history.database import HistoryDatabase
from app.history.tables import carriers, versions
from app.model import Arrival

KEPT_DAYS = 90
_PER_STATEMENT = 400
_PACKED = np.dtype([("mirror", "<u4"), ("at_s", "<u4"), ("is_exact", "?")])

Arrivals = npt.NDArray[np.void]
"""An array of `_PACKED`, by ascending number of the mirror, each of them once."""
VersionKey = tuple[str, str]
"""A repo's key "release/repo/arch", and the name of one of its versions."""


@dataclass(frozen=True)
class Sightings:
    """What was seen: when the origin had new versions, in epoch seconds, and when mirrors had which version,
    by mirror. Of versions that were never new at the origin, nothing is kept."""

    origin: Mapping[VersionKey, float]
    mirrors: Mapping[VersionKey, Mapping[str, Arrival]]


@dataclass(frozen=True)
class KnownVersion:
    """One version of a repo, and the mirrors that were seen to have it. `mirrors`, `at_s` and `is_exact` go
    together: the number of a mirror, when it was first seen to have the version, and whether it was seen
    without it before."""

    repo: str
    version: str
    #: When it was first seen at the origin, in epoch seconds.
    origin_s: float
    mirrors: npt.NDArray[np.uint32]
    at_s: npt.NDArray[np.uint32]
    is_exact: npt.NDArray[np.bool_]


def add_sightings(database: HistoryDatabase, seen: Sightings, now: float) -> None:
    """Adds what was seen, in one transaction, and deletes what is too old at `now` (epoch seconds). Raises
    HistoryError."""
    oldest_s = now - KEPT_DAYS * 24 * 3600
    origin = {key: at_s for key, at_s in seen.origin.items() if at_s >= oldest_s}
    with database.writing() as connection:
        connection.execute(delete(versions).where(versions.c.at_s < oldest_s))
        database.add_missing(
            connection,
            versions,
            [
                {"repo": repo, "version": version, "at_s": at_s, "arrivals": b""}
                for (repo, version), at_s in sorted(origin.items())
            ],
        )
        numbers = _numbers(database, connection, {m for found in seen.mirrors.values() for m in found})
        changed = []
        for key, at_s, arrivals in _locked(connection, sorted({*origin, *seen.mirrors})):
            earliest_s = min(at_s, origin.get(key, at_s))
            merged = _merged(arrivals, seen.mirrors.get(key, {}), numbers)
            if earliest_s != at_s or merged != arrivals:
                changed.append({"of": key[0], "named": key[1], "at_s": earliest_s, "arrivals": merged})
        if changed:
            one = (versions.c.repo == bindparam("of")) & (versions.c.version == bindparam("named"))
            connection.execute(update(versions).where(one), changed)


def read_versions(connection: Connection, since_s: float) -> Iterator[KnownVersion]:
    """Yields the versions that were new at the origin since a time in epoch seconds, repo by repo, the oldest
    first."""
    found = connection.execute(
        select(versions.c.repo, versions.c.version, versions.c.at_s, versions.c.arrivals)
        .where(versions.c.at_s >= since_s)
        .order_by(versions.c.repo, versions.c.at_s, versions.c.version)
    )
    for repo, version, at_s, packed in found:
        arrivals = np.frombuffer(packed, _PACKED)
        yield KnownVersion(repo, version, at_s, arrivals["mirror"], arrivals["at_s"], arrivals["is_exact"])


def read_carriers(connection: Connection) -> Mapping[str, int]:
    """Returns the number of each mirror, by its name."""
    return {mirror: number for number, mirror in connection.execute(select(carriers))}


def _numbers(database: HistoryDatabase, connection: Connection, mirrors: Iterable[str]) -> Mapping[str, int]:
    """Returns the numbers of mirrors, after those that have none got one."""
    known = read_carriers(connection)
    missing = sorted({*mirrors} - known.keys())
    if not missing:
        return known
    database.add_missing(connection, carriers, [{"mirror": mirror} for mirror in missing])
    return read_carriers(connection)


def _locked(connection: Connection, keys: Sequence[VersionKey]) -> Iterator[tuple[VersionKey, float, bytes]]:
    """Yields those of these versions that are known, with the moment at the origin and the packed arrivals.
    No other writer changes them before this transaction ends. They are locked in the order of the keys, so
    that two writers cannot wait for each other."""
    of = tuple_(versions.c.repo, versions.c.version)
    for first in range(0, len(keys), _PER_STATEMENT):
        some = keys[first : first + _PER_STATEMENT]
        rows = select(versions).where(of.in_(some)).order_by(versions.c.repo, versions.c.version)
        for repo, version, at_s, arrivals in connection.execute(rows.with_for_update()).all():
            yield (repo, version), at_s, arrivals


def _merged(packed: bytes, seen: Mapping[str, Arrival], numbers: Mapping[str, int]) -> bytes:
    """Returns packed arrivals together with others. Of each mirror, the earliest counts."""
    if not seen:
        return packed
    more = [(numbers[mirror], one.at_s, one.is_exact) for mirror, one in seen.items()]
    both = np.concatenate((np.frombuffer(packed, _PACKED), np.array(more, _PACKED)))
    both = both[np.lexsort((~both["is_exact"], both["at_s"], both["mirror"]))]
    is_first = np.diff(both["mirror"], prepend=np.uint32(0)) != 0
    is_first[0] = True
    return bytes(both[is_first].tobytes())
