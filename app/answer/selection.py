"""(snapshot, client class, question) → the mirrors served, in order, each with the pass it came from.

The passes, each ordered by `ranking.rank_km` within what stands alike:
1. exclusive: mirrors with `monopoly: true` whose netblock or declared ASN the client is in. They
   stand alone while one of them is eligible.
2. netblock: declared subnets that contain the client, most specific first.
3. region: mirrors in the client's cloud region, then those that serve all regions of the provider,
   then the provider's nearest other region on the continent. Two places of a list stay for others.
4. asn: mirrors that declare the client's ASN, then near ones whose own address is in it.
5. geography: everybody public and not in a cloud.

Within a pass, mirrors known to have the content come before those nobody has looked at, and for
IPv6 clients those whose IPv6 is known to work come first. Of mirrors with the same base URL (several
files for one anycast address) the first one stands for all: no URL is twice in a list. Nobody
eligible: the origin; without one, whoever is public and carries it by declaration.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import msgspec

from app.catalogue.catalogue import question_key
from app.model import ClientClass, Exclusion, Protocol
from app.request.question import Question
from app.snapshot.eligibility import Tier, exclusion_code, exclusion_of
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import NetworkGroup, ServedMirror

PLACES_FOR_OTHERS = 2
"""How many places of a list a client's cloud provider cannot take."""

Twins = Mapping[int, frozenset[int]]

_LAST_RESORT = frozenset(
    exclusion_code(reason)
    for reason in (Exclusion.NOT_PROBED, Exclusion.UNREACHABLE, Exclusion.BROKEN, Exclusion.STALE)
)


class Served(NamedTuple):
    """A mirror by its index in the snapshot, and the pass it came from."""

    mirror: int
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a question comes to in one snapshot, whoever asks. `codes`: tier or exclusion of every
    mirror, filters included; `bases`: the base URL to serve of every mirror, None where it has no
    protocol that was asked for; `twins`: by index, all mirrors with the same base URL, itself among
    them, where there are several; `first_tier`: the lowest that geography has."""

    codes: bytes
    bases: Sequence[str | None]
    twins: Twins
    first_tier: int


class Selection(msgspec.Struct, frozen=True, gc=False):
    """What a class of clients gets for a question. Small, and nothing to the garbage collector, because
    tens of thousands are remembered.

    `reason` is the pass of the first mirror, or "origin", "vault", "last resort", "exclusive
    unavailable". `packed`: the mirrors' indexes, two bytes each, in order; `passes`: theirs, alike.
    `bases`: the plan's base URLs by index; an origin or vault stands alone, with no mirrors.
    """

    reason: str
    packed: bytes
    passes: tuple[str, ...]
    bases: Sequence[str | None]
    below: str

    @property
    def first(self) -> int | None:
        """The index of the first mirror; None for an origin or a vault."""
        return memoryview(self.packed).cast("H")[0] if self.packed else None

    @property
    def is_empty(self) -> bool:
        """Nobody at all, and no origin."""
        return not self.packed and not self.bases

    @property
    def mirrors(self) -> list[int]:
        """Indexes of the mirrors served, in order."""
        return memoryview(self.packed).cast("H").tolist()

    @property
    def served(self) -> tuple[Served, ...]:
        return tuple(map(Served, self.mirrors, self.passes))

    @property
    def urls(self) -> list[str]:
        """Base URLs with the question's path, in order; never empty, unless there is nobody at all."""
        bases, below = self.bases, self.below
        if not self.packed:
            return [f"{base}{below}" for base in bases]
        return [f"{bases[index]}{below}" for index in memoryview(self.packed).cast("H")]


def select(snapshot: LoadedSnapshot, client: ClientClass, question: Question) -> Selection:
    """Answer a question for a class of clients. Pure; the snapshot remembers the answers."""
    key = (client, snapshot.question_number(question))
    selection = snapshot.selections.get(key)
    if selection is None:
        selection = _select(snapshot, client, question)
        snapshot.selections.put(key, selection)
    return selection


def _select(snapshot: LoadedSnapshot, client: ClientClass, question: Question) -> Selection:
    below = f"{question.release}/{question.path}"
    if question.vault and snapshot.config.vault_url:
        return Selection("vault", b"", (), (snapshot.config.vault_url,), below)
    row = client_row(snapshot, client, question)
    plan = plan_for(snapshot, question, snapshot.letters(row)[0])
    served, reason = _Passes(snapshot, client, question, plan, row).run()
    if not served:
        origin = _origin(snapshot, question.release)
        if origin:
            return Selection("origin", b"", (), (origin,), below)
        served, reason = _last_resort(snapshot, client, question, plan, row), "last resort"
    if not served:
        return Selection(reason, b"", (), (), below)
    passes = tuple(item.reason for item in served)
    packed = struct.pack(f"{len(served)}H", *(item.mirror for item in served))
    return Selection(reason, packed, _shared(passes), plan.bases, below)


