"""AWS: ip-ranges.json.

A prefix stands there once for each service that uses it. Region `GLOBAL` is none. The network
border group is the region itself or one of its local zones.
https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.clouds.ranges import CloudRanges, Provider, Row, merge


class _IPv4Row(msgspec.Struct):
    ip_prefix: str
    region: str
    network_border_group: str | None = None


class _IPv6Row(msgspec.Struct):
    ipv6_prefix: str
    region: str
    network_border_group: str | None = None


class _File(msgspec.Struct):
    prefixes: list[_IPv4Row]
    ipv6_prefixes: list[_IPv6Row]
    sync_token: str = msgspec.field(name="syncToken")


_DECODER = msgspec.json.Decoder(_File)


def _rows(file: _File) -> Iterator[Row]:
    for row in file.prefixes:
        yield Row(row.ip_prefix, row.region, row.network_border_group)
    for row6 in file.ipv6_prefixes:
        yield Row(row6.ipv6_prefix, row6.region, row6.network_border_group)


def read(content: bytes) -> CloudRanges:
    file = _DECODER.decode(content)
    return merge("aws", int(file.sync_token), _rows(file))


AWS = Provider("aws", frozenset({"prefixes", "ipv6_prefixes"}), read)
