"""Picks the mirrors that a request for all mirrors wants, and puts them in order. The module is pure: it does
no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.explain.mirror_report import MirrorSummary
from app.model import Overall, Protocol
from app.model.countries import english_name, folded, sorting_name
from app.request.mirror_filter import STATUSES, MirrorFilter, Order
from app.snapshot.eligibility import is_served
from app.snapshot.loaded import LoadedSnapshot, Mask


@dataclass(frozen=True)
class Found:
    """The mirrors that a request wants."""

    #: In the filter's order.
    mirrors: Sequence[MirrorSummary]
    #: How many mirrors have each status, if status did not matter.
    by_status: Mapping[Overall, int]


def find(snapshot: LoadedSnapshot, summaries: Iterable[MirrorSummary], wanted: MirrorFilter) -> Found:
    """Picks the mirrors that a request wants."""
    tests = list(_tests(snapshot, wanted))
    found = [mirror for mirror in summaries if all(test(mirror) for test in tests)]
    counts = Counter(mirror.status for mirror in found)
    return Found(
        mirrors=sorted(
            (mirror for mirror in found if wanted.status in ("", mirror.status)), key=_KEYS[wanted.order]
        ),
        by_status={status: counts[status] for status in STATUSES if counts[status]},
    )


_Test = Callable[[MirrorSummary], bool]


def _tests(snapshot: LoadedSnapshot, wanted: MirrorFilter) -> Iterable[_Test]:
    """Yields what a mirror must fulfil, whatever its status."""
    if wanted.words:
        words = [folded(word) for word in wanted.words]
        yield lambda mirror: all(word in _searched(mirror) for word in words)
    if wanted.countries:
        yield lambda mirror: mirror.location.country in wanted.countries
    if wanted.continent:
        yield lambda mirror: mirror.location.continent == wanted.continent
    if wanted.protocols:
        yield lambda mirror: bool(protocols_of(mirror).intersection(wanted.protocols))
    if wanted.family == 4:
        yield lambda mirror: mirror.families["ipv4"] is not False
    if wanted.family == 6:
        yield lambda mirror: mirror.families["ipv6"] is True
    if wanted.cloud:
        yield lambda mirror: mirror.cloud is not None and mirror.cloud.provider == wanted.cloud
    if wanted.release or wanted.repo or wanted.arch:
        carrying = _carrying(snapshot, wanted)
        yield lambda mirror: bool(carrying[snapshot.number[mirror.mirror]])


def protocols_of(mirror: MirrorSummary) -> set[Protocol]:
    """Returns the protocols of all base URLs of a mirror."""
    return {protocol for urls in (mirror.urls, *mirror.module_urls.values()) for protocol in urls}


def _searched(mirror: MirrorSummary) -> str:
    """Returns the text of a mirror in which words are looked for."""
    where, cloud = mirror.location, mirror.cloud
    texts = [mirror.mirror, where.city, where.country and english_name(where.country), mirror.sponsor]
    texts += [cloud.provider, *cloud.regions] if cloud else []
    return folded(" ".join(text for text in texts if text))


def _carrying(snapshot: LoadedSnapshot, wanted: MirrorFilter) -> Mask:
    """Returns a mask of the mirrors that are served for anything of this release, repo and arch. Where the
    path of the wanted repo has no arch, it is there for every arch."""
    carrying = np.zeros(len(snapshot.mirrors), np.bool_)
    for directory, fates in snapshot.expected:
        if (
            wanted.release in ("", directory.release)
            and wanted.repo in ("", directory.repo)
            and (wanted.arch in ("", directory.arch) or (wanted.repo and not directory.arch))
        ):
            carrying |= is_served(np.frombuffer(fates, np.uint8))
    return carrying


def _by_country(mirror: MirrorSummary) -> tuple[Any, ...]:
    country = mirror.location.country
    return country is None, sorting_name(country or ""), mirror.mirror


_KEYS: Mapping[Order, Callable[[MirrorSummary], tuple[Any, ...]]] = {
    "country": _by_country,
    "name": lambda mirror: (mirror.mirror,),
    # The oldest and the largest first, and those of which it is not known last.
    "age": lambda mirror: (mirror.age_s is None, -(mirror.age_s or 0.0), mirror.mirror),
    "share": lambda mirror: (mirror.share is None, -(mirror.share or 0.0), mirror.mirror),
}
