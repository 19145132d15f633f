"""What becomes of a mirror for a question: the pass that takes it, or the one reason why not."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Pass(StrEnum):
    """What gives a mirror its place in a list."""

    EXCLUSIVE = "exclusive"
    NETBLOCK = "netblock"
    REGION = "region"
    ASN = "asn"
    GEOGRAPHY = "geography"
    LAST_RESORT = "last resort"

    # What decided a list whose first mirror does not tell.
    EXCLUSIVE_UNAVAILABLE = "exclusive unavailable"
    ORIGIN = "origin"
    VAULT = "vault"


class Exclusion(StrEnum):
    """Why a mirror is not in a list, as people read it: exactly one per mirror and question."""

    DISABLED = "disabled"
    NOT_PROBED = "not probed"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    STALE = "stale"
    NOT_CARRIED = "not carried"
    PROTOCOL = "protocol"
    FAMILY = "family"
    COUNTRY = "country"
    REGION = "region"
    EXCLUSIVE = "exclusive"
    SAME_ADDRESS = "same address"
    RANK = "rank"
    PRIVATE = "private"


class Fate(IntEnum):
    """What becomes of a mirror, in one byte. The first three may be served, the lowest first; each of the
    others is one case of an exclusion. Of several that hold, the lowest says most of the mirror."""

    #: It is known to have what is asked for, or it is trusted to.
    GOOD = 1
    #: The prober has not looked yet.
    UNKNOWN = 2
    #: The question names no arch, and the mirror has some arches of several.
    PARTIAL = 3

    # Decided by the worker in `snapshot.eligibility`, from files and the prober's state.
    DISABLED = 16
    NOT_PROBED = 17
    UNREACHABLE = 18
    BROKEN = 19
    CORRUPT_REPO = 20
    STALE = 21
    STALE_REPO = 22
    MISSING_REPO = 23
    UNDECLARED = 24
    #: Given to all mirrors by `LoadedSnapshot.fates_of`.
    IN_VAULT = 25

    # Decided in `answer.plan`, from what the request asks for and the countries that the mirror serves.
    PROTOCOL = 32
    FAMILY = 33
    SERVES_OTHERS = 34
    KEEPS_OUT = 35
    OTHER_COUNTRY = 36
    EXCLUDED_COUNTRY = 37

    # Decided in `answer.walk`, from the client's network and the other mirrors.
    OTHER_NETWORK = 48
    OWNED = 49
    OTHER_REGION = 50
    SAME_ADDRESS = 51
    RANK = 52

    @property
    def exclusion(self) -> Exclusion | None:
        """None for what may be served."""
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
    Fate.OTHER_NETWORK: Exclusion.PRIVATE,
    Fate.OWNED: Exclusion.EXCLUSIVE,
    Fate.OTHER_REGION: Exclusion.REGION,
    Fate.SAME_ADDRESS: Exclusion.SAME_ADDRESS,
    Fate.RANK: Exclusion.RANK,
}
