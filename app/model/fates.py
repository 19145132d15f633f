"""Why a mirror is not in a list."""

from __future__ import annotations

from enum import StrEnum


class Exclusion(StrEnum):
    """Exactly one per mirror and question; the evidence is kept beside it."""

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
