"""Cloud regions: names, places, distances, and what is said of a name that is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.clouds import PROVIDERS
from app.clouds.read import read_cloud_folder
from app.clouds.regions import (
    canonical_region,
    known_regions,
    nearest_spelling,
    parse_region,
    partition_of,
    region_location,
    regions_by_distance,
)
from app.model.network import CloudRegion

# Published in the ranges, but their providers have not said where they are.
UNPLACED = {
    ("aws", "me-west-1"),
    ("aws", "us-south-1"),
    ("azure", "brazilnortheast"),
    ("azure", "eastusstg"),
    ("azure", "israelnorthwest"),
    ("azure", "northeurope2"),
    ("azure", "southcentralus2"),
    ("azure", "southcentralusstg"),
    ("azure", "southeastus"),
    ("azure", "southeastus3"),
}

AZURE_SHORT_NAMES = {
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
}


@pytest.mark.parametrize(
    ("provider", "name", "expected"),
    [
        *[pytest.param("azure", short, public, id=short) for short, public in AZURE_SHORT_NAMES.items()],
        pytest.param("aws", "eu-central-1", "eu-central-1", id="as it is"),
        pytest.param("aws", "EU-Central-1", "eu-central-1", id="case"),
        pytest.param("aws", "eu_central_1", "eu-central-1", id="underscores"),
        pytest.param("azure", "Germany West Central", "germanywestcentral", id="display name"),
        pytest.param("azure", "West US 2", "westus2", id="display name with a number"),
        pytest.param("aws", "us-east-1-bue-1", "us-east-1", id="a border group is its region"),
        pytest.param("gcp", "europe-west10", "europe-west10", id="not europe-west1"),
        pytest.param("aws", "francecentral", None, id="another provider's"),
        pytest.param("aws", "global", None, id="global"),
        pytest.param("aws", "", None, id="nothing"),
        pytest.param("acme", "eu-central-1", None, id="no such provider"),
    ],
)
def test_canonical_region(provider: str, name: str, expected: str | None) -> None:
    """However a region is spelled, it has one public name; an unknown one has none."""
    assert canonical_region(provider, name) == expected


@pytest.mark.parametrize(
    ("provider", "name", "country", "near"),
    [
        ("aws", "eu-central-1", "DE", (50, 9)),
        ("aws", "us-east-1", "US", (39, -77)),
        ("aws", "us-east-1-bue-1", "AR", (-35, -58)),
        ("aws", "ap-southeast-2-per-1", "AU", (-32, 116)),
        ("azure", "francecentral", "FR", (49, 2)),
        ("gcp", "asia-northeast1", "JP", (36, 140)),
        ("oci", "sa-saopaulo-1", "BR", (-24, -47)),
    ],
)
def test_location(provider: str, name: str, country: str, near: tuple[int, int]) -> None:
    """A region, or a border group far from its region, is where its datacentres are."""
    location = region_location(provider, name)
    assert location is not None
    assert location.country == country
    assert abs(location.coordinates.latitude - near[0]) <= 1
    assert abs(location.coordinates.longitude - near[1]) <= 1


def test_unknown_location() -> None:
    """A name that is not in the table, or whose place nobody has published, has no location."""
    assert region_location("aws", "eu-central-9") is None
    assert region_location("acme", "eu-central-1") is None
    assert region_location("aws", "us-south-1") is None


def test_table_is_sound() -> None:
    """Every location is on the globe and has ISO and continent codes; each provider has regions."""
    for provider in PROVIDERS:
        names = [known.region for known in known_regions(provider) if not known.border_group]
        assert names
        for name in filter(None, names):
            location = region_location(provider, name)
            assert canonical_region(provider, name) == name
            if location is None:
                assert (provider, name) in UNPLACED
                continue
            assert -60 < location.coordinates.latitude < 70
            assert -180 <= location.coordinates.longitude <= 180
            assert len(location.country) == 2
            assert location.country.isupper()
            assert location.continent in {"AF", "AS", "EU", "NA", "OC", "SA"}
            assert location.metro


def test_every_real_region_is_known(real_data: Path) -> None:
    """The table has each region and border group of the real files, and the place of all but those
    that are not announced."""
    ranges, _ = read_cloud_folder(real_data / "cloud")
    names = {
        (provider, name)
        for provider, published in ranges.items()
        for r in published.ranges
        for name in (r.region, r.border_group)
        if name is not None
    }
    assert len(names) > 270
    assert {(p, n) for p, n in names if canonical_region(p, n) is None} == set()
    assert {(p, n) for p, n in names if region_location(p, n) is None} == UNPLACED


def test_by_distance() -> None:
    """The other regions of the provider on the continent, nearest first: no local zones, no
    other continent, not the region itself."""
    assert regions_by_distance("aws", "ap-southeast-2") == ("ap-southeast-4", "ap-southeast-6")
    frankfurt = regions_by_distance("aws", "eu-central-1")
    assert frankfurt[0] == "eu-central-2"
    assert "eu-central-1" not in frankfurt
    assert not [name for name in frankfurt if not name.startswith("eu")]
    assert regions_by_distance("aws", "af-south-1") == ()
    assert regions_by_distance("aws", "us-south-1") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aws:eu-central-1", CloudRegion(provider="aws", region="eu-central-1")),
        ("AWS: EU-CENTRAL-1 ", CloudRegion(provider="aws", region="eu-central-1")),
        ("azure:centralfrance", CloudRegion(provider="azure", region="francecentral")),
        (
            "aws:us-east-1-bue-1",
            CloudRegion(provider="aws", region="us-east-1", border_group="us-east-1-bue-1"),
        ),
        (
            "aws:us-east-1/us-east-1-bue-1",
            CloudRegion(provider="aws", region="us-east-1", border_group="us-east-1-bue-1"),
        ),
    ],
)
def test_parse(text: str, expected: CloudRegion) -> None:
    """A region as in `region=`, in any of its spellings; a border group knows its region."""
    assert parse_region(text) == expected


@pytest.mark.parametrize(
    ("text", "region"),
    [
        pytest.param("aws:eu-central-1a", "aws:eu-central-1", id="AWS"),
        pytest.param("AWS:US-East-1F", "aws:us-east-1", id="AWS, capitals"),
        pytest.param("aws:us-east-1-bos-1a", "aws:us-east-1/us-east-1-bos-1", id="a zone of a local zone"),
        pytest.param("aws:us-west-2-las-1b", "aws:us-west-2/us-west-2-las-1b", id="a border group, no zone"),
        pytest.param("gcp:europe-west10-b", "gcp:europe-west10", id="Google Cloud"),
        pytest.param("azure:westeurope-2", "azure:westeurope", id="Azure"),
        pytest.param("azure:westus2-1", "azure:westus2", id="Azure, a number before"),
        pytest.param("oci:us-ashburn-1-ad-3", "oci:us-ashburn-1", id="OCI"),
    ],
)
def test_zones(text: str, region: str) -> None:
    """A zone counts as the region that it is in."""
    assert str(parse_region(text)) == region


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("aws:eu-central-9", id="no such number"),
        pytest.param("aws:eu-central-9a", id="a zone of none"),
        pytest.param("aws:eu-centrala", id="no zone, as there is no number"),
        pytest.param("azure:westus4", id="no zone, but another region"),
        pytest.param("eu-central-1", id="without a provider"),
        pytest.param("amazon:us-west-2", id="an unknown provider"),
        pytest.param("aws:us-east-2/us-east-1-bue-1", id="not that region's border group"),
        pytest.param("aws:", id="no region"),
        pytest.param("", id="nothing"),
    ],
)
def test_unknown_region(text: str) -> None:
    """What names no region, or more than one could mean, is none."""
    assert parse_region(text) is None


@pytest.mark.parametrize(
    ("provider", "region", "partition"),
    [
        ("aws", "us-east-1", None),
        ("aws", None, None),
        ("aws", "cn-north-1", "aws-cn"),
        ("aws", "us-gov-east-1", "aws-us-gov"),
        ("aws", "eusc-de-east-1", "aws-eusc"),
        ("azure", "centralus", None),
        ("azure", "usgovvirginia", "AzureUSGovernment"),
        ("oci", "us-ashburn-1", None),
        ("oci", "us-luke-1", "OC2"),
        ("gcp", "us-central1", None),
        ("acme", "cn-north-1", None),
    ],
)
def test_partitions(provider: str, region: str | None, partition: str | None) -> None:
    """China's regions and those for governments are apart from the others of their providers."""
    assert partition_of(provider, region) == partition


def test_near_regions_are_in_the_same_partition() -> None:
    """Virginia is not near to a government's region, nor that one to Virginia."""
    assert regions_by_distance("aws", "us-gov-east-1") == ("us-gov-west-1",)
    assert regions_by_distance("aws", "cn-north-1") == ("cn-northwest-1",)
    assert not [name for name in regions_by_distance("aws", "us-east-1") if "gov" in name]


def test_nearest_spelling_in_public_names() -> None:
    """A slip in a short name leads to the public one."""
    assert nearest_spelling("azure", "centralfranc") == "francecentral"
    assert nearest_spelling("aws", "zzzzzzzzz") is None


def test_light() -> None:
    """The web process imports it: no heavy library comes with it."""
    heavy = {"numpy", "aiohttp", "maxminddb", "netaddr"}
    code = f"import sys, app.clouds.regions; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
