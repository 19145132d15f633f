"""What is believed of the providers' files.

A file that says too much sends clients of other networks to a provider's mirrors, and takes the netblocks
of mirrors for the provider's. So it is refused as a whole, and the last good one stays, if it has a prefix
that the provider cannot have, if it says much more or much less than before, or if it claims what is
another provider's. Documentation addresses are believed at once: no client has one.
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
"""Azure, which has most, has 13,000."""

MAX_LEAP = 2
"""From one file to the next, a provider's addresses may be doubled, and its prefixes halved."""


def impossible(ranges: CloudRanges) -> str | None:
    """Says what no file of this provider can hold, as a sentence; None if there is nothing like that."""
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
    """Says what changes too much from the last good ranges to these, as a sentence; None if nothing does."""
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
    """Returns the ranges that are believed, by provider, and what is wrong with other files, by their name.

    The newest file of each provider counts. `last` are the last good ranges of the providers that have
    some. Where two providers claim the same addresses, the one that did not have them before is wrong;
    where neither had any before, it is the later in the table of providers.
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
    """Names the first prefix that is another provider's, in a sentence; None if there is none."""
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
    """Returns the ranges that are not for documentation, without looking at each: they are sorted."""
    public = list(ranges.ranges)
    for prefix in DOCUMENTATION:
        first = bisect_left(public, prefix, key=_prefix)
        del public[
            first : bisect_right(public, prefix._replace(address=prefix.last, length=128), key=_prefix)
        ]
    return public


def _prefix(cloud_range: CloudRange) -> Prefix:
    return cloud_range.prefix
