"""Walks through the passes, to decide which mirrors a client is served, and why the others are left out.

The passes are tried in this order. Each takes mirrors group by group, and the mirrors of a group are
ordered by `rank_km`, their distance and other costs in kilometres:
1. exclusive: mirrors with `monopoly: true` whose netblock or declared ASN the client is in. They
   are the whole list while one of them is eligible.
2. netblock: mirrors whose declared subnets contain the client, the most specific subnets first.
3. region: mirrors in the client's cloud region, then those that serve all regions of the provider,
   then those in the provider's nearest other region on the continent. They leave two places of a list
   to other mirrors.
4. asn: mirrors that declare the client's ASN, then near ones whose own address is in it.
5. geography: every public mirror that is not in a cloud.

Within a group, mirrors known to have the content come before those that the prober has not looked at.
For IPv6 clients, those whose IPv6 is known to work come first among them. Of mirrors with the same base
URL only the first one is listed. Where no mirror is eligible, the origin answers. Without an origin, the
last resort are all public mirrors that carry the content by declaration.

`Walk.standings` goes on where the list is full, and says of every mirror what became of it. Explanations
take the fate of each mirror from these standings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from app.answer.plan import Plan
from app.answer.privacy import is_for_all, own_mirrors, servable
from app.catalogue.catalogue import origin_of, vault_of
from app.model import ClientClass, Fate, Pass
from app.model.place import UNKNOWN_PLACE
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot, Mask
from app.snapshot.schema import NetworkGroup, Overlay, Region

PLACES_FOR_OTHERS = 2
"""How many places of a list are kept for mirrors outside the client's cloud provider."""

_NO_NETWORK = Overlay()
_LAST_RESORT = {
    Fate.NOT_PROBED,
    Fate.UNREACHABLE,
    Fate.BROKEN,
    Fate.CORRUPT_REPO,
    Fate.STALE,
    Fate.STALE_REPO,
}
_IS_HOPEFUL = np.array([fate <= Fate.PARTIAL or fate in _LAST_RESORT for fate in range(256)], np.bool_)
"""Whether a mirror may be in the last resort, by the mirror's fate."""


class Standing(NamedTuple):
    """The standing of one mirror: what became of it in a walk."""

    mirror: int
    fate: Fate
    #: The pass that took the mirror; None for a mirror that is not served.
    pass_: Pass | None = None
    #: The mirror's position in the list, from 1. With the fate `RANK`, the position that it would have if the
    #: list were long enough. None for all other mirrors.
    place: int | None = None
    #: With the fate `SAME_ADDRESS`, the index of the mirror that is listed with the same base URL.
    speaker: int | None = None


def region_of(snapshot: LoadedSnapshot, client: ClientClass, question: Question) -> str | None:
    """Returns the key of the cloud region that the request names, or else of the region that the client is
    in. Returns None if there is neither."""
    overlay = snapshot.overlays.get(client.network)
    return question.filters.region or (overlay.region if overlay else None)


def row_of(snapshot: LoadedSnapshot, client: ClientClass, question: Question) -> int:
    """Returns the row, in the snapshot's table of places, of the place that distances are measured from. For
    a client in a cloud region whose place is known, this is the place of the region, and not the place that
    GeoIP has for the client's address. For `country=global`, it is the unknown place."""
    if question.filters.worldwide:
        return snapshot.row_of(UNKNOWN_PLACE)
    region = snapshot.regions.get(region_of(snapshot, client, question) or "")
    return snapshot.row_of(region.place if region and region.place else client.place)


