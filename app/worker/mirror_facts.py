"""What is known of each mirror at one moment, and the events that follow from what was known before. Pure.

A state that merely goes on is no event: a reason in which only a number is another one (how often it failed,
how old it is), an older version of a repo that is still good, a price that has not moved far enough.

A private mirror's events say which keys of its file were edited, and no values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.catalogue.catalogue import is_asked
from app.model import (
    Cloud,
    Coordinates,
    EpochSeconds,
    Event,
    EventKind,
    Mirror,
    MirrorState,
    Record,
    Status,
    lacks,
)
from app.model.words import shortened
from app.snapshot.schema import Kilometres, ServedMirror
from app.worker.list_changes import ListChanges, listing

PRICE_STEP_KM = 50.0
NAMED = 3
"""So many directories or base URLs are named, and the others counted."""
MAX_VALUE = 200
"""The most characters of a value in an event."""

_KEYS = {
    "addresses": "address",
    "module_addresses": "address_optional",
    "vault_addresses": "address_vault",
    "asns": "asn",
    "cloud": "cloud_type",
    "update_frequency_s": "update_frequency",
}
"""The keys of mirror files whose fields have other names."""
_SHOWN_ONLY = frozenset({"sponsor", "sponsor_url", "state_province", "update_frequency_s"})
"""The fields of a mirror that are shown, and decide nothing."""
_NUMBER = re.compile(r"(?<!HTTP )\b[0-9][0-9.,]*\b")


class MirrorFacts(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a mirror, so that a change is noticed. What its file declares is remembered
    already."""

    #: The prober's verdict; None if there is none, or the prober does not ask the mirror.
    status: Status | None = None
    reason: str | None = None
    #: Whether the guard holds a verdict of the prober back.
    is_held: bool = False
    #: What the mirror lacks (`model.lacks`).
    lacking: dict[str, str] = {}
    #: The base URLs that are served, in order.
    urls: tuple[str, ...] = ()
    #: The load price at the last event about it.
    price_km: Kilometres = 0.0


class ChronicleMemory(Record, frozen=True, kw_only=True):
    """What is remembered for the next comparison."""

    #: By the names of the mirrors.
    mirrors: dict[str, MirrorFacts] = {}
    #: When these were facts, in epoch seconds, and the generation that was published then.
    at_s: EpochSeconds | None = None
    generation: str | None = None
    #: The events that may not be in the history's database yet, the oldest first.
    unwritten: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Described:
    """A mirror with the file that declares it, and what is known of it."""

    file: str
    mirror: Mirror
    facts: MirrorFacts


@dataclass(frozen=True)
class Occasion:
    """When something was looked at, and when the last time before. Both are in epoch seconds; `before_s` is
    None if there was none. `changes` compares the lists; None if no other generation was published."""

    now: float
    before_s: EpochSeconds | None
    generation: str
    changes: ListChanges | None

    def of(self, found: datetime | None) -> datetime:
        """Returns when something came about that was found at a moment of the prober's, if that moment can
        be: after the last look, and not in the future. Otherwise it came about now."""
        now = datetime.fromtimestamp(self.now, UTC)
        if found is None or self.before_s is None:
            return now
        return found if self.before_s < found.timestamp() <= self.now else now


def facts_of(
    mirror: Mirror, served: ServedMirror | None, state: MirrorState | None, is_held: bool, price_km: float
) -> MirrorFacts:
    """Returns what is known of a mirror. `served` is the mirror as it is published."""
    asked = state if is_asked(mirror) else None
    return MirrorFacts(
        status=asked.status if asked else None,
        reason=asked.reason if asked else None,
        is_held=is_held,
        lacking=lacks(state.content, state.isos, state.vault) if state else {},
        urls=tuple(sorted(_urls(served))) if served else (),
        price_km=price_km,
    )


def events_of(
    name: str,
    before: Described | None,
    after: Described | None,
    state: MirrorState | None,
    occasion: Occasion,
) -> list[Event]:
    """Returns the events about one mirror: each kind of change is one event. `state` is the prober's of
    now."""
    if before is not None and after is not None:
        drafts = list(_changes(before, after, state, occasion))
    elif after is not None:
        evidence = f"it is declared in {after.file}"
        drafts = [_Draft(EventKind.ADDED, None, after.facts.status, evidence)]
    elif before is not None:
        drafts = [_Draft(EventKind.REMOVED, before.facts.status, None, f"{before.file} declares it no more")]
    else:
        drafts = []
    changes = occasion.changes
    entered, left = (changes.entered(name), changes.left(name)) if changes and drafts else (0, 0)
    is_listed = changes is not None and bool(drafts) and changes.is_listed(name)
    return [
        Event(
            at=occasion.of(draft.found),
            kind=draft.kind,
            mirror=name,
            before=draft.before,
            after=draft.after,
            evidence=draft.evidence,
            lists=entered - left,
            changes_lists=bool(entered or left) or (draft.may_move and is_listed),
            generation=occasion.generation,
        )
        for draft in drafts
    ]


@dataclass(frozen=True)
class _Draft:
    """An event without its time and its effect. `may_move` says whether such a change may give clients other
    lists although the same mirrors are in them; `found` is when the prober found it."""

    kind: EventKind
    before: str | None
    after: str | None
    evidence: str | None
    may_move: bool = False
    found: datetime | None = None


