"""The fortnight, played once for each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.conftest import postgres  # noqa: F401 - a fixture
from tests.worker.fortnight.script import play
from tests.worker.fortnight.world import World, a_world
from tests.worker.network import Network


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def fortnight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which the fortnight has been played."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").url("fortnight")
    folder: Path = tmp_path_factory.mktemp("fortnight")
    with pytest.MonkeyPatch.context() as patch, a_world(Network(folder), url) as world:
        patch.setattr("app.worker.pricing.solved", world.solved)
        patch.setattr("app.history.database.PATIENCE_S", 1)
        patch.setattr("os.fsync", lambda _: None)  # no power cut is played
        play(world)
        yield world
