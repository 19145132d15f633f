"""Defines the types that describe a cloud provider and the address ranges that it publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class PublishedPrefix(NamedTuple):
    """An address prefix, with its region, as a provider's file has it."""

    prefix: str
    #: The region as the provider spells it there. An empty text, None and "global" mean no region.
    region: str | None
    #: The network border group (a region of AWS or one of its local zones), which only AWS has.
    border_group: str | None = None


class PublishedRanges(NamedTuple):
    """The contents of a provider's file."""

    #: The version of the file; a greater one is newer. Versions of different providers are not comparable.
    version: int
    prefixes: Iterable[PublishedPrefix]


class Expected(NamedTuple):
    """The limits of what a provider is believed to have of one IP version, set by what it published in
    November 2026."""

    #: The length of the widest prefix that is believed: about twice as wide as the provider's widest one.
    widest: int
    #: The number of addresses in all its prefixes together, rounded up.
    addresses: int


class Provider(NamedTuple):
    """A cloud provider, with everything in which it differs from the others."""

    #: The name in mirror files (`cloud_type`) and in region keys (`aws:eu-central-1`).
    name: str
    #: The page or file where the provider publishes its ranges.
    url: str
    #: The name of the file in `cloud/` that `mirrorwise ranges update` writes.
    file: str
    #: The top-level keys that only this provider's format has.
    keys: frozenset[str]
    #: Reads the bytes of the file. It raises ValueError with a sentence, as does iterating over the prefixes
    #: that it returns.
    read: Callable[[bytes], PublishedRanges]
    #: The limits of what the provider is believed to have, by IP version.
    expected: Mapping[int, Expected]
    #: A pattern for what the name of a zone has behind the name of its region.
    zone: str
    #: If `url` is a page with links to the file, the pattern of such links. The last by file name counts.
    link: str | None = None
    #: The public names of the regions that have other names in the file, by the name in the file.
    short_names: Mapping[str, str] = MappingProxyType({})
    #: The partitions that are apart from the provider's ordinary regions, such as those for governments, by
    #: what the names of their regions begin with.
    partitions: Mapping[str, str] = MappingProxyType({})
