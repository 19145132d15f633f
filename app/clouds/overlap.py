"""Finds declared netblocks that overlap with cloud ranges, by mistake or as an attack in a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from app.clouds.space import CloudSpace
from app.model import Finding
from app.model.errors import fault
from app.model.prefixes import WIDTHS, CloudRange, Prefix, parse_prefix

# This is enough for a mirror's own instances in a cloud. Netblocks come before cloud regions, so a netblock
# over a provider's range would take the provider's clients away from their region.
CLOUD_ADDRESSES_ALLOWED = {4: 1 << 4, 6: 1 << 72}  # a /28 and a /56, all subnets of a mirror together


class Taken(NamedTuple):
    """A prefix that a mirror claims, with the number of cloud providers' addresses in it."""

    prefix: Prefix
    addresses: int
    #: The cloud range that has most of these addresses.
    largest: CloudRange


def taken_from_clouds(claimed: Iterable[Prefix], spaces: Mapping[int, CloudSpace]) -> list[Taken]:
    """Returns the prefixes of one mirror that hold cloud providers' addresses, if together they hold more
    than is allowed for their IP version. `spaces` are by IP version."""
    totals = dict.fromkeys(WIDTHS, 0)
    taken = []
    for prefix in sorted(set(claimed)):
        addresses, largest = spaces[prefix.version].shared(prefix)
        if largest is not None:
            totals[prefix.version] += addresses
            taken.append(Taken(prefix, addresses, largest))
    return [one for one in taken if totals[one.prefix.version] > CLOUD_ADDRESSES_ALLOWED[one.prefix.version]]


def cloud_spaces(clouds: Iterable[CloudRange]) -> dict[int, CloudSpace]:
    """Makes the `CloudSpace` of each IP version, 4 and 6, out of cloud ranges."""
    ranges = list(clouds)
    return {version: CloudSpace(version, ranges) for version in WIDTHS}


def netblock_findings(
    declared: Iterable[tuple[str, str, Sequence[str]]], clouds: Iterable[CloudRange]
) -> list[Finding]:
    """Returns the faults of subnets that overlap with cloud ranges. `declared` are (file, mirror, subnets).

    A mirror's subnets together may hold at most 16 IPv4 addresses and one IPv6 /56 that providers publish as
    theirs. Above that, each of the mirror's subnets that holds any such address is refused.
    """
    spaces = cloud_spaces(clouds)
    return [
        fault(
            file, f"subnets: {taken.prefix} of {mirror} {refusal(taken)} for all subnets of a mirror together"
        )
        for file, mirror, subnets in declared
        for taken in taken_from_clouds(map(parse_prefix, subnets), spaces)
    ]


def refusal(taken: Taken) -> str:
    """Returns the reason why a claimed prefix is refused, as a part of a sentence whose subject is the
    prefix."""
    prefix, addresses, largest = taken
    region = f" for {largest.region}" if largest.region else ""
    held = f"{addresses:,} addresses" if prefix.version == 4 else "IPv6 space"
    return (
        f"holds {held} of cloud providers ({largest.prefix}, published by {largest.provider}{region}), whose "
        f"clients belong to the mirrors of their region; a mirror that serves a cloud region says so with "
        f"cloud_type and cloud_regions. Allowed are 16 such IPv4 addresses and one such IPv6 /56"
    )
