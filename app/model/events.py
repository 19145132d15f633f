"""Events: what changed about a mirror or in what is published, when, and because of what; and how long a
mirror was in which condition, which follows from events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from app.model.measured import Status
from app.model.values import Count, Record, about


class EventKind(StrEnum):
    """The kind of an event. All but the last are about one mirror."""

    #: The service began to know the mirror, or knows it no more.
    ADDED = "added"
    REMOVED = "removed"
    #: The prober's verdict on the mirror as a whole, or the reason for it.
    STATUS = "status"
    #: The base URLs that are served.
    ADDRESSES = "addresses"
    #: The repos, ISO directories and releases in the vault that the mirror is meant to have and lacks.
    CONTENT = "content"
    #: What its file declares: location, weight, networks, whether it is private or disabled …
    DECLARED = "declared"
    #: Its load price, by more than 50 km since the event before.
    PRICE = "price"
    #: A new generation was published.
    PUBLISHED = "published"


class Event(Record, frozen=True, kw_only=True):
    """One change. Two events are never equal, so the hash of an event names it."""

    #: When it happened, as far as that is known: for what the prober finds, when the prober saw it.
    at: datetime
    kind: EventKind
    #: The mirror's name; None for a publication.
    mirror: str | None = None
    #: What was before and what is after the change, in words or as a short value; None for nothing.
    before: str | None = None
    after: str | None = None
    #: What shows it, in one sentence: what the prober saw, or what a generation was published because of.
    evidence: str | None = None
    #: How many lists the mirror has entered (above 0) or left (below 0) by this. For a publication, how many
    #: lists have other mirrors than before.
    lists: int = 0
    #: Whether any client's list may be another one: the mirror entered or left lists, or its base URLs or its
    #: order in them changed.
    changes_lists: bool = False
    #: The generation with which it was published, or the one that stayed published.
    generation: str | None = None


class RecordedEvent(Event, frozen=True, kw_only=True):
    """An event as the history's database has it."""

    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$"), about("Its name, for ever.")]


class Condition(StrEnum):
    """What a mirror is like for its users, in the roughest words."""

    #: The mirror answers, and has what it is meant to have, or nearly all of it.
    UP = "up"
    #: The mirror answers, but is older than the origin by more than is allowed.
    STALE = "stale"
    #: The mirror does not answer, or is broken.
    OUT = "out"


_CONDITIONS = {
    Status.OK: Condition.UP,
    Status.DEGRADED: Condition.UP,
    Status.STALE: Condition.STALE,
    Status.UNREACHABLE: Condition.OUT,
    Status.BROKEN: Condition.OUT,
}


def condition_of(status: str | None) -> Condition | None:
    """Returns the condition of a mirror with this status; None for a status that says nothing of it, or for
    no status."""
    return _CONDITIONS[Status(status)] if status in _CONDITIONS else None


class MirrorDay(Record, frozen=True, kw_only=True):
    """How many seconds of one day, in UTC, a mirror was in each condition. What is missing of the day's
    86,400 seconds is not known."""

    up_s: Count = 0
    stale_s: Count = 0
    out_s: Count = 0
