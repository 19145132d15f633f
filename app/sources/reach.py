"""Limits how many addresses a mirror may claim by its AS numbers.

A mirror is sent the clients of the ASes that it declares, and with `monopoly` these clients get no other
mirror. So `asn` has the same limit as `subnets`. Without an ASN database no client is known to be in an AS,
and there is nothing to limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from app.clouds.overlap import cloud_spaces, refusal, taken_from_clouds
from app.model import Finding, Mirror
from app.model.errors import fault, warning
from app.model.prefixes import CloudRange, Prefix, parse_prefix
from app.sources.subnets import GREATEST_REACH, WIDEST, WIDEST_TOGETHER

Asns = Mapping[int, Sequence[Prefix]]
"""The prefixes of each AS, by its number."""


def by_asn(prefixes: Iterable[tuple[str, int]]) -> Asns:
    """Groups the (prefix, AS number) pairs of an ASN database."""
    grouped: dict[int, list[Prefix]] = defaultdict(list)
    for text, asn in prefixes:
        grouped[asn].append(parse_prefix(text))
    return grouped


def asn_findings(mirrors: Mapping[str, Mirror], asns: Asns, clouds: Iterable[CloudRange]) -> list[Finding]:
    """Returns findings about the mirrors (by file) whose AS numbers claim too many addresses. None of the AS
    numbers of such a mirror counts.

    For a monopoly the finding is a fault, because its clients would get no other mirror; a monopoly may claim
    only a few addresses of cloud providers, too. For another mirror the finding is a warning, because a
    mirror in such an AS still serves the clients near it there.
    """
    spaces = cloud_spaces(clouds)
    findings = []
    for file, mirror in mirrors.items():
        claimed = [prefix for asn in mirror.asns for prefix in asns.get(asn, ())]
        finding = fault if mirror.monopoly else warning
        excess = [finding(file, f"asn: {problem}") for problem in _too_many(claimed)]
        taken = taken_from_clouds(claimed, spaces) if mirror.monopoly and not excess else ()
        findings += excess
        findings += [fault(file, f"asn: {one.prefix} of these ASes {refusal(one)}") for one in taken[:1]]
    return findings


def _too_many(claimed: Sequence[Prefix]) -> Iterator[str]:
    for version, greatest in GREATEST_REACH.items():
        if sum(prefix.size for prefix in claimed if prefix.version == version) > greatest:
            yield (
                f"these ASes have more IPv{version} addresses than a mirror may claim, which is "
                f"{WIDEST_TOGETHER} netblocks of /{WIDEST[version]}; so none of the numbers counts"
            )
