"""Says in a sentence what each reason means for which a mirror is not in a list, and what its admin can do.

The README has the same table, and a test compares the two. Code in the sentences stands between backticks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.model import Exclusion


class Advice(NamedTuple):
    """What a mirror's admin is told about a reason."""

    #: What the reason means, as a clause that begins in lower case.
    means: str
    #: What the admin can do, likewise.
    remedy: str


ADVICE: Mapping[Exclusion, Advice] = {
    Exclusion.DISABLED: Advice(
        "its file says `disabled: true`",
        "take that out when the mirror is back",
    ),
    Exclusion.NOT_PROBED: Advice(
        "it is newer than the prober's last complete round",
        "wait for the next round",
    ),
    Exclusion.UNREACHABLE: Advice(
        "it gave no HTTP answer twice in a row; the evidence has each protocol and IP version with its error",
        "mend the host, its DNS, firewall or certificate",
    ),
    Exclusion.BROKEN: Advice(
        "it answers, but not as a mirror: repos are damaged, missing or unreadable",
        "check the path in `address`, then sync again, `repodata/` last",
    ),
    Exclusion.STALE: Advice(
        "its file `TIME` is further behind the origin's than allowed, or the origin replaced its "
        "`repomd.xml` of this repo longer ago than allowed",
        "sync more often, and see whether the sync fails or leaves out `TIME`",
    ),
    Exclusion.NOT_CARRIED: Advice(
        "it does not have this repo, arch or release, or its file leaves that out, or only the vault has it",
        "sync it, or correct `repos`, `arches`, `versions`, `address_optional` and `address_vault` in its "
        "file",
    ),
    Exclusion.PROTOCOL: Advice(
        "the client asked for protocols that the mirror does not offer, or that fail",
        "add an address to its file, or mend that protocol",
    ),
    Exclusion.FAMILY: Advice(
        "the client asked for an IP version that is not known to work there",
        "mend it, or its `A` or `AAAA` record",
    ),
    Exclusion.COUNTRY: Advice(
        "the client asked for other countries, or to be sent no farther (`fill=`), or `countries` or "
        "`exclude_countries` in its file leave out the client's",
        "correct its file, if that is not meant",
    ),
    Exclusion.AVOIDED: Advice(
        "the client asked for a list without it (`avoid=`)",
        "ask the client's admin what fails there",
    ),
    Exclusion.REGION: Advice(
        "it is for a cloud (`cloud_type`) that the client is not in",
        "nothing, if that is meant",
    ),
    Exclusion.EXCLUSIVE: Advice(
        "another mirror has the client's network to itself (`monopoly`)",
        "nothing",
    ),
    Exclusion.SAME_ADDRESS: Advice(
        "another mirror with the same base URL is in the list",
        "remove one of the files, unless they are sites of one anycast address",
    ),
    Exclusion.RANK: Advice(
        'it is well, and others are nearer or have more room: "place 14 of 412, list of 10"',
        "check its location and `weight`",
    ),
    Exclusion.PRIVATE: Advice(
        "it is for its own networks only; nobody else sees this",
        "correct its `subnets` or `asn`, if the client is yours",
    ),
}
