"""Turns the mirrors and packed places of a snapshot into the numpy columns that ranking works on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.model.place import is_exact
from app.ranking import ranking
from app.snapshot.schema import ServedMirror


def mirror_table(mirrors: Sequence[ServedMirror]) -> ranking.MirrorTable:
    """Returns the columns that ranking needs, for all mirrors in the order given."""
    located = [m.coordinates for m in mirrors]
    nowhere = float("nan")
    return ranking.MirrorTable(
        vectors=ranking.unit_vectors(
            [c.latitude if c else nowhere for c in located], [c.longitude if c else nowhere for c in located]
        ),
        country=np.array([ranking.letters_code(m.country) for m in mirrors], np.int32),
        continent=np.array([ranking.letters_code(m.continent) for m in mirrors], np.int32),
        weight=np.array([m.weight for m in mirrors], np.float32),
        load_km=np.array([m.load_km for m in mirrors], np.float32),
    )


def place_points(
    names: Sequence[str], points: npt.NDArray[np.float32], countries: str, continents: str
) -> ranking.PlacePoints:
    """Returns the columns that ranking needs, for places whose columns are unpacked from `PlaceRows`."""

    def letters(packed: str) -> npt.NDArray[np.int32]:
        pairs = (packed[i : i + 2].strip() for i in range(0, len(packed), 2))
        return np.array([ranking.letters_code(pair) for pair in pairs], np.int32)

    return ranking.PlacePoints(
        vectors=ranking.unit_vectors(points[:, 0], points[:, 1]),
        country=letters(countries),
        continent=letters(continents),
        wide=np.array([not is_exact(name) for name in names], np.bool_),
    )
