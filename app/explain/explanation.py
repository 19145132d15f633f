"""Why this client gets this list: every mirror of the network exactly once, served or with the one
reason why not. Pure.

The answer itself is `selection.select`'s, made by the same call that answers a list, and every
number is `ranking`'s: nothing is ranked here. A mirror that the plan lets be served and that is not
in the answer is out because one before it has the same address, for its cloud region, because others
own the client's network, or by rank.

Private mirrors exist only for clients inside their own networks: for all others they are neither
named nor counted. `Asked.private` is for the local command line, which sees all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import msgspec

from app.answer.selection import Served, client_row, distinct, plan_for, region_of, select
from app.explain.client_facts import ClientFacts
from app.explain.evidence import Case, Evidence, content_of, evidence, unexpected
from app.explain.mirror_report import MirrorReport, mirror_report
from app.geo.database import CityDatabase
from app.model import ClientClass, Exclusion, MirrorState, Protocol, Record
from app.request.parameters import QuestionError, printable
from app.request.question import Question
from app.snapshot.eligibility import content_age_s, exclusion_of
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import NetworkGroup, Overlay
from app.snapshot.status import Status


class UnknownMirrorError(QuestionError):
    """There is no such mirror, as far as whoever asks may know."""

    def __init__(self, name: str, known: list[str]) -> None:
        near = get_close_matches(name.lower(), known, 1, 0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        super().__init__(f"There is no mirror {printable(name)}.{hint}")


class Rank(Record, frozen=True, kw_only=True):
    """Where a mirror stands by distance: `rank_km` is the sum of the others, lowest first. All are
    None for what is no mirror (the origin, the vault)."""

    rank_km: float | None = None
    distance_km: float | None = None
    border_km: float | None = None
    continent_km: float | None = None
    load_km: float | None = None
    weight_km: float | None = None
    spread_km: float | None = None


class ServedMirror(Rank, frozen=True, kw_only=True):
    """`position` in the list, from 1. `mirror` is None for the origin and the vault. `content`: what
    is known of what it is listed for; `age_s`: how far behind the origin it was when probed."""

    position: int
    mirror: str | None
    url: str
    pass_: str = msgspec.field(name="pass")
    country: str | None = None
    city: str | None = None
    content: str | None = None
    age_s: float | None = None


class ExcludedMirror(Rank, frozen=True, kw_only=True):
    """`evidence` is a sentence that goes on after "<reason>: "; `since` when, if that is known."""

    mirror: str
    reason: Exclusion
    evidence: str
    since: datetime | None = None
    country: str | None = None
    city: str | None = None


class QuestionFacts(Record, frozen=True, kw_only=True):
    """What was asked. `asked`: the release as it was named. No `repo`: ISO directories. `defaulted`:
    what nobody said, so that the service chose."""

    release: str
    asked: str
    repo: str | None
    arch: str | None
    path: str
    protocols: tuple[Protocol, ...]
    countries: tuple[str, ...]
    exclude_countries: tuple[str, ...]
    worldwide: bool
    family: int | None
    region: str | None
    limit: int
    defaulted: tuple[str, ...]


class Explanation(Record, frozen=True, kw_only=True):
    """`reason`: the pass that gave the first mirror, or "origin", "vault", "last resort", "exclusive
    unavailable"; `notes` say in words what is unusual. `ranked_from`: the place that distances were
    measured from. The counts are of all, also where only one mirror was asked for, which `mirror` then
    tells more about. `inputs_read` by input: when the worker last read it."""

    client: ClientFacts
    question: QuestionFacts
    reason: str
    notes: tuple[str, ...]
    ranked_from: str
    served_count: int
    excluded_count: int
    served: tuple[ServedMirror, ...]
    excluded: tuple[ExcludedMirror, ...]
    generation: str
    published_at: datetime
    age_s: float
    inputs_read: dict[str, datetime]
    mirror: MirrorReport | None = None


@dataclass(frozen=True)
class Live:
    """What is being served, and when that is looked at (epoch seconds)."""

    snapshot: LoadedSnapshot
    status: Status | None
    cities: CityDatabase | None
    published_at_s: float
    now_s: float

    @property
    def states(self) -> Mapping[str, MirrorState]:
        return self.status.states if self.status else {}


@dataclass(frozen=True)
class Asked:
    """`mirror`: show this one alone. `private`: show private mirrors, whoever asks."""

    question: Question
    defaulted: tuple[str, ...] = ()
    mirror: str | None = None
    private: bool = False


def explain(live: Live, client: ClientClass, facts: ClientFacts, asked: Asked) -> Explanation:
    """Raises UnknownMirrorError for a `mirror` that there is not."""
    decision = _Decision(live, client, asked)
    one = None if asked.mirror is None else decision.find(asked.mirror)
    served, excluded = decision.served_mirrors(), decision.excluded_mirrors()
    status = live.status
    return Explanation(
        client=facts,
        question=_question_facts(asked),
        reason=decision.selection.reason,
        notes=(*unexpected(decision.case), *decision.notes(excluded)),
        ranked_from=list(live.snapshot.rows)[decision.row],
        served_count=len(served),
        excluded_count=len(excluded),
        served=tuple(entry for entry in served if one in (None, entry.mirror)),
        excluded=tuple(entry for entry in excluded if one in (None, entry.mirror)),
        generation=live.snapshot.generation,
        published_at=datetime.fromtimestamp(live.published_at_s, UTC),
        age_s=round(max(0.0, live.now_s - live.published_at_s), 1),
        inputs_read={
            name: datetime.fromtimestamp(read_s, UTC)
            for name, read_s in (status.inputs_read_s if status else {}).items()
        },
        mirror=None
        if one is None
        else mirror_report(live.snapshot, live.snapshot.number[one], live.states, live.cities),
    )


def schema() -> dict[str, Any]:
    """The JSON schema of an explanation."""
    return msgspec.json.schema(Explanation)


def _question_facts(asked: Asked) -> QuestionFacts:
    question = asked.question
    return QuestionFacts(
        release=question.release,
        asked=question.asked,
        repo=question.repo,
        arch=question.arch or None,
        path=question.path,
        limit=question.limit,
        defaulted=asked.defaulted,
        **msgspec.structs.asdict(question.filters),
    )


class _Decision:
    """One question of one client, and what came of each mirror."""

    def __init__(self, live: Live, client: ClientClass, asked: Asked) -> None:
        self.live = live
        self.snapshot = snapshot = live.snapshot
        self.client = client
        self.question = question = asked.question
        self.selection = select(snapshot, client, question)
        self.row = client_row(snapshot, client, question)
        country = snapshot.letters(self.row)[0]
        self.plan = plan_for(snapshot, question, country)
        self.served = self.selection.served
        self.taken = frozenset(item.mirror for item in self.served)
        self.overlay = snapshot.overlays.get(client.network) or Overlay()
        self.shown = self._shown(asked.private)
        self.ranks = self._ranks()
        owners = tuple(snapshot.mirrors[item.mirror].name for item in self.served)
        region = region_of(snapshot, client, question)
        self.case = Case(snapshot, question, live.states, country, region, owners)

    # --- who may be spoken of ----------------------------------------------------------------------

    def _groups(self) -> tuple[NetworkGroup, ...]:
        """What the client's own network gives it by declaration, but for the cloud region."""
        overlay = self.overlay
        declared = (group for group in overlay.asns if group.within_km is None)
        return (*overlay.exclusive, *overlay.netblocks, *declared)

    @cached_property
    def _own(self) -> frozenset[int]:
        return frozenset(index for group in self._groups() for index in group.mirrors)

    def _shown(self, private: bool) -> list[int]:
        """All but the private mirrors of other networks, by index."""
        mirrors = self.snapshot.mirrors
        return [
            index
            for index, mirror in enumerate(mirrors)
            if private or not mirror.private or self._is_for_client(index)
        ]

    def _is_for_client(self, index: int) -> bool:
        """Of a private mirror: whether the client's network is one of its own."""
        return index in self.taken or (self.client.private and index in self._own)

    def find(self, name: str) -> str:
        """A mirror's name, as it is written. Raises UnknownMirrorError, for a private mirror's too."""
        known = {self.snapshot.mirrors[index].name.lower(): index for index in self.shown}
        if name.strip().lower() not in known:
            raise UnknownMirrorError(name, list(known))
        return self.snapshot.mirrors[known[name.strip().lower()]].name

    # --- what came of them -------------------------------------------------------------------------

    def _ranks(self) -> dict[int, Rank]:
        """By index, in the order of ranks."""
        if not self.snapshot.mirrors:
            return {}
        ranked = self.snapshot.rank(self.row, self.client.spread, range(len(self.snapshot.mirrors)))
        terms = ranked.terms
        columns = (
            ranked.rank_km,
            terms.distance[0],
            terms.border[0],
            terms.continent[0],
            terms.load[0],
            terms.weight,
            ranked.noise,
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        names = Rank.__struct_fields__
        return {
            index: Rank(**{name: round(km, 2) for name, km in zip(names, row, strict=True)})
            for index, row in zip(ranked.indexes, rows, strict=True)
        }

    def served_mirrors(self) -> list[ServedMirror]:
        selection = self.selection
        if not self.served:
            return [
                ServedMirror(position=number, mirror=None, url=url, pass_=selection.reason)
                for number, url in enumerate(selection.urls, 1)
            ]
        listed = zip(self.served, selection.urls, strict=True)
        return [self._served(number, item, url) for number, (item, url) in enumerate(listed, 1)]

    def _served(self, number: int, item: Served, url: str) -> ServedMirror:
        mirror = self.snapshot.mirrors[item.mirror]
        state = self.live.states.get(mirror.name)
        return ServedMirror(
            position=number,
            mirror=mirror.name,
            url=url,
            pass_=item.reason,
            country=mirror.country,
            city=mirror.city,
            content=content_of(self.case, mirror, self.plan.codes[item.mirror]),
            age_s=content_age_s(state) if state else None,
            **msgspec.structs.asdict(self.ranks[item.mirror]),
        )

    def excluded_mirrors(self) -> list[ExcludedMirror]:
        """Nearest first."""
        reasons = {index: self._reason(index) for index in self.shown if index not in self.taken}
        said = self._said_of_order(reasons)
        order = sorted(reasons, key=lambda i: (self.ranks[i].distance_km, self.ranks[i].rank_km, i))
        return [self._excluded(index, reasons[index], said.get(index)) for index in order]

    def _excluded(self, index: int, reason: Exclusion, said: str | None) -> ExcludedMirror:
        """`said`: the evidence, where it is the order that decided."""
        mirror = self.snapshot.mirrors[index]
        why = Evidence(said) if said else evidence(self.case, index, reason)
        return ExcludedMirror(
            mirror=mirror.name,
            reason=reason,
            evidence=why.text,
            since=why.since,
            country=mirror.country,
            city=mirror.city,
            **msgspec.structs.asdict(self.ranks[index]),
        )

    def _reason(self, index: int) -> Exclusion:
        mirror = self.snapshot.mirrors[index]
        if mirror.private and not self._is_for_client(index):
            return Exclusion.PRIVATE
        planned = exclusion_of(self.plan.codes[index])
        if planned is not None:
            return planned
        if not self.taken.isdisjoint(self.plan.twins.get(index, ())):
            return Exclusion.SAME_ADDRESS
        if self.selection.reason == "exclusive":
            owners = {i for group in self.overlay.exclusive for i in group.mirrors}
            return Exclusion.RANK if index in owners else Exclusion.EXCLUSIVE
        if mirror.cloud_provider is not None and index not in self._own and not self._in_region(index):
            return Exclusion.REGION
        return Exclusion.RANK

    def _in_region(self, index: int) -> bool:
        """Whether a cloud mirror is for the client's region. Of other regions nearby, one is enough."""
        if self.question.filters.worldwide:
            return False
        region = self.snapshot.regions.get(self.case.region or "")
        groups = [group for group in (region.groups if region else ()) if index in group.mirrors]
        if not groups or not groups[0].nearby:
            return bool(groups)
        nearby = [group for group in region.groups if group.nearby] if region else []
        enough = next((group for group in nearby if self.taken.intersection(group.mirrors)), None)
        return enough is None or index in enough.mirrors

    def _said_of_order(self, reasons: dict[int, Exclusion]) -> dict[int, str]:
        """The evidence of those that only others before them keep out. Whoever has the address of another
        that waits before it would not come next, and gets that reason instead of its rank."""
        line = self._line([index for index, reason in reasons.items() if reason is Exclusion.RANK])
        waiting = distinct(line, self.plan.twins)
        reasons |= dict.fromkeys(set(line) - set(waiting), Exclusion.SAME_ADDRESS)
        first = [*(item.mirror for item in self.served), *waiting]
        of = f"of {len(first)}, list of {self.question.limit}"
        places = {i: f"place {n} {of}" for n, i in enumerate(waiting, len(self.served) + 1)}
        speakers = {twin: index for index in first for twin in self.plan.twins.get(index, ())}
        names = {index: self.snapshot.mirrors[speaker].name for index, speaker in speakers.items()}
        twins = (index for index, reason in reasons.items() if reason is Exclusion.SAME_ADDRESS)
        return places | {index: f"{names[index]} has it as well and comes first" for index in twins}

    def _line(self, left_out: list[int]) -> list[int]:
        """These in the order in which they would come next."""
        by_rank = {index: number for number, index in enumerate(self.ranks)}
        own = self._own if self.client.private else frozenset()
        codes, mirrors = self.plan.codes, self.snapshot.mirrors
        return sorted(left_out, key=lambda i: (i not in own and mirrors[i].public, codes[i], by_rank[i]))

    # --- in words ----------------------------------------------------------------------------------

    def notes(self, excluded: list[ExcludedMirror]) -> tuple[str, ...]:
        """What is unusual about the answer."""
        reasons = Counter(entry.reason.value for entry in excluded)
        tally = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        match self.selection.reason:
            case "vault":
                return ("The vault is the answer: no mirror carries what was asked for.",)
            case "origin":
                return (f"No mirror is eligible ({tally or 'there is none'}), so the origin is the answer.",)
            case "last resort" if self.served:
                return (
                    "No mirror is eligible and there is no origin, so these are listed although the "
                    "prober last found them at fault or has not asked them; filters give way.",
                )
            case "last resort":
                return (f"Nobody can be listed, and there is no origin ({tally or 'there is no mirror'}).",)
            case "exclusive":
                return ("This network has mirrors to itself (monopoly: true): only they are listed.",)
            case "exclusive unavailable":
                return (self._unavailable(excluded),)
        return ()

    def _unavailable(self, excluded: list[ExcludedMirror]) -> str:
        owners = {self.snapshot.mirrors[i].name for group in self.overlay.exclusive for i in group.mirrors}
        why = "; ".join(f"{e.mirror} is {e.reason}: {e.evidence}" for e in excluded if e.mirror in owners)
        return f"This network's own mirror cannot serve ({why}), so the list is the ordinary one."
