"""Tells a visitor of the front page which mirrors are near, and how large the network is.

Nothing is decided here: the near mirrors are the first of the list that the visitor's client would get.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from app.answer.lists import MirrorLists
from app.answer.walk import row_of
from app.explain.mirror_report import MirrorSummary
from app.model import ClientClass, Overall, Pass, Record
from app.request.question import Question


class NearMirror(Record, frozen=True, kw_only=True):
    """One of the first mirrors in a visitor's list."""

    mirror: str
    city: str | None
    country: str | None
    #: From the client's place; None if it is not known where the mirror is.
    distance_km: float | None
    pass_: Pass


class NetworkNumbers(Record, frozen=True, kw_only=True):
    """How large the network is."""

    by_status: Mapping[Overall, int]
    countries: int
    #: How many cloud regions have a mirror of their own.
    regions: int

    @property
    def mirrors(self) -> int:
        return sum(self.by_status.values())

    @property
    def serving(self) -> int:
        """How many mirrors are in lists."""
        return self.by_status.get("ok", 0) + self.by_status.get("degraded", 0)


def near_mirrors(lists: MirrorLists, client: ClientClass, question: Question) -> tuple[NearMirror, ...]:
    """Returns the mirrors in a client's list, in order; none if the origin or the vault is the answer."""
    snapshot, selection = lists.snapshot, lists.select(client, question)
    if not selection.packed:
        return ()
    ranked = snapshot.rank(row_of(snapshot, client, question), client.spread, selection.mirrors)
    distances = dict(zip(ranked.indexes, ranked.terms.distance[0].tolist(), strict=True))
    return tuple(
        NearMirror(
            mirror=snapshot.mirrors[index].name,
            city=snapshot.mirrors[index].city,
            country=snapshot.mirrors[index].country,
            distance_km=distances[index] if snapshot.mirrors[index].coordinates else None,
            pass_=pass_,
        )
        for index, pass_ in zip(selection.mirrors, selection.passes, strict=True)
    )


def network_numbers(summaries: Iterable[MirrorSummary]) -> NetworkNumbers:
    """Counts mirrors."""
    summaries = list(summaries)
    clouds = [one.cloud for one in summaries if one.cloud]
    return NetworkNumbers(
        by_status=Counter(one.status for one in summaries),
        countries=len({one.location.country for one in summaries if one.location.country}),
        regions=len({(cloud.provider, region) for cloud in clouds for region in cloud.regions}),
    )
