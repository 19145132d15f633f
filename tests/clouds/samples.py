"""Small files in the cloud providers' own formats, over documentation addresses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

Service = tuple[str, str, str]  # prefix, region, border group


def aws(rows: Sequence[Service], version: int = 1000) -> bytes:
    ipv4 = [
        {"ip_prefix": prefix, "region": region, "service": "EC2", "network_border_group": group}
        for prefix, region, group in rows
        if ":" not in prefix
    ]
    ipv6 = [
        {"ipv6_prefix": prefix, "region": region, "service": "EC2", "network_border_group": group}
        for prefix, region, group in rows
        if ":" in prefix
    ]
    content = {
        "syncToken": str(version),
        "createDate": "2026-01-01-00-00-00",
        "prefixes": ipv4,
        "ipv6_prefixes": ipv6,
    }
    return json.dumps(content).encode()


def azure(tags: Mapping[str, Sequence[str]], version: int = 10, cloud: str = "Public") -> bytes:
    """`tags` by short region name, "" for the plain tag; another service's tag is always there."""
    values = [
        {
            "name": f"AzureCloud.{region}" if region else "AzureCloud",
            "id": "x",
            "properties": {
                "changeNumber": 3,
                "region": region,
                "regionId": 1,
                "platform": "Azure",
                "systemService": "",
                "addressPrefixes": list(prefixes),
                "networkFeatures": None,
            },
        }
        for region, prefixes in tags.items()
    ]
    other = {"region": "eastus", "addressPrefixes": ["203.0.113.77/32"], "networkFeatures": ["API"]}
    values.append({"name": "Storage.EastUS", "id": "Storage.EastUS", "properties": other})
    return json.dumps({"changeNumber": version, "cloud": cloud, "values": values}).encode()


def gcp(rows: Sequence[tuple[str, str]], version: int = 100) -> bytes:
    prefixes = [
        {"ipv6Prefix" if ":" in prefix else "ipv4Prefix": prefix, "service": "Google Cloud", "scope": scope}
        for prefix, scope in rows
    ]
    content = {"syncToken": str(version), "creationTime": "2026-01-01T00:00:00.1", "prefixes": prefixes}
    return json.dumps(content).encode()


def oci(regions: Mapping[str, Sequence[str]], updated: str = "2026-01-01T00:00:00.000001") -> bytes:
    content = {
        "last_updated_timestamp": updated,
        "regions": [
            {"region": region, "cidrs": [{"cidr": prefix, "tags": ["OCI", "OSN"]} for prefix in prefixes]}
            for region, prefixes in regions.items()
        ],
    }
    return json.dumps(content).encode()
