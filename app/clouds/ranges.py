"""What the readers of all providers share: the type they return, and the merging of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from app.clouds.regions import canonical_region
from app.model import Record
from app.model.prefixes import CloudRange, Prefix, parse_prefix

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class CloudRanges(Record, frozen=True, kw_only=True):
    """One provider's file. A greater `version` is newer; versions of different providers have
    nothing to do with each other. `ranges` are sorted, each prefix once."""

    provider: str
    version: int
    ranges: tuple[CloudRange, ...]


class Row(NamedTuple):
    """A prefix as published: empty or "global" region for none."""

    prefix: str
    region: str
    border_group: str | None = None


class Provider(NamedTuple):
    """`keys` are the top-level keys that only this provider's format has. `read` takes the file's
    bytes; it raises ValueError (msgspec's errors are such) with a sentence."""

    name: str
    keys: frozenset[str]
    read: Callable[[bytes], CloudRanges]


def merge(provider: str, version: int, rows: Iterable[Row]) -> CloudRanges:
    """Each prefix once. Where several services publish the same one, a row with a region beats one
    without, then one with a border group, then the first by name."""
    names: dict[str, str | None] = {}
    best: dict[Prefix, tuple[bool, bool, str, str]] = {}
    for text, published, published_group in rows:
        if published not in names:
            names[published] = _region(provider, published)
        region = names[published] or ""
        border_group = published_group.lower() if published_group and published_group != published else ""
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
    return CloudRanges(provider=provider, version=version, ranges=ranges)


def _region(provider: str, published: str) -> str | None:
    """The public name of a region as it stands in a file. One that is newer than our table keeps
    its name: a mirror that declares it is found all the same."""
    name = published.lower()
    if name in {"", "global"}:
        return None
    if not _NAME.fullmatch(name):
        raise ValueError(f"{published!r} is not the name of a region")
    return canonical_region(provider, name) or name


class _KeptRanges(Record, frozen=True, kw_only=True):
    """CloudRanges on disk: `rows` are prefix, region and border group. (An IPv6 prefix is a number too
    large for msgpack.)"""

    provider: str
    version: int
    rows: tuple[tuple[str, str | None, str | None], ...]


def encode_ranges(ranges: CloudRanges) -> bytes:
    """For keeping them on our own disk."""
    rows = tuple((str(r.prefix), r.region, r.border_group) for r in ranges.ranges)
    return msgspec.json.encode(_KeptRanges(provider=ranges.provider, version=ranges.version, rows=rows))


def decode_ranges(content: bytes) -> CloudRanges:
    kept = msgspec.json.decode(content, type=_KeptRanges)
    ranges = tuple(
        CloudRange(prefix=parse_prefix(prefix), provider=kept.provider, region=region, border_group=group)
        for prefix, region, group in kept.rows
    )
    return CloudRanges(provider=kept.provider, version=kept.version, ranges=ranges)
