"""Makes plans. A plan is the part of an answer that is the same for all clients of a country.

A plan has the fate of every mirror for a question, with the filters of the request applied, and the base URL
to list for each mirror. It is computed on whole columns of mirrors at once, because it has to be quick: any
client can ask for filters that no client asked for before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from app.answer.privacy import is_for_all
from app.model import Fate, Protocol
from app.request.parameters import Filters
from app.snapshot.loaded import LoadedSnapshot, Mask


@dataclass(frozen=True)
class Bases:
    """The base URL of each mirror for one release and for the protocols that the client takes."""

    #: The base URLs by mirror; None where a mirror offers none of the protocols.
    urls: tuple[str | None, ...]
    #: A mask of the mirrors without a URL.
    missing: Mask
    #: For each mirror whose base URL others have too (as the sites of one anycast address do), all mirrors
    #: with that URL, itself included.
    twins: Mapping[int, frozenset[int]]


def bases_of(snapshot: LoadedSnapshot, release: str, vault: bool, protocols: Iterable[Protocol]) -> Bases:
    """Returns the base URLs of all mirrors for a release, or with `vault` for what the vault has of it. Each
    mirror's URL is for the first of `protocols`, which are in order of preference, that the mirror offers."""
    protocols = tuple(protocols)
    offered = (snapshot.addresses(mirror, release, vault) for mirror in snapshot.mirrors)
    urls = tuple(next((urls[p] for p in protocols if p in urls), None) for urls in offered)
    sites: dict[str, list[int]] = {}
    for index, url in enumerate(urls):
        if url is not None:
            sites.setdefault(url, []).append(index)
    twins = {index: frozenset(group) for group in sites.values() if len(group) > 1 for index in group}
    return Bases(urls, np.array([url is None for url in urls], np.bool_), twins)


@dataclass(frozen=True)
class Plan:
    """The plan of a question: the fate of each mirror, as far as the question and the client's country decide
    it."""

    #: The `Fate` of each mirror, one byte each, by index.
    fates: bytes
    bases: Bases
    #: The lowest fate among the mirrors that geography ranks: the lower, the better.
    first_tier: int


def make_plan(snapshot: LoadedSnapshot, key: str, filters: Filters, bases: Bases, barred: bytes) -> Plan:
    """Makes the plan of a question. `key` is the question's key in the snapshot, and `barred` is what
    `LoadedSnapshot.barred` returns for the client's country."""
    fates = np.frombuffer(snapshot.fates[key], np.uint8).copy()
    for fate, mask in _refusals(snapshot, filters, bases, barred):
        fates[mask & (fates <= Fate.PARTIAL)] = fate
    return Plan(fates.tobytes(), bases, int(fates[snapshot.is_rankable].min(initial=Fate.RANK)))


def _refusals(
    snapshot: LoadedSnapshot, filters: Filters, bases: Bases, barred: bytes
) -> Iterator[tuple[Fate, Mask]]:
    """Yields each fate that follows from the request's filters or the client's country, with a mask of the
    mirrors that have it. For a mirror in several masks, the first one counts."""
    yield Fate.PROTOCOL, bases.missing
    if filters.family == 6:
        yield Fate.FAMILY, ~snapshot.ipv6_works
    elif filters.family == 4:
        yield Fate.FAMILY, snapshot.ipv4_fails
    for fate in (Fate.SERVES_OTHERS, Fate.KEEPS_OUT):
        if fate in barred:
            yield fate, np.frombuffer(barred, np.uint8) == fate
    if filters.countries:
        yield Fate.OTHER_COUNTRY, ~snapshot.in_countries(filters.countries)
    if filters.exclude_countries:
        yield Fate.EXCLUDED_COUNTRY, snapshot.in_countries(filters.exclude_countries)
    if filters.avoid:
        yield Fate.AVOIDED, avoided(snapshot, filters, bases)


def avoided(snapshot: LoadedSnapshot, filters: Filters, bases: Bases) -> Mask:
    """Returns a mask of the mirrors that a request wants to be left out: those that it names, and all others
    with the URL of one of these. A private mirror takes no others with it, because that would tell what its
    URL is."""
    mask = np.zeros(len(snapshot.mirrors), np.bool_)
    for index in snapshot.named(filters.avoid):
        mask[index] = True
        if is_for_all(snapshot.mirrors[index]):
            mask[list(bases.twins.get(index, ()))] = True
    return mask
