"""Puts what happened to a mirror into words, for pages, feeds and badges.

Mirrors and their files have chosen some of the words in an event, so what does not print is left out.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from math import floor

from app.model import Event, EventKind, MirrorDay, RecordedEvent
from app.model.words import printable
from app.snapshot.mirror_history import BADGE_DAYS, MirrorHistory

LABELS = {
    EventKind.ADDED: "Added to the service",
    EventKind.REMOVED: "Removed from the service",
    EventKind.STATUS: "Status",
    EventKind.ADDRESSES: "Base URLs",
    EventKind.CONTENT: "What it lacks",
    EventKind.DECLARED: "What its file declares",
    EventKind.PRICE: "Load price",
    EventKind.PUBLISHED: "Published generation",
}
"""What each kind of event is about."""


def what_changed(event: Event) -> str:
    """Returns what an event changed, such as "Status: from ok to stale"."""
    change = _change(event.before, event.after)
    return printable(f"{LABELS[event.kind]}: {change}" if change else LABELS[event.kind])


def what_shows_it(event: Event) -> str:
    """Returns the evidence of an event; nothing if there is none."""
    return printable(event.evidence or "")


def _change(before: str | None, after: str | None) -> str:
    if before == after:
        return f"still {after}, for another reason" if after else ""
    if before is None:
        return f"now {after}"
    return f"no longer {before}" if after is None else f"from {before} to {after}"


def what_of_lists(event: Event) -> str:
    """Returns in a sentence what an event changed in lists."""
    if event.lists:
        number = abs(event.lists)
        lists = "1 list" if number == 1 else f"{number:,} lists"
        return f"It {'entered' if event.lists > 0 else 'left'} {lists}."
    return "Some lists have it elsewhere, or at other URLs." if event.changes_lists else "No list changed."


def account(event: Event) -> str:
    """Returns all that is said of an event, as sentences."""
    sentences = [f"{what_changed(event)}."]
    if evidence := what_shows_it(event):
        sentences.append(evidence if evidence.endswith(".") else f"{evidence}.")
    return " ".join([*sentences, what_of_lists(event)])


def anchor(event: RecordedEvent) -> str:
    """Returns the name of the event's row on the page of its mirror."""
    return f"event-{event.id[:16]}"


def shares(history: MirrorHistory) -> list[tuple[str, str]]:
    """Returns the shares of a mirror's time that are known, each as a number and what it is."""
    known = (
        (history.availability, "of the time it answered"),
        (history.freshness, "of that time it was not stale"),
        (history.availability_30_days, f"of the last {BADGE_DAYS} days it answered"),
    )
    return [(percent(part), words) for part, words in known if part is not None]


def percent(part: float) -> str:
    """Returns a part of some time in per cent, rounded down: that of a mirror that was out for a moment is
    below a hundred."""
    return f"{floor(part * 10_000 + 1e-6) / 100:.2f}%"


def runs_of_days(history: MirrorHistory) -> list[tuple[str, MirrorDay]]:
    """Returns the days of a mirror's history, the last one first. Successive days that are alike are one
    row."""
    rows, first = [], history.first_day
    for day, alike in groupby(history.days):
        last = first + timedelta(days=len(list(alike)) - 1)
        rows.append((_from_to(first, last), day))
        first = last + timedelta(days=1)
    return rows[::-1]


def _from_to(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"


def span(seconds: int) -> str:
    """Returns a length of time of at most a day, in hours or minutes; nothing for none."""
    if not seconds:
        return ""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{max(1, round(seconds / 60))} min"
