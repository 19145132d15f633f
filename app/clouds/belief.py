"""Decides which of the providers' files are believed.

A file that claims too many addresses would send clients of other networks to the mirrors in a provider's
cloud, and would make mirrors' own netblocks look like the provider's. So a file is refused as a whole, and
the last good one stays in use, if it has a prefix that the provider cannot have, if it has much more or much
less than before, or if it claims addresses that are another provider's. Documentation addresses (192.0.2.0/24
and the like) are always believed, because no client has one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping

from app.clouds import PROVIDERS
from app.clouds.ranges import CloudRanges
from app.clouds.space import CloudSpace
from app.model.prefixes import WIDTHS, CloudRange, Prefix
from app.model.reserved import DOCUMENTATION, LOCAL, NOT_CLIENTS

MAX_PREFIXES = 100_000
"""The most prefixes that a file may have. Azure, which has most, has 13,000."""

MAX_LEAP = 2
"""The factor by which, from one file to the next, a provider's addresses may grow and the number of its
prefixes may shrink."""


def impossible(ranges: CloudRanges) -> str | None:
    """Returns a sentence that names something in these ranges that no file of their provider can hold; None
    if there is nothing like that."""
    if len(ranges.ranges) > MAX_PREFIXES:
        return f"there are {len(ranges.ranges):,} prefixes in it, and {MAX_PREFIXES:,} are allowed"
    public = _public(ranges)
    for version, expected in PROVIDERS[ranges.provider].expected.items():
        space = CloudSpace(version, public)
        widest = min((r.prefix for r in public if r.prefix.version == version), key=_length, default=None)
        if widest is not None and widest.length < expected.widest:
            return f"{widest} is wider than a /{expected.widest}, the widest believed of {ranges.provider}"
        for reserved in (*LOCAL, *NOT_CLIENTS):
            _, found = space.shared(reserved) if reserved.version == version else (0, None)
            if found is not None:
                return f"{found.prefix} is not a range of the public Internet"
    return None


def leap(last: CloudRanges | None, now: CloudRanges) -> str | None:
    """Returns a sentence that says what changes too much from the last good ranges to the new ones; None if
    nothing does. If there are no last ranges, the addresses are compared with what is expected of the
    provider."""
    present, found = len(last.ranges) if last else 0, len(now.ranges)
    if found * MAX_LEAP < present:
        return f"there are {found:,} prefixes in it, less than half of the present {present:,}"
    for version, expected in PROVIDERS[now.provider].expected.items():
        present = max(expected.addresses, _addresses(last, version) if last else 0)
        if _addresses(now, version) > present * MAX_LEAP:
            return f"its IPv{version} prefixes hold more than twice the addresses that {now.provider} has"
    return None


def believed(
    files: Iterable[tuple[str, CloudRanges]], last: Mapping[str, CloudRanges]
) -> tuple[dict[str, CloudRanges], dict[str, str]]:
    """Returns the ranges that are believed, by provider, and a sentence for each file that is refused, by
    file name.

    `files` are pairs of file name and ranges; the newest file of each provider counts. `last` are the last
    good ranges of the providers that have some. Where two providers claim the same addresses, the file of the
    one that did not have them before is refused; if neither had them before, it is the file of the one that
    is later in the table of providers.
    """
    newest: dict[str, tuple[str, CloudRanges]] = {}
    for file, ranges in files:
        if ranges.provider not in newest or ranges.version > newest[ranges.provider][1].version:
            newest[ranges.provider] = file, ranges
    problems: dict[str, str] = {}
    for provider, (file, ranges) in list(newest.items()):
        if problem := leap(last.get(provider), ranges):
            problems[file] = problem
            del newest[provider]
    waiting = [provider for provider in PROVIDERS if provider in newest]
    good: dict[str, CloudRanges] = {}
    while waiting:
        claims: dict[str, str] = {}
        for provider in waiting:
            file, ranges = newest[provider]
            claim = _claim(ranges, {**last, **good})
            if claim is None:
                good[provider] = ranges
                break
            claims[file] = claim
        else:
            return good, problems | claims
        waiting.remove(provider)
    return good, problems


def _claim(ranges: CloudRanges, others: Mapping[str, CloudRanges]) -> str | None:
    """Returns a sentence that names the first prefix with addresses of another provider; None if there is
    none."""
    theirs = [r for other in others.values() if other.provider != ranges.provider for r in _public(other)]
    spaces = {version: CloudSpace(version, theirs) for version in WIDTHS}
    for cloud_range in _public(ranges):
        _, shared = spaces[cloud_range.prefix.version].shared(cloud_range.prefix)
        if shared is not None:
            return f"{cloud_range.prefix} holds addresses of {shared.provider} ({shared.prefix})"
    return None


def _length(prefix: Prefix) -> int:
    return prefix.length


def _addresses(ranges: CloudRanges, version: int) -> int:
    return CloudSpace(version, _public(ranges)).addresses


def _public(ranges: CloudRanges) -> list[CloudRange]:
    """Returns the ranges that are not for documentation. It need not look at each range, because ranges are
    sorted."""
    public = list(ranges.ranges)
    for prefix in DOCUMENTATION:
        first = bisect_left(public, prefix, key=_prefix)
        del public[
            first : bisect_right(public, prefix._replace(address=prefix.last, length=128), key=_prefix)
        ]
    return public


def _prefix(cloud_range: CloudRange) -> Prefix:
    return cloud_range.prefix
