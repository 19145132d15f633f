"""The requests of the last days, by which the worker knows how many clients each place really has.

Only whole days count: part of a day has more requests from where it is daytime. The last day counts in full,
and each day before it a seventh less than the day after it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from app.model import Count, Record
from app.model.place import Place

DAYS = 7

Weighted = Annotated[float, msgspec.Meta(ge=0, le=2**53)]
"""A number of requests, in which those of older days count less."""


class RecentRequests(Record, frozen=True, kw_only=True):
    """The requests of the last seven whole days (UTC) that were answered with mirrors by the client's place."""

    #: How many there were, each counted in full.
    requests: Count = 0
    places: dict[Place, Weighted] = {}
    #: By the name of the mirror that came first.
    mirrors: dict[str, Weighted] = {}


def encode(recent: RecentRequests) -> bytes:
    return msgspec.msgpack.encode(recent)


def decode(data: bytes) -> RecentRequests | None:
    """Decodes recent requests. Returns None for bytes that do not decode, such as those of another version."""
    try:
        return msgspec.msgpack.decode(data, type=RecentRequests)
    except (ValueError, RecursionError):  # msgspec's errors, and texts that are not UTF-8
        return None