@cache
def _shared(passes: tuple[str, ...]) -> tuple[str, ...]:
    """One object for the few sequences of passes that occur."""
    return passes


def client_row(snapshot: LoadedSnapshot, client: ClientClass, question: Question) -> int:
    """The place whose distances count: a cloud region's own, rather than the place that GeoIP has
    for its addresses."""
    if question.filters.worldwide:
        return snapshot.row_of("")
    region = snapshot.regions.get(region_of(snapshot, client, question) or "")
    return snapshot.row_of(region.place if region and region.place else client.place)


def region_of(snapshot: LoadedSnapshot, client: ClientClass, question: Question) -> str | None:
    overlay = snapshot.overlays.get(client.network)
    return question.filters.region or (overlay.region if overlay else None)


def _origin(snapshot: LoadedSnapshot, release: str) -> str | None:
    module = snapshot.config.modules.get(release)
    return snapshot.config.module_origins.get(module) if module else snapshot.config.origin


# --- what the question alone decides -------------------------------------------------------------


def plan_for(snapshot: LoadedSnapshot, question: Question, country: str | None) -> Plan:
    """The question's plan for clients in a country; kept by the snapshot."""
    barred = snapshot.barred_by_country(country)
    key = (question.release, question.repo, question.arch, question.filters, barred)
    plan = snapshot.plans.get(key)
    if plan is None:
        plan = _make_plan(snapshot, question, barred)
        snapshot.plans.put(key, plan)
    return plan


def _make_plan(snapshot: LoadedSnapshot, question: Question, barred: Collection[int]) -> Plan:
    key = question_key(question.release, question.repo, question.arch)
    nobody = bytes([exclusion_code(Exclusion.NOT_CARRIED)]) * len(snapshot.mirrors)
    codes = bytearray(snapshot.codes.get(key, nobody))
    bases: list[str | None] = []
    for index, mirror in enumerate(snapshot.mirrors):
        base = _base(snapshot.addresses(mirror, question.release), question.filters.protocols)
        bases.append(base)
        if exclusion_of(codes[index]) is None:
            reason = _filtered(mirror, question, base, index in barred)
            if reason is not None:
                codes[index] = exclusion_code(reason)
    first_tier = min((codes[index] for index in snapshot.rankable), default=Tier.GOOD)
    return Plan(bytes(codes), bases, _twins(bases), first_tier)


def _twins(bases: Sequence[str | None]) -> Twins:
    """See Plan."""
    known = [base for base in bases if base is not None]
    if len(set(known)) == len(known):  # nearly always
        return {}
    by_base: dict[str, list[int]] = {}
    for index, base in enumerate(bases):
        if base is not None:
            by_base.setdefault(base, []).append(index)
    groups = [frozenset(group) for group in by_base.values() if len(group) > 1]
    return {index: group for group in groups for index in group}


def distinct(order: list[int], twins: Twins) -> list[int]:
    """Without those whose base URL an earlier one has."""
    if not twins:
        return order
    found: list[int] = []
    gone: set[int] = set()
    for index in order:
        if index not in gone:
            found.append(index)
            gone |= twins.get(index, frozenset())
    return found


def _base(addresses: dict[Protocol, str], protocols: Iterable[Protocol]) -> str | None:
    return next((addresses[protocol] for protocol in protocols if protocol in addresses), None)


def _filtered(mirror: ServedMirror, question: Question, base: str | None, barred: bool) -> Exclusion | None:
    filters = question.filters
    if base is None:
        return Exclusion.PROTOCOL
    if (filters.family == 6 and not mirror.ipv6) or (filters.family == 4 and mirror.ipv4 is False):
        return Exclusion.FAMILY
    pinned_out = filters.countries and mirror.country not in filters.countries
    if barred or pinned_out or mirror.country in filters.exclude_countries:
        return Exclusion.COUNTRY
    return None


# --- the passes ------------------------------------------------------------------------------------


