"""Explains why a client gets its list, and for each other mirror the one reason why it is left out.

The list is the one that the client gets, and the walk (`answer.walk`) says what became of each mirror. All
numbers come from `ranking`. Nothing is decided here, and nothing is ranked. The module is pure: it does no
I/O.

Private mirrors are only shown to clients inside their own networks: for all others they are neither named nor
counted. `Inquiry.private` is for the local command line, which sees all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from app.answer.lists import MirrorLists
from app.answer.walk import Standing, region_of
from app.explain.client_facts import ClientFacts
from app.explain.evidence import Case, content_of, evidence, unexpected
from app.explain.inquiry import Inquiry
from app.explain.mirror_report import MirrorReport, mirror_report
from app.geo.database import CityDatabase
from app.model import ClientClass, Exclusion, Fate, MirrorState, MirrorVerdict, Pass, Protocol, Record, about
from app.model.words import KnownWords, escaped
from app.request.parameters import Fill, QuestionError
from app.snapshot.eligibility import content_age_s
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import StatusDocument


class UnknownMirrorError(QuestionError):
    """The error that there is no mirror with this name, or none that the client may know of."""

    def __init__(self, name: str, known: KnownWords) -> None:
        near = known.nearest(name)
        hint = f" Did you mean {near}?" if near else ""
        super().__init__(f"There is no mirror '{escaped(name)}'.{hint}")


class Rank(Record, frozen=True, kw_only=True):
    """The rank of a mirror and its terms, in km. All are null for the origin and the vault."""

    rank_km: Annotated[float | None, about("The sum of the others, lowest first.")] = None
    distance_km: Annotated[float | None, about("From the client's place to the mirror.")] = None
    border_km: Annotated[float | None, about("What crossing a border costs.")] = None
    continent_km: Annotated[float | None, about("What crossing to another continent costs.")] = None
    load_km: Annotated[float | None, about("The price of a mirror that is sent more than its share.")] = None
    weight_km: Annotated[float | None, about("Below zero for a large capacity.")] = None
    spread_km: Annotated[float | None, about("Shares clients among near mirrors.")] = None


class ServedEntry(Rank, frozen=True, kw_only=True):
    """An entry of the list, with its rank."""

    position: Annotated[int, about("In the list, from 1.")]
    mirror: Annotated[str | None, about("Null for the origin and the vault.")]
    url: str
    pass_: Annotated[Pass, about("What gave the mirror its place.")] = msgspec.field(name="pass")
    country: str | None = None
    city: str | None = None
    content: Annotated[str | None, about("What is known of what it is listed for.")] = None
    age_s: Annotated[float | None, about("How far behind the origin it was when it was probed.")] = None


class ExcludedEntry(Rank, frozen=True, kw_only=True):
    """A mirror that is not in the list, with the reason."""

    mirror: str
    reason: Exclusion
    evidence: Annotated[str, about('A sentence that goes on after "<reason>: ".')]
    since: datetime | None = None
    country: str | None = None
    city: str | None = None


class QuestionFacts(Record, frozen=True, kw_only=True):
    """The question, as it was understood."""

    release: str
    asked: Annotated[str, about("The release as the request named it.")]
    repo: Annotated[str | None, about("Null for the ISO directories.")]
    arch: str | None
    path: str
    protocols: tuple[Protocol, ...]
    countries: tuple[str, ...]
    exclude_countries: tuple[str, ...]
    worldwide: bool
    family: int | None
    region: str | None
    avoid: Annotated[tuple[str, ...], about("Names of mirrors and hosts that are left out.")]
    fill: Annotated[Fill | None, about("Where the list ends; null if mirrors of all the world fill it up.")]
    limit: int
    ignored: Annotated[str, about("What of the request's values was ignored.")]
    defaulted: Annotated[tuple[str, ...], about("What the request did not say, so that the service chose.")]


class Explanation(Record, frozen=True, kw_only=True):
    """The explanation of one list for one client."""

    client: ClientFacts
    question: QuestionFacts
    reason: Annotated[
        Pass, about("The pass that gave the first mirror, or what decided a list that has none.")
    ]
    notes: Annotated[tuple[str, ...], about("What is unusual, in words.")]
    ranked_from: Annotated[str, about("The place that distances are measured from.")]
    served_count: Annotated[int, about("Of all mirrors, also where only one was asked for.")]
    excluded_count: int
    served: tuple[ServedEntry, ...]
    excluded: tuple[ExcludedEntry, ...]
    generation: Annotated[str, about("The name of the snapshot that the list comes from.")]
    published_at: datetime
    age_s: Annotated[float, about("Since the publication.")]
    at: Annotated[datetime | None, about("The moment of the past that was asked about; null for now.")]
    inputs_read: Annotated[dict[str, datetime], about("By input, when the worker last read it.")]
    mirror: Annotated[MirrorReport | None, about("More about the mirror that was asked for.")] = None


@dataclass(frozen=True)
class Live:
    """What an explanation is made from: the generation that is being served, or was at a moment of the
    past."""

    lists: MirrorLists
    status: StatusDocument | None
    cities: CityDatabase | None
    published_at_s: float
    #: The moment that is explained, in epoch seconds.
    now_s: float
    #: What is to be said of that moment if it is of the past; None if it is the present.
    past: str | None = None

    @property
    def snapshot(self) -> LoadedSnapshot:
        return self.lists.snapshot

    @property
    def states(self) -> Mapping[str, MirrorState]:
        return self.status.states if self.status else {}

    @property
    def verdicts(self) -> Mapping[str, MirrorVerdict]:
        return self.status.verdicts if self.status else {}

    @property
    def held(self) -> frozenset[str]:
        """The mirrors of which the guard holds a verdict back."""
        return frozenset(self.status.held if self.status else ())


def explain(live: Live, client: ClientClass, facts: ClientFacts, inquiry: Inquiry) -> Explanation:
    """Explains the list that a client gets. Raises UnknownMirrorError for an unknown mirror in `inquiry`."""
    account = _Account(live, client, inquiry)
    one = None if inquiry.mirror is None else account.find(inquiry.mirror)
    served, excluded = account.served(), account.excluded()
    status, snapshot = live.status, live.snapshot
    return Explanation(
        client=facts,
        question=_question_facts(inquiry),
        reason=account.selection.reason,
        notes=(
            *([live.past] if live.past else []),
            *unexpected(account.case),
            *account.end(),
            *account.notes(excluded),
        ),
        ranked_from=list(snapshot.rows)[account.walk.row],
        served_count=sum(entry.mirror is not None for entry in served),
        excluded_count=len(excluded),
        served=tuple(entry for entry in served if one in (None, entry.mirror)),
        excluded=tuple(entry for entry in excluded if one in (None, entry.mirror)),
        generation=snapshot.generation,
        published_at=datetime.fromtimestamp(live.published_at_s, UTC),
        age_s=round(max(0.0, live.now_s - live.published_at_s), 1),
        at=datetime.fromtimestamp(live.now_s, UTC) if live.past else None,
        inputs_read={
            name: datetime.fromtimestamp(read_s, UTC)
            for name, read_s in (status.inputs_read_s if status else {}).items()
        },
        mirror=None
        if one is None
        else mirror_report(snapshot, snapshot.number[one], live.states, live.cities, live.held),
    )


def schema() -> dict[str, Any]:
    """Returns the JSON schema of an explanation."""
    return msgspec.json.schema(Explanation)


def _question_facts(inquiry: Inquiry) -> QuestionFacts:
    question = inquiry.question
    return QuestionFacts(
        release=question.release,
        asked=question.asked,
        repo=question.repo,
        arch=question.arch or None,
        path=question.path,
        limit=question.limit,
        ignored=question.ignored,
        defaulted=inquiry.defaulted,
        **msgspec.structs.asdict(question.filters),
    )


class _Account:
    """An account of what became of each mirror for one question of one client, as far as it may be shown."""

    def __init__(self, live: Live, client: ClientClass, inquiry: Inquiry) -> None:
        question = inquiry.question
        self.walk = live.lists.walk(client, question)
        standings = list(self.walk.standings())
        self.selection = live.lists.select(client, question)
        self._live = live
        self._mirrors = live.snapshot.mirrors
        self._shown = [s for s in standings if inquiry.private or s.fate is not Fate.OTHER_NETWORK]
        self._ranks = _ranks(live.snapshot, self.walk.row, client.spread)
        country, continent = live.snapshot.letters(self.walk.row)
        self.case = Case(
            snapshot=live.snapshot,
            question=question,
            states=live.states,
            held=live.held,
            country=country,
            continent=continent,
            region=region_of(live.snapshot, client, question),
            owners=tuple(self._mirrors[index].name for index in self.walk.served),
            contenders=sum(standing.place is not None for standing in standings),
        )

    def find(self, name: str) -> str:
        """Returns the name of a mirror as its file spells it, whatever the case of `name`. Raises
        UnknownMirrorError if there is no such mirror, or if it is hidden from the client."""
        known = {self._mirrors[standing.mirror].name.lower(): standing.mirror for standing in self._shown}
        if name.strip().lower() not in known:
            raise UnknownMirrorError(name, KnownWords(known))
        return self._mirrors[known[name.strip().lower()]].name

    def served(self) -> list[ServedEntry]:
        """Returns the entries of the list, in order."""
        selection = self.selection
        taken = [standing for standing in self._shown if standing.pass_ is not None]
        entries = [self._served(*listed) for listed in zip(taken, selection.urls, strict=False)]
        pass_ = Pass.ORIGIN if taken else selection.reason
        others = enumerate(selection.urls[len(taken) :], len(taken) + 1)
        return entries + [ServedEntry(position=n, mirror=None, url=url, pass_=pass_) for n, url in others]

    def _served(self, standing: Standing, url: str) -> ServedEntry:
        mirror = self._mirrors[standing.mirror]
        state = self._live.states.get(mirror.name)
        return ServedEntry(
            position=standing.place or 0,
            mirror=mirror.name,
            url=url,
            pass_=standing.pass_ or self.selection.reason,
            country=mirror.country,
            city=mirror.city,
            content=content_of(self.case, mirror, standing.fate),
            age_s=content_age_s(state) if state else None,
            **msgspec.structs.asdict(self._ranks[standing.mirror]),
        )

    def excluded(self) -> list[ExcludedEntry]:
        """Returns the mirrors that are not in the list, nearest first."""
        ranks = self._ranks
        left_out = [standing for standing in self._shown if standing.pass_ is None]
        left_out.sort(key=lambda s: (ranks[s.mirror].distance_km, ranks[s.mirror].rank_km, s.mirror))
        return [
            self._excluded(standing, reason) for standing in left_out if (reason := standing.fate.exclusion)
        ]

    def _excluded(self, standing: Standing, reason: Exclusion) -> ExcludedEntry:
        mirror = self._mirrors[standing.mirror]
        why = evidence(self.case, standing)
        return ExcludedEntry(
            mirror=mirror.name,
            reason=reason,
            evidence=why.text,
            since=why.since,
            country=mirror.country,
            city=mirror.city,
            **msgspec.structs.asdict(self._ranks[standing.mirror]),
        )

    def end(self) -> tuple[str, ...]:
        """Returns a sentence about a list that goes on, by one mirror, where the request has it end."""
        fill = self.case.question.filters.fill
        return (f"No mirror is as near as fill={fill} asks, so one is listed.",) if self.walk.goes_on else ()

    def notes(self, excluded: list[ExcludedEntry]) -> tuple[str, ...]:
        """Returns sentences about what is unusual in the answer."""
        counts = Counter(entry.reason.value for entry in excluded)
        tally = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        match self.selection.reason:
            case Pass.VAULT:
                return (f"No mirror is eligible ({tally or 'there is none'}), so the vault is the answer.",)
            case Pass.ORIGIN:
                return (f"No mirror is eligible ({tally or 'there is none'}), so the origin is the answer.",)
            case Pass.LAST_RESORT if self.walk.served:
                return (
                    "No mirror is eligible and there is no origin, so these are listed although the "
                    "prober last found them at fault or has not asked them; filters give way.",
                )
            case Pass.LAST_RESORT:
                return (
                    f"No mirror can be listed, and there is no origin ({tally or 'there is no mirror'}).",
                )
            case Pass.EXCLUSIVE:
                return ("This network has mirrors to itself (monopoly: true): only they are listed.",)
            case Pass.EXCLUSIVE_UNAVAILABLE:
                return (self._unavailable(excluded),)
        return ()

    def _unavailable(self, excluded: list[ExcludedEntry]) -> str:
        owners = {self._mirrors[index].name for index in self.walk.owners()}
        why = "; ".join(f"{e.mirror} is {e.reason}: {e.evidence}" for e in excluded if e.mirror in owners)
        return f"This network's own mirror cannot serve ({why}), so the list is the ordinary one."


def _ranks(snapshot: LoadedSnapshot, row: int, spread: int) -> dict[int, Rank]:
    """Returns the rank of every mirror for a place and a spread value, by the index of the mirror. `row` is
    the row of the place in the snapshot."""
    if not snapshot.mirrors:
        return {}
    ranked = snapshot.rank(row, spread, range(len(snapshot.mirrors)))
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
