"""What happened to a mirror, in words."""

from __future__ import annotations

from datetime import date

import pytest

from app.model import EventKind, MirrorDay
from app.render.mirror_history import account, percent, runs_of_days, shares, span, what_changed
from app.snapshot.mirror_history import history_of
from tests.happened import NOON, event

NAME = "mirror.example.org"


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (EventKind.STATUS, "ok", "stale", "Status: from ok to stale"),
        (EventKind.STATUS, "stale", "stale", "Status: still stale, for another reason"),
        (EventKind.STATUS, None, "ok", "Status: now ok"),
        (EventKind.STATUS, "ok", None, "Status: no longer ok"),
        (EventKind.ADDED, None, None, "Added to the service"),
        (EventKind.ADDED, None, "ok", "Added to the service: now ok"),
        (EventKind.REMOVED, None, None, "Removed from the service"),
        (EventKind.CONTENT, None, "9.8/baseos/aarch64", "What it lacks: now 9.8/baseos/aarch64"),
        (EventKind.CONTENT, "9.8/baseos/aarch64", None, "What it lacks: no longer 9.8/baseos/aarch64"),
        (EventKind.PRICE, "0 km", "55 km", "Load price: from 0 km to 55 km"),
    ],
)
def test_what_changed(kind: EventKind, before: str | None, after: str | None, words: str) -> None:
    """A change is what it is of, and what was before and after, as far as there was anything."""
    assert what_changed(event(NOON, NAME, kind, before=before, after=after)) == words


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_has_words(kind: EventKind) -> None:
    """Each kind of event says what it is of."""
    assert what_changed(event(NOON, NAME, kind))[0].isupper()


@pytest.mark.parametrize(
    ("evidence", "lists", "changes", "words"),
    [
        (None, 0, False, "Status: now ok. No list changed."),
        ("It answers again.", 1, True, "Status: now ok. It answers again. It entered 1 list."),
        ("no answer", -1240, True, "Status: now ok. no answer. It left 1,240 lists."),
        (None, 0, True, "Status: now ok. Some lists have it elsewhere, or at other URLs."),
    ],
)
def test_account(evidence: str | None, lists: int, changes: bool, words: str) -> None:
    """The account of an event also has what shows it, and what it changed in lists."""
    one = event(NOON, NAME, after="ok", evidence=evidence, lists=lists, changes_lists=changes)
    assert account(one) == words


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (1.0, "100.00%"),
        (1 - 1e-9, "99.99%"),
        (0.99999, "99.99%"),
        (0.9995, "99.95%"),
        (0.07, "7.00%"),
        (0.0, "0.00%"),
    ],
)
def test_percent(part: float, text: str) -> None:
    """Only what is whole is called so."""
    assert percent(part) == text


def test_runs_of_days() -> None:
    """Days that are alike are one row, the last one first."""
    up, out = MirrorDay(up_s=86400), MirrorDay(up_s=86000, out_s=400)
    history = history_of(NAME, date(2026, 11, 1), (up, up, out, up), ())
    assert runs_of_days(history) == [
        ("2026-11-04", up),
        ("2026-11-03", out),
        ("2026-11-01 to 2026-11-02", up),
    ]


def test_shares_that_are_known() -> None:
    """What is not known is not said: freshness of a mirror that never answered, and all of a new one."""
    out = history_of(NAME, date(2026, 11, 1), [MirrorDay(out_s=60)], ())
    assert [number for number, _ in shares(out)] == ["0.00%", "0.00%"]
    assert shares(history_of(NAME, date(2026, 11, 1), [MirrorDay()], ())) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, ""), (1, "1 min"), (3599, "60 min"), (3600, "1.0 h"), (86400, "24.0 h")]
)
def test_span(seconds: int, text: str) -> None:
    """A time of a day is in hours, a short one in minutes, and none is shown for none."""
    assert span(seconds) == text
