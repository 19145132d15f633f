"""Azure: ServiceTags_Public_<date>.json.

Some 3,000 service tags; only `AzureCloud` and `AzureCloud.<region>` matter here. The plain one
repeats the prefixes of all regions and has some that are in none. `properties.region` uses short
names (`centralfrance`). `changeNumber` orders versions. The files of Azure's other clouds
(Government, China) have the same layout, and would be taken for newer or older ones of this.
https://learn.microsoft.com/azure/virtual-network/service-tags-overview
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.clouds.ranges import CloudRanges, Provider, Row, merge


class _Tag(msgspec.Struct):
    name: str
    properties: msgspec.Raw


class _Properties(msgspec.Struct, rename="camel"):
    region: str
    address_prefixes: list[str]


class _File(msgspec.Struct, rename="camel"):
    change_number: int
    cloud: str
    values: list[_Tag]


_DECODER = msgspec.json.Decoder(_File)
_PROPERTIES = msgspec.json.Decoder(_Properties)


def _rows(file: _File) -> Iterator[Row]:
    for tag in file.values:
        if tag.name.partition(".")[0] == "AzureCloud":
            properties = _PROPERTIES.decode(tag.properties)
            for prefix in properties.address_prefixes:
                yield Row(prefix, properties.region)


def read(content: bytes) -> CloudRanges:
    file = _DECODER.decode(content)
    if file.cloud != "Public":
        raise ValueError(f"these are the ranges of Azure's cloud {file.cloud!r}; only 'Public' is used")
    return merge("azure", file.change_number, _rows(file))


AZURE = Provider("azure", frozenset({"changeNumber", "values"}), read)
