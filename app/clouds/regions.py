"""Knows the cloud regions, with their public names and locations.

The table `regions.csv` has the names of regions in the providers' published ranges, AWS's border groups
(local and wavelength zones) with the region they belong to, and the coordinates of the metropolitan area
that the provider names for each, to about 0.1 degrees. If the provider has not said where a region is,
these columns are blank. The table is of November 2026. It can be checked against these pages, on which
the providers name the locations of their regions:

- AWS: "AWS Regions", "AWS Local Zones locations" and "AWS Wavelength locations" (docs.aws.amazon.com,
  aws.amazon.com/about-aws/global-infrastructure); the codes of zones contain an airport's or city's
  IATA code
- Azure: "List of Azure regions" (learn.microsoft.com/azure/reliability/regions-list) and the
  programmatic names of `az account list-locations`
- Google Cloud: "Cloud locations" (cloud.google.com/about/locations) and "Regions and zones"
- OCI: "Regions and Availability Domains" (docs.oracle.com/iaas/Content/General/Concepts/regions.htm)
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from app.clouds import PROVIDERS
from app.model import Coordinates, Record
from app.model.network import CloudRegion
from app.model.words import nearest

_SEPARATORS = str.maketrans("", "", " -_")


class RegionLocation(Record, frozen=True, kw_only=True):
    """The location of a cloud region or border group."""

    coordinates: Coordinates
    #: An ISO 3166-1 alpha-2 code.
    country: str
    #: One of `CONTINENTS`.
    continent: str
    metro: str


class _Region(NamedTuple):
    parent: str | None
    location: RegionLocation | None


@cache
def _table() -> dict[str, dict[str, _Region]]:
    """Returns the regions and border groups in `regions.csv`, by provider and name."""
    table: dict[str, dict[str, _Region]] = {provider: {} for provider in PROVIDERS}
    with Path(__file__).with_name("regions.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            location = None
            if row["latitude"]:
                location = RegionLocation(
                    coordinates=Coordinates(
                        latitude=float(row["latitude"]), longitude=float(row["longitude"])
                    ),
                    country=row["country"],
                    continent=row["continent"],
                    metro=row["metro"],
                )
            table[row["provider"]][row["region"]] = _Region(row["parent"] or None, location)
    return table


@cache
def _spellings(provider: str) -> dict[str, str]:
    """Returns the public names of a provider's regions and border groups, by their names in lower case
    without separators (`eucentral1`). There are none for an unknown provider."""
    if provider not in PROVIDERS:
        return {}
    return {**{_squashed(name): name for name in _table()[provider]}, **PROVIDERS[provider].short_names}


def _squashed(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


def known_regions(provider: str) -> tuple[CloudRegion, ...]:
    """Returns all regions and border groups of a provider; none for an unknown provider."""
    return tuple(_known(provider, name) for name in _table().get(provider, {}))


def _known(provider: str, name: str) -> CloudRegion:
    """Returns the region or border group with a name that is in the table."""
    parent = _table()[provider][name].parent
    return CloudRegion(provider, parent, name) if parent else CloudRegion(provider, name)


def canonical_region(provider: str, name: str) -> str | None:
    """Returns the public name of a region, however it is spelled (`EU-Central-1`, Azure's `centralfrance` or
    `Germany West Central`). For a border group, this is the name of its region. Returns None if the region is
    not known."""
    known = _spellings(provider).get(_squashed(name))
    return None if known is None else _table()[provider][known].parent or known


def region_location(provider: str, name: str) -> RegionLocation | None:
    """Returns the location of a region or border group, by its exact public name; None if the location is not
    known."""
    region = _table().get(provider, {}).get(name)
    return region.location if region else None


def nearest_spelling(provider: str, name: str) -> str | None:
    """Returns the name of the known region or border group that is most like `name`; None if none is like
    it."""
    spellings = _spellings(provider)
    near = nearest(_squashed(name), spellings)
    return spellings[near] if near else None


def parse_region(text: str) -> CloudRegion | None:
    """Parses a region, such as `aws:eu-central-1`, a border group, such as `aws:us-east-1-bue-1` or
    `aws:us-east-1/us-east-1-bue-1`, or a zone of either, such as `aws:eu-central-1a`, which counts as what it
    is in. Returns None if no such region is known."""
    provider, _, name = (part.strip().lower() for part in text.partition(":"))
    if provider not in PROVIDERS:
        return None
    outer, slash, wanted = name.rpartition("/")
    spellings = _spellings(provider)
    known = spellings.get(_squashed(wanted)) or spellings.get(_squashed(_without_zone(provider, wanted)))
    found = _known(provider, known) if known else None
    if found and slash and not (found.border_group and found.region == canonical_region(provider, outer)):
        return None
    return found


def _without_zone(provider: str, name: str) -> str:
    """Returns the name of a region without the zone at its end, if there is one."""
    return re.sub(rf"{PROVIDERS[provider].zone}\Z", "", name)


def partition_of(provider: str, region: str | None) -> str | None:
    """Returns the partition that a provider has a region in, apart from its ordinary regions; None for an
    ordinary region, and for addresses in no region."""
    partitions = PROVIDERS[provider].partitions if provider in PROVIDERS else {}
    beginnings = (beginning for beginning in partitions if (region or "").startswith(beginning))
    return next((partitions[beginning] for beginning in beginnings), None)


@cache
def regions_by_distance(provider: str, region: str) -> tuple[str, ...]:
    """Returns the names of the provider's other regions on the same continent and in the same partition,
    nearest first. There are none for a region whose location is not known."""
    here = region_location(provider, region)
    if here is None:
        return ()
    others = [
        (here.coordinates.distance_km(other.location.coordinates), name)
        for name, other in _table()[provider].items()
        if other.parent is None
        and name != region
        and partition_of(provider, name) == partition_of(provider, region)
        and other.location is not None
        and other.location.continent == here.continent
    ]
    return tuple(name for _, name in sorted(others))
