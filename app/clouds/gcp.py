"""Reads the ranges of Google Cloud, cloud.json.

A row has `ipv4Prefix` or `ipv6Prefix`. The scope `global` means no region.
https://cloud.google.com/vpc/docs/ip-addresses-google-cloud (section on cloud.json)
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.clouds.provider import Expected, Provider, PublishedPrefix, PublishedRanges


class _Row(msgspec.Struct, rename="camel"):
    scope: str
    ipv4_prefix: str | None = None
    ipv6_prefix: str | None = None


class _File(msgspec.Struct, rename="camel"):
    sync_token: str
    prefixes: list[_Row]


_DECODER = msgspec.json.Decoder(_File)


def _prefixes(file: _File) -> Iterator[PublishedPrefix]:
    for number, row in enumerate(file.prefixes):
        prefix = row.ipv4_prefix or row.ipv6_prefix
        if prefix is None:
            raise ValueError(f"$.prefixes[{number}] has neither ipv4Prefix nor ipv6Prefix")
        yield PublishedPrefix(prefix, row.scope)


def read(content: bytes) -> PublishedRanges:
    file = _DECODER.decode(content)
    return PublishedRanges(int(file.sync_token), _prefixes(file))


GCP = Provider(
    name="gcp",
    url="https://www.gstatic.com/ipranges/cloud.json",
    file="gcp-cloud.json",
    keys=frozenset({"prefixes", "creationTime"}),
    read=read,
    expected={4: Expected(12, 1 << 24), 6: Expected(40, 1 << 91)},
    zone="-[a-z]",
)
