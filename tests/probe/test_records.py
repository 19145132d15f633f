"""The prober's files: what it writes, and when it must not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.model import ProbeRound
from app.probe.records import OriginNotes, ProbeNotes, Records
from app.sources.folder import DataFolder
from tests.spoiling import deep, directory, emptied, loop, pipe


def test_a_data_folder_that_is_away_is_not_made(tmp_path: Path) -> None:
    """While people replace the data folder, a running prober puts nothing in its place: `mv new data` would
    end up inside it."""
    records = Records(DataFolder(tmp_path / "data"))
    records.save_round(ProbeRound(completed_at=datetime(2026, 11, 20, tzinfo=UTC)))
    records.save_mirror(None, "mirror.example.org", ProbeNotes())
    records.save_origin({}, OriginNotes())
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_not_made(tmp_path: Path) -> None:
    """An empty `state/mirrors` is people's word that no state is known; a prober that starts says no such
    thing."""
    records = Records(DataFolder(tmp_path))
    records.prepare()
    assert not records.folder.mirror_states.exists()


@pytest.mark.parametrize("breakage", [emptied, directory, pipe, loop, deep, Path.unlink])
def test_spoiled_notes_are_made_anew(tmp_path: Path, breakage: object) -> None:
    """Whatever stands where its own notes should be, the prober knows nothing then, and asks again."""
    records = Records(DataFolder(tmp_path))
    records.prepare()
    records.save_mirror(None, "mirror.example.org", ProbeNotes(isos={"9.8/x86_64": 1.0}))
    assert records.load_notes("mirror.example.org").isos
    assert callable(breakage)
    breakage(records.folder.prober_notes / "mirror.example.org.json")
    assert records.load_notes("mirror.example.org") == ProbeNotes()
