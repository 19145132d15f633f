"""Reads moments of the past as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

ALLOWED = "write '2026-11-20 14:00' (UTC), 2026-11-20T14:00:00+01:00, or how long ago: 90m, 24h, '3 days ago'"

_AGO = re.compile(
    r"(?P<number>[0-9]{1,7})\s*(?:(?P<s>s|sec|seconds?)|(?P<m>m|min|minutes?)|(?P<h>h|hours?)|(?P<d>d|days?)"
    r"|(?P<w>w|weeks?))(?:\s+ago)?",
    re.IGNORECASE | re.ASCII,
)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_moment(text: str, now_s: float) -> float:
    """Reads a moment, and returns it in epoch seconds. A moment without a time zone is in UTC. Raises
    ValueError, which says what is allowed, if the text is none, or if the moment is yet to come."""
    moment_s = _ago(text.strip(), now_s)
    if moment_s is None:
        try:
            when = datetime.fromisoformat(text.strip())
            moment_s = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise ValueError(ALLOWED) from None
    if moment_s > now_s:
        raise ValueError("that is yet to come")
    return max(0.0, moment_s)


def _ago(text: str, now_s: float) -> float | None:
    match = _AGO.fullmatch(text)
    if match is None:
        return None
    unit_s = next(_UNITS_S[unit] for unit in _UNITS_S if match[unit])
    return now_s - int(match["number"]) * unit_s
