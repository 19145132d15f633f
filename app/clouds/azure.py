"""Reads the ranges of Azure, ServiceTags_Public_<date>.json.

The file has some 3,000 service tags, of which only `AzureCloud` and `AzureCloud.<region>` matter here. The
plain tag repeats the prefixes of all regions and has some prefixes that are in no region. `properties.region`
uses short names (`centralfrance`). `changeNumber` orders versions. The files of Azure's other clouds
(Government, China) have the same layout, and would be taken for newer or older versions of this file, so they
are refused.
https://learn.microsoft.com/azure/virtual-network/service-tags-overview
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.clouds.provider import Expected, Provider, PublishedPrefix, PublishedRanges


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


def _prefixes(file: _File) -> Iterator[PublishedPrefix]:
    for tag in file.values:
        if tag.name.partition(".")[0] == "AzureCloud":
            properties = _PROPERTIES.decode(tag.properties)
            for prefix in properties.address_prefixes:
                yield PublishedPrefix(prefix, properties.region)


def read(content: bytes) -> PublishedRanges:
    file = _DECODER.decode(content)
    if file.cloud != "Public":
        raise ValueError(f"these are the ranges of Azure's cloud {file.cloud!r}; only 'Public' is used")
    return PublishedRanges(file.change_number, _prefixes(file))


AZURE = Provider(
    name="azure",
    url="https://www.microsoft.com/en-us/download/details.aspx?id=56519",
    file="azure-service-tags.json",
    keys=frozenset({"changeNumber", "values"}),
    read=read,
    expected={4: Expected(13, 1 << 26), 6: Expected(36, 1 << 94)},
    zone="-[1-3]",
    partitions={"china": "AzureChina", "usgov": "AzureUSGovernment", "usdod": "AzureUSGovernment"},
    link=r"https?://[^\"'\s<>\\]+/ServiceTags_Public_\d{8}\.json",
    short_names={
        "brazilne": "brazilnortheast",
        "brazilse": "brazilsoutheast",
        "centralfrance": "francecentral",
        "chilec": "chilecentral",
        "germanyn": "germanynorth",
        "germanywc": "germanywestcentral",
        "norwaye": "norwayeast",
        "norwayw": "norwaywest",
        "southfrance": "francesouth",
        "switzerlandn": "switzerlandnorth",
        "switzerlandw": "switzerlandwest",
        "usstagec": "southcentralusstg",
        "usstagee": "eastusstg",
    },
)