def _changes(
    before: Described, after: Described, state: MirrorState | None, occasion: Occasion
) -> Iterator[_Draft]:
    was, now = before.facts, after.facts
    if before.mirror != after.mirror:
        yield _declared(before, after)
    if status := _status(was, now, state):
        yield status
    is_hidden = before.mirror.private or after.mirror.private
    asked_at = state.probed_at if state else None
    if was.lacking != now.lacking:
        yield _difference(EventKind.CONTENT, _directories(was), _directories(now), found=asked_at)
    if was.urls != now.urls and not is_hidden:
        declared = before.mirror != after.mirror
        yield _difference(
            EventKind.ADDRESSES, was.urls, now.urls, may_move=True, found=None if declared else asked_at
        )
    if was.price_km != now.price_km:
        prices = (f"{was.price_km:.0f} km", f"{now.price_km:.0f} km")
        why = "it would get more than its share" if now.price_km else "it gets no more than its share"
        yield _Draft(EventKind.PRICE, *prices, why, may_move=True)


def price_after(before: MirrorFacts | None, price_km: float) -> float:
    """Returns the price to remember: the one of the last event until it is left far enough behind."""
    if before is None or abs(price_km - before.price_km) > PRICE_STEP_KM:
        return price_km
    return before.price_km


# --- what the prober finds -------------------------------------------------------------------------------


def _status(was: MirrorFacts, now: MirrorFacts, state: MirrorState | None) -> _Draft | None:
    """Returns the event about a status: another one, another reason for it, or the guard's."""
    if was.status is not now.status:
        found = state.since if state and now.status else None
        return _Draft(EventKind.STATUS, was.status, now.status, _why(now), found=found)
    if was.is_held != now.is_held:
        return _Draft(EventKind.STATUS, was.status, now.status, _why(now))
    # What a mirror lacks is an event of its own.
    if now.status is Status.DEGRADED or _steady(was.reason) == _steady(now.reason):
        return None
    found = state.probed_at if state else None
    return _Draft(EventKind.STATUS, was.status, now.status, _why(now), found=found)


def _steady(reason: str | None) -> str | None:
    """Returns a reason without its numbers, but for the status of an HTTP answer."""
    return None if reason is None else _NUMBER.sub("#", reason)


_WITHOUT_REASON = {
    None: "the prober does not ask it, or not yet",
    Status.OK: "it has all that it is meant to have",
}


def _why(facts: MirrorFacts) -> str:
    said = facts.reason or _WITHOUT_REASON.get(facts.status, "the prober gave no reason")
    if not facts.is_held:
        return said
    held = "the guard holds back what the prober found, so the mirror is served as before"
    return held if facts.status in _WITHOUT_REASON else f"{said}; {held}"


def _directories(facts: MirrorFacts) -> tuple[str, ...]:
    return tuple(f"{key} ({what})" for key, what in sorted(facts.lacking.items()))


def _difference(
    kind: EventKind,
    was: tuple[str, ...],
    now: tuple[str, ...],
    may_move: bool = False,
    found: datetime | None = None,
) -> _Draft:
    """Returns the event that some things are others now; the evidence says which went and which came."""
    gone, new = ([one for one in these if one not in set(those)] for these, those in ((was, now), (now, was)))
    parts = [f"{word}: {listing(these, NAMED)}" for word, these in (("gone", gone), ("new", new)) if these]
    before, after = (listing(these, NAMED) if these else None for these in (was, now))
    return _Draft(kind, before, after, "; ".join(parts), may_move, found)


# --- what people declare ---------------------------------------------------------------------------------


def _declared(before: Described, after: Described) -> _Draft:
    fields = [
        field
        for field in Mirror.__struct_fields__
        if getattr(before.mirror, field) != getattr(after.mirror, field)
    ]
    keys = sorted(_KEYS.get(field, field) for field in fields)
    may_move = not _SHOWN_ONLY.issuperset(fields)
    evidence = f"{after.file} has another {listing(keys, len(keys))}"
    if before.mirror.private or after.mirror.private:
        return _Draft(EventKind.DECLARED, None, None, evidence, may_move)
    was, now = (
        "; ".join(sorted(f"{_KEYS.get(field, field)} {_value(getattr(mirror, field))}" for field in fields))
        for mirror in (before.mirror, after.mirror)
    )
    return _Draft(EventKind.DECLARED, was, now, evidence, may_move)


def _value(value: object) -> str:
    """Returns the value of a field of a mirror in words."""
    if value in (None, (), {}):
        return "none"
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case Coordinates():
            return f"{value.latitude:g}, {value.longitude:g}"
        case Cloud():
            return " ".join((value.provider, *value.regions))
        case tuple():
            return listing([str(one) for one in value], NAMED)
        case Mapping():
            return listing(sorted(_leaves(value)), NAMED)
        case _:
            return shortened(str(value), MAX_VALUE)


def _leaves(value: Mapping[str, object]) -> Iterator[str]:
    for one in value.values():
        yield from _leaves(one) if isinstance(one, Mapping) else (str(one),)


def _urls(served: ServedMirror) -> Iterator[str]:
    for urls in (served.addresses, *served.module_addresses.values(), *served.vault_addresses.values()):
        yield from urls.values()