@dataclass
class _Passes:
    snapshot: LoadedSnapshot
    client: ClientClass
    question: Question
    plan: Plan
    row: int

    def run(self) -> tuple[list[Served], str]:
        overlay = self.snapshot.overlays.get(self.client.network)
        limit = self.question.limit
        served: list[Served] = []
        if overlay is not None and overlay.exclusive:
            self._add(served, overlay.exclusive, limit)
            if served:
                return served, "exclusive"
        unavailable = overlay is not None and bool(overlay.exclusive) and self._mine(overlay.exclusive)
        if overlay is not None:
            self._add(served, overlay.netblocks, limit)
        region = self.snapshot.regions.get(region_of(self.snapshot, self.client, self.question) or "")
        if region is not None and not self.question.filters.worldwide:
            self._add(served, region.groups, max(1, limit - PLACES_FOR_OTHERS))
        if overlay is not None:
            self._add(served, overlay.asns, limit)
        self._add_geography(served, limit)
        if not served:
            return served, "origin"
        return served, "exclusive unavailable" if unavailable else served[0].reason

    def _mine(self, groups: Iterable[NetworkGroup]) -> bool:
        return any(self._visible(group.mirrors) for group in groups)

    def _visible(self, indexes: Iterable[int]) -> list[int]:
        """Those that may be shown to the client: private ones only from within their networks."""
        mirrors = self.snapshot.mirrors
        return [i for i in indexes if self.client.private or not mirrors[i].private]

    def _add(self, served: list[Served], groups: Iterable[NetworkGroup], limit: int) -> None:
        """Append the groups' eligible mirrors, a group after the other, up to `limit` in all."""
        codes = self.plan.codes
        nearby = False
        for group in groups:
            if len(served) >= limit or (nearby and group.nearby):
                return
            taken = self._taken(served)
            eligible = [i for i in self._visible(group.mirrors) if codes[i] <= Tier.PARTIAL]
            ordered = self._by_rank(group, [i for i in eligible if i not in taken])
            nearby = nearby or (group.nearby and bool(ordered))
            for index in distinct(self._preferred(ordered), self.plan.twins)[: limit - len(served)]:
                served.append(Served(index, group.reason))

    def _taken(self, served: Iterable[Served]) -> set[int]:
        """The mirrors served, and those with the same base URLs."""
        taken, twins = {item.mirror for item in served}, self.plan.twins
        return taken.union(*(twins[index] for index in taken if index in twins)) if twins else taken

    def _by_rank(self, group: NetworkGroup, indexes: list[int]) -> list[int]:
        """In order, without those that are too far for the group."""
        if not indexes:
            return []
        ranked = self.snapshot.rank(self.row, self.client.spread, indexes)
        if group.within_km is None:
            return ranked.indexes
        country = self.snapshot.letters(self.row)[0]
        if country is None:  # at distance zero from everybody, which says nothing of who is near
            return []
        return [
            index
            for index, distance_km in zip(ranked.indexes, ranked.terms.distance[0].tolist(), strict=True)
            if distance_km <= group.within_km or self.snapshot.mirrors[index].country == country
        ]

    def _add_geography(self, served: list[Served], limit: int) -> None:
        missing = limit - len(served)
        if missing <= 0:
            return
        taken = self._taken(served)
        order, everything = self.snapshot.near(self.row, self.client.spread)
        chosen = self._first_tier(order, taken, missing)
        if len(chosen) < missing:
            if not everything:
                order = self.snapshot.far(self.row, self.client.spread)
            codes = self.plan.codes
            eligible = [i for i in order if codes[i] <= Tier.PARTIAL and i not in taken]
            chosen = distinct(sorted(eligible, key=lambda i: codes[i]), self.plan.twins)[:missing]
        served.extend(Served(index, "geography") for index in self._preferred(chosen))

    def _first_tier(self, order: Iterable[int], taken: Collection[int], count: int) -> list[int]:
        """Up to `count` of the lowest tier, which stands before all others. None of an exclusion."""
        codes, tier, twins = self.plan.codes, self.plan.first_tier, self.plan.twins
        chosen: list[int] = []
        if tier > Tier.PARTIAL:
            return chosen
        if twins:
            order = distinct([i for i in order if codes[i] == tier and i not in taken], twins)
        for index in order:
            if codes[index] == tier and index not in taken:
                chosen.append(index)
                if len(chosen) == count:
                    break
        return chosen

    def _preferred(self, order: list[int]) -> list[int]:
        """Stable: what is known to be there first, and for IPv6 clients what is known to answer."""
        codes, mirrors = self.plan.codes, self.snapshot.mirrors
        if self.client.family == 6:
            return sorted(order, key=lambda i: (codes[i], not mirrors[i].ipv6))
        return sorted(order, key=lambda i: codes[i])


def _last_resort(
    snapshot: LoadedSnapshot, client: ClientClass, question: Question, plan: Plan, row: int
) -> list[Served]:
    """Public mirrors that carry it by declaration, whatever the prober last said of them; the
    filters of the request, but for the protocol, give way as well. What a mirror says of the
    countries that it serves does not."""
    key = question_key(question.release, question.repo, question.arch)
    codes = snapshot.codes.get(key, b"")
    barred = snapshot.barred_by_country(snapshot.letters(row)[0])
    hopeful = [
        index
        for index, code in enumerate(codes)
        if (code <= Tier.PARTIAL or code in _LAST_RESORT)
        and snapshot.mirrors[index].public
        and plan.bases[index] is not None
        and index not in barred
    ]
    order = snapshot.rank(row, client.spread, hopeful).indexes if hopeful else []
    return [Served(index, "last resort") for index in distinct(order, plan.twins)[: question.limit]]
