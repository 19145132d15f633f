"""Oracle Cloud Infrastructure: public_ip_ranges.json. IPv4 only.

The tags of a range (OCI, OSN, OBJECT_STORAGE) say which services use it; all are in the region.
https://docs.oracle.com/iaas/Content/General/Concepts/addressranges.htm
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from app.clouds.ranges import CloudRanges, Provider, Row, merge


class _Range(msgspec.Struct):
    cidr: str


class _Region(msgspec.Struct):
    region: str
    cidrs: list[_Range]


class _File(msgspec.Struct):
    last_updated_timestamp: datetime
    regions: list[_Region]


_DECODER = msgspec.json.Decoder(_File)


def _rows(file: _File) -> Iterator[Row]:
    for region in file.regions:
        for published in region.cidrs:
            yield Row(published.cidr, region.region)


def read(content: bytes) -> CloudRanges:
    """The version is the time of the last update, in microseconds since 1970."""
    file = _DECODER.decode(content)
    updated = file.last_updated_timestamp
    if updated.tzinfo is None:
        updated = updated.replace(tzinfo=UTC)
    version = (updated - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return merge("oci", version, _rows(file))


OCI = Provider("oci", frozenset({"regions", "last_updated_timestamp"}), read)