class Walk:
    """One walk through the passes, for a class of clients and a question. `run` fills `served` (indexes of
    mirrors) and `passes` in parallel, in the order of the list. It sets `reason` and, where the vault
    or the origin is the whole answer, its base URL as `alone`."""

    def __init__(
        self, snapshot: LoadedSnapshot, client: ClientClass, question: Question, plan: Plan, row: int
    ) -> None:
        self.served: list[int] = []
        self.passes: list[Pass] = []
        self.reason = Pass.LAST_RESORT
        self.alone: str | None = None
        self._snapshot = snapshot
        self._client = client
        self._question = question
        self.plan = plan
        self.row = row
        self._overlay = snapshot.overlays.get(client.network, _NO_NETWORK)
        self._own = own_mirrors(client, self._overlay)
        self._met: set[int] = set()  # mirrors that no later pass may take: those taken, and their twins
        self._waiting: list[int] | None = None  # for standings: what the list has no room for, in order

    def run(self) -> None:
        config = self._snapshot.config
        vault = vault_of(config, self._question.release) if self._question.vault else None
        if vault is not None:
            self.reason, self.alone = Pass.VAULT, vault
            return
        self._go_through()
        if self.served:
            unavailable = self.passes[0] is not Pass.EXCLUSIVE and bool(self.owners())
            self.reason = Pass.EXCLUSIVE_UNAVAILABLE if unavailable else self.passes[0]
            return
        self.alone = origin_of(config, self._question.release)
        if self.alone is not None:
            self.reason = Pass.ORIGIN
        else:
            self._take(self._hopeful(), Pass.LAST_RESORT, self._question.limit)

    def standings(self) -> Iterator[Standing]:
        """Runs the walk to its end and yields the standing of every mirror, each once: first the mirrors
        served, in the order of the list, then those that are left out only because the list is full, in
        order, then all others by index."""
        waiting: list[int] = []
        self._waiting = waiting
        self.run()
        fates, places = self.plan.fates, count(1)
        for mirror, pass_ in zip(self.served, self.passes, strict=True):
            yield Standing(mirror, Fate(fates[mirror]), pass_, next(places))
        for mirror in waiting:
            yield Standing(mirror, Fate.RANK, place=next(places))
        order = [*self.served, *waiting]
        twins = self.plan.bases.twins
        speakers = {twin: mirror for mirror in order for twin in twins.get(mirror, ())}
        for mirror in sorted(set(range(len(fates))).difference(order)):
            fate = self._left_out(mirror, mirror in self._own, mirror in speakers)
            yield Standing(mirror, fate, speaker=speakers[mirror] if fate is Fate.SAME_ADDRESS else None)

    def owners(self) -> list[int]:
        """Returns the indexes of the mirrors that have the client's network to themselves: those of the
        exclusive pass, whether or not they are eligible."""
        return [
            index
            for group in self._overlay.exclusive
            for index in servable(self._snapshot, self._own, group.mirrors)
        ]

    # --- the passes ------------------------------------------------------------------------------

    def _go_through(self) -> None:
        limit = self._question.limit
        self._add(self._overlay.exclusive, limit)
        if self.served:
            return
        self._add(self._overlay.netblocks, limit)
        region = self._region()
        if region is not None:
            self._add(region.groups, max(1, limit - PLACES_FOR_OTHERS))
        self._add(self._overlay.asns, limit)
        self._add_geography(limit)

    def _region(self) -> Region | None:
        if self._question.filters.worldwide:
            return None
        return self._snapshot.regions.get(region_of(self._snapshot, self._client, self._question) or "")

    def _add(self, groups: Iterable[NetworkGroup], limit: int) -> None:
        """Takes the eligible mirrors of the groups, one group after the other, until the list has `limit`
        mirrors. Of the groups that are for nearby regions, only the first one with eligible mirrors is
        taken."""
        fates = self.plan.fates
        nearby = False
        for group in groups:
            if (len(self.served) >= limit and self._waiting is None) or (nearby and group.nearby):
                return
            indexes = servable(self._snapshot, self._own, group.mirrors)
            eligible = [i for i in indexes if fates[i] <= Fate.PARTIAL and i not in self._met]
            ordered = self._preferred(self._by_rank(group, eligible))
            nearby = nearby or (group.nearby and bool(ordered))
            self._take(ordered, group.pass_, limit)

    def _by_rank(self, group: NetworkGroup, indexes: list[int]) -> list[int]:
        """Returns the mirrors `indexes` of a group by rank, without those that are too far away for the
        group."""
        if not indexes:
            return []
        ranked = self._snapshot.rank(self.row, self._client.spread, indexes)
        if group.within_km is None:
            return ranked.indexes
        country = self._snapshot.letters(self.row)[0]
        if country is None:  # such a client is at distance zero from every mirror: none is near
            return []
        mirrors, distances = self._snapshot.mirrors, ranked.terms.distance[0].tolist()
        return [
            index
            for index, distance_km in zip(ranked.indexes, distances, strict=True)
            if distance_km <= group.within_km or mirrors[index].country == country
        ]

    def _add_geography(self, limit: int) -> None:
        missing = max(0, limit - len(self.served))
        if not missing and self._waiting is None:
            return
        order, _ = self._snapshot.near(self.row, self._client.spread)
        chosen = self._first_tier(order, missing) if self._waiting is None else []
        if len(chosen) < missing or self._waiting is not None:
            chosen = self._by_tier(missing if self._waiting is None else None)
        # IPv6 comes first among those of a list, but brings no farther mirror into it.
        self._take(self._preferred(chosen[:missing]) + chosen[missing:], Pass.GEOGRAPHY, limit)

    def _first_tier(self, order: list[int], missing: int) -> list[int]:
        """Returns up to `missing` mirrors that have the lowest fate in the plan, in the given order.
        Geography takes these before all others. Returns an empty list if no mirror that geography ranks is
        eligible."""
        fates, tier, met = self.plan.fates, self.plan.first_tier, self._met
        chosen: list[int] = []
        if tier > Fate.PARTIAL:
            return chosen
        if self.plan.bases.twins:
            order = self._distinct([i for i in order if fates[i] == tier and i not in met])
        for index in order:
            if fates[index] == tier and index not in met:
                chosen.append(index)
                if len(chosen) == missing:
                    break
        return chosen

    def _by_tier(self, count: int | None) -> list[int]:
        """Returns the first `count` eligible mirrors for the geography pass, or all if `count` is None. They
        are sorted by fate (GOOD, UNKNOWN, PARTIAL) and then by rank. Mirrors that an earlier pass took are
        left out, and so are those with the base URL of another mirror in the list."""
        free = self._snapshot.is_rankable.copy()
        free[list(self._met)] = False
        fates = np.frombuffer(self.plan.fates, np.uint8)
        chosen: list[int] = []
        for tier in (Fate.GOOD, Fate.UNKNOWN, Fate.PARTIAL):
            of_tier = free & (fates == tier)
            if of_tier.any():
                chosen = self._distinct(chosen + self._ranked(of_tier, count))
            if count is not None and len(chosen) >= count:
                break
        return chosen[:count]

    def _ranked(self, among: Mask, count: int | None) -> list[int]:
        """Returns the indexes of the mirrors in the mask `among`, lowest rank first: enough of them for
        `count` different base URLs, or all if `count` is None."""
        enough = None if count is None else count + len(self.plan.bases.twins)
        return self._snapshot.far(self.row, self._client.spread, among, enough)

    def _hopeful(self) -> list[int]:
        """Returns the mirrors of the last resort, by rank: public mirrors that carry the content by
        declaration, whatever the prober last said of them. Of the request's filters, only the protocol counts
        here. The countries that a mirror says it serves count as well."""
        snapshot, row = self._snapshot, self.row
        fates = np.frombuffer(snapshot.fates_of(self._question.key), np.uint8)
        barred = np.frombuffer(snapshot.barred(snapshot.letters(row)[0]), np.uint8)
        hopeful = _IS_HOPEFUL[fates] & snapshot.is_public & ~self.plan.bases.missing & (barred == 0)
        return self._ranked(hopeful, self._question.limit if self._waiting is None else None)

    # --- taking ----------------------------------------------------------------------------------

    def _preferred(self, order: list[int]) -> list[int]:
        """Sorts mirrors by fate, so that those known to have the content come first. For IPv6 clients, among
        mirrors of the same fate, those whose IPv6 is known to work come first. Otherwise the order stays."""
        fates, mirrors = self.plan.fates, self._snapshot.mirrors
        if self._client.family == 6:
            return sorted(order, key=lambda i: (fates[i], not mirrors[i].ipv6))
        return sorted(order, key=lambda i: fates[i])

    def _distinct(self, order: list[int]) -> list[int]:
        """Returns the mirrors in the same order, without those whose base URL an earlier mirror has."""
        twins = self.plan.bases.twins
        if not twins:
            return order
        gone: set[int] = set()
        found = []
        for index in order:
            if index not in gone:
                found.append(index)
                gone |= twins.get(index, frozenset())
        return found

    def _take(self, order: list[int], pass_: Pass, limit: int) -> None:
        """Puts mirrors into the list as far as there is room. The remaining mirrors are kept only if
        `standings` runs the walk."""
        order = self._distinct(order)
        room = max(0, limit - len(self.served))
        taken = order[:room]
        self.served += taken
        self.passes += [pass_] * len(taken)
        if self._waiting is not None:
            self._waiting += order[room:]
            taken = order
        self._met.update(taken)
        twins = self.plan.bases.twins
        if twins:
            self._met.update(*(twins.get(index, ()) for index in taken))

    # --- why not ---------------------------------------------------------------------------------

    def _left_out(self, index: int, own: bool, spoken_for: bool) -> Fate:
        """Returns the fate of a mirror that the walk did not meet: the reason why a client would not get it
        even in the longest list. With `own`, the client is in the mirror's network; with `spoken_for`,
        another mirror with the same URL is listed."""
        mirror, fate = self._snapshot.mirrors[index], Fate(self.plan.fates[index])
        if not (own or is_for_all(mirror)):
            return Fate.OTHER_NETWORK
        if fate > Fate.PARTIAL:
            return fate
        if spoken_for:
            return Fate.SAME_ADDRESS
        return Fate.OWNED if self.reason is Pass.EXCLUSIVE else Fate.OTHER_REGION
