"""Reads the ranges of AWS, ip-ranges.json.

The file has a prefix once for each service that uses it. The region `GLOBAL` means no region. The
network border group is the region itself or one of its local zones.
https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.clouds.provider import Expected, Provider, PublishedPrefix, PublishedRanges


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


def _prefixes(file: _File) -> Iterator[PublishedPrefix]:
    for row in file.prefixes:
        yield PublishedPrefix(row.ip_prefix, row.region, row.network_border_group)
    for row6 in file.ipv6_prefixes:
        yield PublishedPrefix(row6.ipv6_prefix, row6.region, row6.network_border_group)


def read(content: bytes) -> PublishedRanges:
    file = _DECODER.decode(content)
    return PublishedRanges(int(file.sync_token), _prefixes(file))


AWS = Provider(
    name="aws",
    url="https://ip-ranges.amazonaws.com/ip-ranges.json",
    file="aws-ip-ranges.json",
    keys=frozenset({"prefixes", "ipv6_prefixes"}),
    read=read,
    expected={4: Expected(10, 1 << 27), 6: Expected(30, 1 << 101)},
    zone="(?<=[0-9])[a-z]",
    partitions={"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"},
)
