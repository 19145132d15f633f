"""Says which losses of mirrors are too grave to be published at once.

A list must not shrink suddenly to less than half. One or two mirrors of a rare arch may be lost, as long as
any is left. And no list that had mirrors is left with the origin alone, unless a person asks for just that.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.snapshot.eligibility import Marked

SMALL_LOSS = 2
"""So many mirrors of a list may be lost, if any is left, however few it has."""

Ints = npt.NDArray[np.int64]


class Force(IntEnum):
    """How far a person lets lists shrink at once (`worker --force`)."""

    NO = 0
    #: Lists may be halved, but not emptied.
    PAST_GUARD = 1
    #: Lists may be left with the origin alone.
    TO_ORIGIN = 2


class Loss(NamedTuple):
    """A list that would lose too many of its mirrors."""

    question: str
    had: int
    keeps: int

    def __str__(self) -> str:
        mirrors = "mirror" if self.had == 1 else "mirrors"
        return f"{self.question} would keep {self.keeps} of {self.had} {mirrors}"


def is_grave(had: Ints, keeps: Ints, force: Force = Force.NO) -> Marked:
    """Returns where lists that had so many mirrors, and would keep so many, lose too many of them."""
    emptied: Marked = (had > 0) & (keeps == 0)
    halved: Marked = (2 * keeps < had) & (had - keeps > SMALL_LOSS)
    match force:
        case Force.NO:
            return emptied | halved
        case Force.PAST_GUARD:
            return emptied
        case Force.TO_ORIGIN:
            return np.zeros_like(emptied)


def sums(marked: Marked) -> Ints:
    """Returns how many are marked in each row."""
    counted: Ints = marked.sum(axis=1)
    return counted


def worst(losses: tuple[Loss, ...]) -> Loss:
    """Returns the loss that people should look at first: of the greatest ones, that of the longest list."""
    return min(losses, key=lambda loss: (loss.keeps / loss.had, -loss.had))
