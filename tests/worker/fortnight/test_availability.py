"""How long each mirror of the fortnight was up, stale and out, as its page says it, against the script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from app.answer.privacy import shown_to_all
from app.history.mirror_history import read_histories
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.statistics import decode
from app.worker.statistics import histories_of
from tests.worker.fortnight.world import World

pytestmark = pytest.mark.slow


def assert_as_scripted(fortnight: World, found: Mapping[str, float | None], until: float) -> None:
    """Asserts that the availability of mirrors is the script's to 0.1 %."""
    scripted = {name: fortnight.availability(name, until) for name in found}
    wrong = {
        name: (found[name], share)
        for name, share in scripted.items()
        if (share is None) is not (found[name] is None) or abs((found[name] or 0) - (share or 0)) > 0.001
    }
    assert wrong == {}
    assert len([share for share in scripted.values() if share is not None and share < 0.999]) > 20


def test_all_mirrors(fortnight: World) -> None:
    """Of each mirror that there ever was, whatever befell workers, store and database."""
    names = list(fortnight.conditions)
    with fortnight.database.reading() as connection:
        read = read_histories(connection, names, datetime.fromtimestamp(fortnight.now, UTC))
    histories = histories_of(read)
    found = {name: histories[name].availability if name in histories else None for name in names}
    assert_as_scripted(fortnight, found, fortnight.now)


def test_published_of_public_mirrors(fortnight: World) -> None:
    """Pages show it of each mirror that is public, and of no other."""
    data, pointer = fortnight.store.statistics(), fortnight.store.pointer()
    current = fortnight.store.snapshot(pointer.generation) if pointer else None
    assert data is not None and pointer is not None and current is not None
    snapshot, document = LoadedSnapshot(pointer.generation, current), decode(data)
    public = {snapshot.mirrors[index].name for index in shown_to_all(snapshot)}
    assert set(document.histories) == public
    histories = {name: document.history_of(name) for name in public}
    found = {name: history.availability for name, history in histories.items() if history is not None}
    assert_as_scripted(fortnight, found, document.of_service().compiled_at.timestamp())
    assert {event.mirror for event in document.last_events()} <= public
