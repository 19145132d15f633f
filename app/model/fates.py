"""The words for what becomes of a mirror when a client asks: which pass takes it into the list, or why it is
left out."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Literal


class Pass(StrEnum):
    """A pass, one of the ways in which a mirror gets into a list. The last three members are no passes: they
    say what decided a list as a whole."""

    EXCLUSIVE = "exclusive"
    NETBLOCK = "netblock"
    REGION = "region"
    ASN = "asn"
    GEOGRAPHY = "geography"
    LAST_RESORT = "last resort"

    # These decide a list as a whole.
    EXCLUSIVE_UNAVAILABLE = "exclusive unavailable"
    ORIGIN = "origin"
    VAULT = "vault"


class Exclusion(StrEnum):
    """The reason why a mirror is not in a list, in words for people. A mirror that is left out has exactly
    one reason."""

    DISABLED = "disabled"
    NOT_PROBED = "not probed"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    STALE = "stale"
    NOT_CARRIED = "not carried"
    PROTOCOL = "protocol"
    FAMILY = "family"
    COUNTRY = "country"
    AVOIDED = "avoided"
    REGION = "region"
    EXCLUSIVE = "exclusive"
    SAME_ADDRESS = "same address"
    RANK = "rank"
    PRIVATE = "private"


Overall = Literal["ok", "degraded", "not probed", "stale", "unreachable", "broken", "disabled", "not carried"]
"""The status of a mirror as a whole: ok, degraded (up, but not in all lists), or the reason that keeps it out
of all lists."""


class Fate(IntEnum):
    """What becomes of a mirror for a question, as a number that fits in one byte. A mirror with one of the
    first three fates may be served, and a lower fate comes first. Every other fate is a case of an
    `Exclusion`. Where several of these cases hold, the lowest says most about the mirror."""

    #: The mirror is known to have what is asked for, or is trusted to have it.
    GOOD = 1
    #: The prober has not looked for what is asked for, so that nothing is known.
    UNKNOWN = 2
    #: The question names no arch, and the mirror has some of the arches, but not all.
    PARTIAL = 3

    # These are decided by the worker in `snapshot.eligibility`, from files and the prober's state.
    DISABLED = 16
    NOT_PROBED = 17
    UNREACHABLE = 18
    BROKEN = 19
    CORRUPT_REPO = 20
    STALE = 21
    STALE_REPO = 22
    MISSING_REPO = 23
    UNDECLARED = 24
    #: Only the vault has what is asked for, and the mirror has no copy of the vault.
    IN_VAULT = 25

    # These are decided in `answer.plan`, from the request and from the countries that the mirror serves.
    PROTOCOL = 32
    FAMILY = 33
    SERVES_OTHERS = 34
    KEEPS_OUT = 35
    OTHER_COUNTRY = 36
    EXCLUDED_COUNTRY = 37
    #: The request asks to leave the mirror out.
    AVOIDED = 38

    # These are decided in `answer.walk`, from the client's network and the other mirrors.
    OTHER_NETWORK = 48
    OWNED = 49
    OTHER_REGION = 50
    SAME_ADDRESS = 51
    RANK = 52
    #: The request has its list end before the mirror (`fill=`).
    BEYOND = 53

    @property
    def exclusion(self) -> Exclusion | None:
        """The reason that people read for this fate; None if the mirror may be served."""
        return _EXCLUSIONS.get(self)


_EXCLUSIONS = {
    Fate.DISABLED: Exclusion.DISABLED,
    Fate.NOT_PROBED: Exclusion.NOT_PROBED,
    Fate.UNREACHABLE: Exclusion.UNREACHABLE,
    Fate.BROKEN: Exclusion.BROKEN,
    Fate.CORRUPT_REPO: Exclusion.BROKEN,
    Fate.STALE: Exclusion.STALE,
    Fate.STALE_REPO: Exclusion.STALE,
    Fate.MISSING_REPO: Exclusion.NOT_CARRIED,
    Fate.UNDECLARED: Exclusion.NOT_CARRIED,
    Fate.IN_VAULT: Exclusion.NOT_CARRIED,
    Fate.PROTOCOL: Exclusion.PROTOCOL,
    Fate.FAMILY: Exclusion.FAMILY,
    Fate.SERVES_OTHERS: Exclusion.COUNTRY,
    Fate.KEEPS_OUT: Exclusion.COUNTRY,
    Fate.OTHER_COUNTRY: Exclusion.COUNTRY,
    Fate.EXCLUDED_COUNTRY: Exclusion.COUNTRY,
    Fate.AVOIDED: Exclusion.AVOIDED,
    Fate.OTHER_NETWORK: Exclusion.PRIVATE,
    Fate.OWNED: Exclusion.EXCLUSIVE,
    Fate.OTHER_REGION: Exclusion.REGION,
    Fate.SAME_ADDRESS: Exclusion.SAME_ADDRESS,
    Fate.BEYOND: Exclusion.COUNTRY,
    Fate.RANK: Exclusion.RANK,
}
