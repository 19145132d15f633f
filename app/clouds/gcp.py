"""Google Cloud: cloud.json.

A row has `ipv4Prefix` or `ipv6Prefix`. Scope `global` is no region.
https://cloud.google.com/vpc/docs/ip-addresses-google-cloud (section on cloud.json)
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.clouds.ranges import CloudRanges, Provider, Row, merge


class _Row(msgspec.Struct, rename="camel"):
    scope: str
    ipv4_prefix: str | None = None
    ipv6_prefix: str | None = None


class _File(msgspec.Struct, rename="camel"):
    sync_token: str
    prefixes: list[_Row]


_DECODER = msgspec.json.Decoder(_File)


def _rows(file: _File) -> Iterator[Row]:
    for number, row in enumerate(file.prefixes):
        prefix = row.ipv4_prefix or row.ipv6_prefix
        if prefix is None:
            raise ValueError(f"$.prefixes[{number}] has neither ipv4Prefix nor ipv6Prefix")
        yield Row(prefix, row.scope)


def read(content: bytes) -> CloudRanges:
    file = _DECODER.decode(content)
    return merge("gcp", int(file.sync_token), _rows(file))


GCP = Provider("gcp", frozenset({"prefixes", "creationTime"}), read)
