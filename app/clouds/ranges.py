"""Merges the ranges of a cloud provider: regions have their public names, and each prefix occurs once."""

from __future__ import annotations

import re

import msgspec

from app.clouds.provider import PublishedPrefix, PublishedRanges
from app.clouds.regions import canonical_region
from app.model import Record
from app.model.prefixes import CloudRange, Prefix, parse_prefix

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class CloudRanges(Record, frozen=True, kw_only=True):
    """The ranges of one provider, sorted, with each prefix once. `version` is the version of the provider's
    file."""

    provider: str
    version: int
    ranges: tuple[CloudRange, ...]


def merge(provider: str, published: PublishedRanges) -> CloudRanges:
    """Makes one range of each prefix in a provider's file, and returns these ranges. Of several rows with the
    same prefix, a row with a region takes precedence over one without, then a row with a border group, then
    the row whose region comes first in the alphabet. Raises ValueError for a malformed prefix or name."""
    names: dict[str, str] = {}
    best: dict[Prefix, tuple[bool, bool, str, str]] = {}
    for text, spelling, group in published.prefixes:
        spelled = spelling or ""
        if spelled not in names:
            names[spelled] = _region(provider, spelled)
        region = names[spelled]
        border_group = group.lower() if group and group != spelled else ""
        if border_group and not _NAME.fullmatch(border_group):
            raise ValueError(f"{border_group!r} is not the name of a border group")
        prefix = parse_prefix(text)
        candidate = (not region, not border_group, region, border_group)
        known = best.get(prefix)
        if known is None or candidate < known:
            best[prefix] = candidate
    ranges = tuple(
        CloudRange(prefix=prefix, provider=provider, region=region or None, border_group=border_group or None)
        for prefix, (_, _, region, border_group) in sorted(best.items())
    )
    return CloudRanges(provider=provider, version=published.version, ranges=ranges)


def _region(provider: str, published: str) -> str:
    """Returns the public name of a region in a provider's file, or "" for no region. A region that is newer
    than the table of known regions keeps its name, so that mirrors which declare it are found."""
    name = published.lower()
    if name in {"", "global"}:
        return ""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{published!r} is not the name of a region")
    return canonical_region(provider, name) or name


class _KeptRanges(Record, frozen=True, kw_only=True):
    """The form in which `encode_ranges` writes ranges. Prefixes are texts, because IPv6 numbers are too
    large."""

    provider: str
    version: int
    prefixes: list[PublishedPrefix]


def encode_ranges(ranges: CloudRanges) -> bytes:
    """Encodes ranges as JSON, for the copy that the service keeps of the last good ones."""
    prefixes = [PublishedPrefix(str(r.prefix), r.region, r.border_group) for r in ranges.ranges]
    kept = _KeptRanges(provider=ranges.provider, version=ranges.version, prefixes=prefixes)
    return msgspec.json.encode(kept)


def decode_ranges(content: bytes) -> CloudRanges:
    """Decodes ranges that `encode_ranges` wrote."""
    kept = msgspec.json.decode(content, type=_KeptRanges)
    return merge(kept.provider, PublishedRanges(kept.version, kept.prefixes))
