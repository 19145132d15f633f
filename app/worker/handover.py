"""Keeps a worker from taking over that knows much less than the one that published last.

What is published serves on without a worker. A worker without verdicts would have dead mirrors served again,
one without the origin's files would end all metalinks, and one without databases would forget where clients
are. So such a worker gives the lease back and waits: for what is missing, for another worker, or for `worker
--force`. It waits for `PATIENCE_S` at most, because without any worker nothing that people write would ever
be served."""

from __future__ import annotations

from collections.abc import Mapping

from app.logs import Faults
from app.model.words import moment

PATIENCE_S = 15 * 60.0
RETRY_S = 5.0

Stock = Mapping[str, int]
"""How much a worker knows, by what it is (in the plural)."""


class Handover:
    """Compares what this worker knows with what the last one knew. The fault "takeover" says what it
    lacks."""

    def __init__(self, faults: Faults) -> None:
        #: Whether this worker leaves the lease to others at the moment.
        self.waits = False
        self._faults = faults
        self._known: Stock = {}
        self._since: float | None = None

    def begin(self, known: Stock, stock: Stock, now: float) -> bool:
        """Returns whether a worker with this stock may take over now from one that had `known`."""
        self._known = known
        if not lacking(known, stock):
            self.end()
            return True
        if self._since is None or now < self._since:  # a clock set back
            self._since = now
        until_s = self._since + PATIENCE_S
        self.waits = now < until_s
        until = moment(until_s)
        there = f"{lacking(known, stock)} that the last publication was made of"
        text = (
            f"this worker has {there}, so it leaves that in place until {until}; "
            "give it the rest, or run mirrorwise worker --force"
            if self.waits
            else f"this worker took over at {until} with {there}; give it the rest"
        )
        self._faults.set("takeover", text)
        return not self.waits

    def look(self, stock: Stock) -> None:
        """Notes that this worker leads, with this stock. Once it lacks nothing, all is well."""
        if not lacking(self._known, stock):
            self.end()

    def end(self) -> None:
        """Notes that nothing is lacking, or that it does not matter: another worker leads, or people said
        so."""
        self.waits, self._since, self._known = False, None, {}
        self._faults.clear("takeover")


def lacking(known: Stock, stock: Stock) -> str:
    """Returns in words of what there is less than half now; empty if of nothing."""
    compared = [(kind, has, known.get(kind, 0)) for kind, has in stock.items()]
    return ", ".join(f"{has} of {had} {kind}" for kind, has, had in compared if 2 * has < had)
