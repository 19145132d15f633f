"""What happened to mirrors, as the history's database tells it: days by condition, and the last events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.history.database import HistoryDatabase
from app.history.mirror_history import (
    DAYS,
    EVENTS_OF_ALL,
    EVENTS_OF_MIRROR,
    MirrorHistories,
    Onset,
    days_of,
    read_histories,
)
from app.model import Condition, EventKind, MirrorDay, RecordedEvent, Status, condition_of
from app.snapshot.mirror_history import availability_in, freshness_in
from tests.happened import NOON, event, ninety_days, record

UP, STALE, OUT = Condition.UP, Condition.STALE, Condition.OUT
H, D = 3600, 86400
FIRST = datetime(2026, 8, 30, tzinfo=UTC)  # 90 days with the day of NOON
A, B = "a.example.org", "b.example.org"


def day(up: float = 0, stale: float = 0, out: float = 0) -> MirrorDay:
    """A day with so many hours of each condition."""
    return MirrorDay(up_s=round(up * H), stale_s=round(stale * H), out_s=round(out * H))


@pytest.mark.parametrize(
    ("onsets", "expected"),
    [
        pytest.param([], [day(), day(), day()], id="nothing known"),
        pytest.param([Onset(-5 * D, UP)], [day(24), day(24), day(12)], id="from before, to now"),
        pytest.param([Onset(D + 6 * H, UP)], [day(), day(18), day(12)], id="known from a moment on"),
        pytest.param([Onset(-1, UP), Onset(D, OUT)], [day(24), day(out=24), day(out=12)], id="at midnight"),
        pytest.param(
            [Onset(-1, UP), Onset(22 * H, OUT), Onset(26 * H, STALE), Onset(30 * H, UP)],
            [day(22, out=2), day(18, stale=4, out=2), day(12)],
            id="over midnight",
        ),
        pytest.param(
            [Onset(0, UP), Onset(H, OUT), Onset(2 * H, UP), Onset(3 * H, OUT), Onset(4 * H, UP)],
            [day(22, out=2), day(24), day(12)],
            id="flapping",
        ),
        pytest.param(
            [Onset(0, UP), Onset(H, None), Onset(2 * H, UP)],
            [day(23), day(24), day(12)],
            id="removed for an hour",
        ),
        pytest.param([Onset(-1, UP), Onset(D, None)], [day(24), day(), day()], id="removed for good"),
        pytest.param(
            [Onset(0, UP), Onset(H, OUT), Onset(H, UP)], [day(24), day(24), day(12)], id="for no time"
        ),
        pytest.param(
            [Onset(0, UP), Onset(9 * D, OUT)], [day(24), day(24), day(12)], id="a clock that is ahead"
        ),
        pytest.param([Onset(9 * D, OUT)], [day(), day(), day()], id="known from a moment to come on"),
    ],
)
def test_days(onsets: list[Onset], expected: list[MirrorDay]) -> None:
    """A condition counts from its moment to the next one, and to now, each second on its own day. It is noon
    of the third day."""
    assert days_of(onsets, 0, 2 * D + 12 * H) == tuple(expected)


def test_conditions() -> None:
    """Each status has a condition, and words that are no status have none."""
    assert {status: condition_of(status) for status in Status} == {
        "ok": UP,
        "degraded": UP,
        "stale": STALE,
        "unreachable": OUT,
        "broken": OUT,
    }
    assert condition_of(None) is condition_of("disabled") is None


@pytest.mark.parametrize(
    ("days", "availability", "freshness"),
    [
        pytest.param([day(), day()], None, None, id="nothing known"),
        pytest.param([day(24)], 1.0, 1.0, id="up"),
        pytest.param([day(out=24)], 0.0, None, id="out"),
        pytest.param([day(stale=24)], 1.0, 0.0, id="stale is answering"),
        pytest.param([day(), day(12, 6, 6)], 0.75, 2 / 3, id="of what is known"),
    ],
)
def test_shares(days: list[MirrorDay], availability: float | None, freshness: float | None) -> None:
    """Availability is the share of the known time in which it answered, freshness the part of that in which
    it was not stale."""
    assert (availability_in(days), freshness_in(days)) == (availability, freshness)


def read(database: HistoryDatabase, *mirrors: str, now: datetime = NOON) -> MirrorHistories:
    with database.reading() as connection:
        return read_histories(connection, mirrors, now)


def written(database: HistoryDatabase, *events: RecordedEvent) -> None:
    with database.writing() as connection:
        record(connection, events)


def test_status_holds_until_the_next_event(database: HistoryDatabase) -> None:
    """What held before the first day counts on it, however old; other kinds of events change nothing, and
    what was removed is not known."""
    long_ago = FIRST - timedelta(days=400)
    written(
        database,
        event(long_ago - timedelta(days=1), A, EventKind.ADDED, after="unreachable"),
        event(long_ago, A, after="ok"),
        event(long_ago + timedelta(days=1), A, EventKind.DECLARED, before="weight 1", after="weight 2"),
        event(FIRST + timedelta(hours=20), A, before="ok", after="stale"),
        event(FIRST + timedelta(hours=44), A, EventKind.PRICE, after="stale"),
        event(FIRST + timedelta(days=2, hours=6), A, EventKind.REMOVED, before="stale"),
        event(FIRST + timedelta(days=4), A, EventKind.ADDED, after="degraded"),
    )
    days = read(database, A).days[A]
    assert len(days) == DAYS
    assert days[:5] == (day(20, stale=4), day(stale=24), day(stale=6), day(), day(24))
    assert days[-1] == day(12)
    assert availability_in(days) == 1.0


def test_only_these_mirrors(database: HistoryDatabase) -> None:
    """Of other mirrors, nothing is read; of a mirror without events, nothing is known; a publication is no
    event of a mirror."""
    written(
        database,
        event(FIRST, A, EventKind.ADDED, after="ok"),
        event(FIRST, B, EventKind.ADDED, after="ok"),
        event(FIRST, "", EventKind.PUBLISHED, after="0123456789abcdef"),
    )
    found = read(database, A, "c.example.org")
    assert set(found.days) == set(found.events) == {A}
    assert {one.mirror for one in found.last} == {A}
    assert read(database) == MirrorHistories(FIRST, {}, {}, ())


def test_last_events(database: HistoryDatabase) -> None:
    """The last 50 of each mirror and the last 500 of all are read, whole and the newest first, those of 90
    days alone."""
    busy = [event(NOON - timedelta(minutes=n), A, before="ok", after="stale") for n in range(600)]
    rare = event(
        FIRST,
        B,
        EventKind.CONTENT,
        before=None,
        after="9.8/baseos/aarch64",
        evidence="a repomd.xml that the origin never had",
        lists=-1,
        changes_lists=True,
        generation="0123456789abcdef",
    )
    old = event(FIRST - timedelta(seconds=1), B, EventKind.ADDRESSES, after="https://b.example.org/")
    written(database, *reversed(busy), old, rare)
    found = read(database, A, B)
    assert found.events == {A: tuple(busy[:EVENTS_OF_MIRROR]), B: (rare,)}
    assert found.last == tuple(busy[:EVENTS_OF_ALL])
    assert set(found.days) == {A}


def test_ninety_invented_days(database: HistoryDatabase) -> None:
    """What the database tells of mirrors that were added lately is what was written of them."""
    names = [f"m{number}.example.org" for number in range(2)]
    expected = ninety_days(names, NOON)
    written(database, *(one for found in expected.events.values() for one in found))
    assert read(database, *names) == expected
