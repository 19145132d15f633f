"""What the program has to know of a cloud provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class PublishedPrefix(NamedTuple):
    """A prefix as a provider's file has it."""

    prefix: str
    #: The region as the provider spells it there. An empty text, None and "global" mean no region.
    region: str | None
    #: AWS's network border group.
    border_group: str | None = None


class PublishedRanges(NamedTuple):
    """What a provider's file says."""

    #: A greater version is newer. Versions of different providers have nothing to do with each other.
    version: int
    prefixes: Iterable[PublishedPrefix]


class Provider(NamedTuple):
    """All that differs from one cloud provider to another."""

    #: The name as it stands in mirror files (`cloud_type`) and in region keys (`aws:eu-central-1`).
    name: str
    #: The page or file where the provider publishes its ranges.
    url: str
    #: The name of the file in `cloud/` that `mirrorwise ranges update` writes.
    file: str
    #: The top-level keys that only this provider's format has.
    keys: frozenset[str]
    #: The reader of the file's bytes. It and the prefixes that it returns raise ValueError (msgspec's
    #: errors are such) with a sentence.
    read: Callable[[bytes], PublishedRanges]
    #: Where `url` is a page that links to the file: the pattern of such links. The last by file name counts.
    link: str | None = None
    #: The names of regions in the file that differ from the public ones, and those public names.
    short_names: Mapping[str, str] = MappingProxyType({})
