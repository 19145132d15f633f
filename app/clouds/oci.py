"""Reads the ranges of Oracle Cloud Infrastructure, public_ip_ranges.json, which has only IPv4 ranges.

The tags of a range (OCI, OSN, OBJECT_STORAGE) say which services use it. Ranges with any tag are used,
because all services are in the region.
https://docs.oracle.com/iaas/Content/General/Concepts/addressranges.htm
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from app.clouds.provider import Expected, Provider, PublishedPrefix, PublishedRanges


class _Range(msgspec.Struct):
    cidr: str


class _Region(msgspec.Struct):
    region: str
    cidrs: list[_Range]


class _File(msgspec.Struct):
    last_updated_timestamp: datetime
    regions: list[_Region]


_DECODER = msgspec.json.Decoder(_File)


def _prefixes(file: _File) -> Iterator[PublishedPrefix]:
    for region in file.regions:
        for published in region.cidrs:
            yield PublishedPrefix(published.cidr, region.region)


def read(content: bytes) -> PublishedRanges:
    """Reads the file. Its version is the time of the last update, in microseconds since 1970."""
    file = _DECODER.decode(content)
    updated = file.last_updated_timestamp
    if updated.tzinfo is None:
        updated = updated.replace(tzinfo=UTC)
    version = (updated - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return PublishedRanges(version, _prefixes(file))


OCI = Provider(
    name="oci",
    url="https://docs.oracle.com/iaas/tools/public_ip_ranges.json",
    file="oci-public-ip-ranges.json",
    keys=frozenset({"regions", "last_updated_timestamp"}),
    read=read,
    expected={4: Expected(14, 1 << 23), 6: Expected(36, 1 << 94)},
    zone="-ad-[1-3]",
    partitions={"us-langley-": "OC2", "us-luke-": "OC2", "us-gov-": "OC3", "uk-gov-": "OC4"},
)
