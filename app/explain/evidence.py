"""Why a mirror is not in a list, as a sentence with the evidence, and since when. Pure.

What decided was the snapshot; the evidence is the prober's, from the status document, which may be
a minute older or newer, or missing: then the sentence says less, never something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.catalogue.catalogue import (
    arches_meant,
    content_key,
    expected_arches,
    in_vault,
    iso_key,
    parse_question_key,
)
from app.model import Content, Exclusion, Family, MirrorState, Status
from app.request.question import Question
from app.snapshot.eligibility import Tier, content_age_s, exclusion_code
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import ServedMirror

_NOT_CARRIED = exclusion_code(Exclusion.NOT_CARRIED)


class Evidence(NamedTuple):
    """`text` goes on after "<reason>: "."""

    text: str
    since: datetime | None = None


@dataclass(frozen=True)
class Case:
    """A question about a snapshot's mirrors. `country`: the client's. `region`: the key of the client's
    cloud region. `owners`: the mirrors that have the client's network to themselves."""

    snapshot: LoadedSnapshot
    question: Question
    states: Mapping[str, MirrorState]
    country: str | None
    region: str | None
    owners: tuple[str, ...] = ()

    def content_keys(self) -> list[str]:
        """The keys of `MirrorState.content` (or `isos`) that the question is about."""
        question, config = self.question, self.snapshot.config
        if question.repo is None:
            return [iso_key(question.release, question.arch)]
        repo = next(repo for repo in config.repos if repo.name == question.repo)
        arches = (question.arch,) if question.arch else arches_meant(config, repo, question.release)
        keys = (content_key(config, repo, question.release, arch) for arch in arches)
        return list(dict.fromkeys(keys))


def unexpected(case: Case) -> tuple[str, ...]:
    """A sentence about a repo that is asked for where mirrors are not expected to have it."""
    question, config = case.question, case.snapshot.config
    if question.vault or question.repo is None:
        return ()
    repo = next(repo for repo in config.repos if repo.name == question.repo)
    arches = expected_arches(config, repo, question.release)
    if arches and (not question.arch or question.arch in arches):
        return ()
    what = f"{repo.name} of release {question.release}" + (question.arch and f" for {question.arch}")
    return (f"config.yml does not say that mirrors have {what}, so the prober does not look for it.",)


def evidence(case: Case, index: int, reason: Exclusion) -> Evidence:
    """For every reason but `rank` and `same address`, whose evidence is the order."""
    mirror = case.snapshot.mirrors[index]
    return _SENTENCES[reason](case, mirror, case.states.get(mirror.name))


def content_of(case: Case, mirror: ServedMirror, code: int) -> str:
    """What is known of the content that a mirror is listed for."""
    state = case.states.get(mirror.name)
    if case.question.repo is None:
        found = {"there" for key in case.content_keys() if state and state.isos.get(key)}
    else:
        found = {state.content[key].value for key in case.content_keys() if state and key in state.content}
    if code == Tier.PARTIAL:
        return "some of its arches"
    if len(found) == 1 and code == Tier.GOOD:
        return found.pop()
    if code == Tier.GOOD:
        return " or ".join(sorted(found)) or "taken as good, not probed"
    return "not looked at yet" if code == Tier.UNKNOWN else "not known to be good"


def moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f}".removesuffix(".0") + " h"


# --- the mirror's own state ------------------------------------------------------------------------

_Sentence = Callable[[Case, ServedMirror, MirrorState | None], Evidence]
_NO_STATE = "as the prober said when this list was decided; its record is not at hand now"


def _disabled(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence("switched off in its file (disabled: true)")


def _not_probed(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence("new since the prober's last complete round; it is served once it has been asked")


def _unreachable(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    if state is None or state.status is not Status.UNREACHABLE:
        return Evidence(_NO_STATE)
    return _failing(state, state.reason or _failures(state, ("ipv4", "ipv6")) or "no answer")


def _broken(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    if state is None:
        return Evidence(_NO_STATE)
    damaged = _with_verdict(case, state, Content.CORRUPT)
    if state.status is not Status.BROKEN and damaged:
        return Evidence(f"its repomd.xml of {damaged} is damaged, last asked {moment(state.probed_at)}")
    return _failing(state, state.reason or "what it answered is of no use")


def _failing(state: MirrorState, why: str) -> Evidence:
    text = why if state.since is None else f"{why}; since {moment(state.since)}"
    return Evidence(f"{text}, last asked {moment(state.probed_at)}", state.since)


def _stale(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    if state is None:
        return Evidence(_NO_STATE)
    config = case.snapshot.config
    age_s = content_age_s(state)
    behind = age_s is not None and age_s > config.allowed_outdate_s
    replaced = _with_verdict(case, state, Content.STALE)
    if state.status is not Status.STALE and not behind and replaced:
        return Evidence(
            f"its repomd.xml of {replaced} is one that the origin replaced more than "
            f"{hours(config.probe.grace_s)} ago, last asked {moment(state.probed_at)}"
        )
    age = f"{hours(age_s)} old, {hours(config.allowed_outdate_s)} allowed" if age_s is not None else ""
    text = age or state.reason or "older than allowed"
    if state.since is None or state.status is not Status.STALE:
        return Evidence(f"{text}, last asked {moment(state.probed_at)}")
    return Evidence(f"{text}, since {moment(state.since)}", state.since)


def _with_verdict(case: Case, state: MirrorState, verdict: Content) -> str:
    return ", ".join(key for key in case.content_keys() if state.content.get(key) is verdict)


def _failures(state: MirrorState, families: Iterable[Family], protocols: Iterable[str] | None = None) -> str:
    """What went wrong at these endpoints: "https over IPv6: no answer within 10 s"."""
    return "; ".join(
        f"{protocol} over {family.replace('ip', 'IP')}: {endpoint.detail or 'no answer'}"
        for protocol, by_family in state.endpoints.items()
        for family, endpoint in by_family.items()
        if not endpoint.ok and family in families and (protocols is None or protocol in protocols)
    )


# --- what it carries -------------------------------------------------------------------------------


def _not_carried(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    question = case.question
    if question.vault:
        past = in_vault(case.snapshot.config, question.release)
        what = f"release {question.release}" if past else f"repo {question.repo}"
        return Evidence(f"{what} is in the vault, on no mirror")
    if state is not None:
        missing = _with_verdict(case, state, Content.MISSING)
        if question.repo is None:
            missing = ", ".join(f"isos/ of {k}" for k in case.content_keys() if state.isos.get(k) is False)
        if missing:
            return Evidence(f"{missing} is missing there, last asked {moment(state.probed_at)}")
    return Evidence(_undeclared(case, mirror))


def _undeclared(case: Case, mirror: ServedMirror) -> str:
    """What its file leaves out; told from what the snapshot has it carry."""
    question, module = case.question, case.snapshot.config.modules.get(case.question.release)
    if module and not case.snapshot.addresses(mirror, question.release):
        return f"its file has no address for the module {module}, which release {question.release} is"
    carried = [parse_question_key(key) for key in _carried(case.snapshot, case.snapshot.number[mirror.name])]
    releases = _names(release for release, _, _ in carried)
    if question.release not in releases:
        return f"its file leaves out release {question.release}; it has {_listing(releases)}"
    here = [(repo, arch) for release, repo, arch in carried if release == question.release]
    arches = _names(arch for repo, arch in here if repo == question.repo and arch)
    if arches:
        what = f"of {question.repo}" if question.repo else "of ISOs"
        return f"its file leaves out {question.arch or 'some arches'}; it has {_listing(arches)} {what}"
    repos = _names(repo for repo, _ in here if repo)
    return f"its file leaves out {question.repo or 'ISOs'}; it has {_listing(repos)}"


def _carried(snapshot: LoadedSnapshot, index: int) -> list[str]:
    return [key for key, codes in snapshot.codes.items() if codes[index] != _NOT_CARRIED]


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


# --- what was asked for ----------------------------------------------------------------------------


def _protocol(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    asked = case.question.filters.protocols
    offered = list(case.snapshot.addresses(mirror, case.question.release))
    failing = _failures(state, ("ipv4", "ipv6"), asked) if state else ""
    has = f"it offers {_listing(offered)}, and {' or '.join(asked)} was asked for"
    return Evidence(f"{failing}; {has}" if failing else has)


def _family(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    family: Family = "ipv6" if case.question.filters.family == 6 else "ipv4"
    name = family.replace("ip", "IP")
    works = mirror.ipv6 if family == "ipv6" else mirror.ipv4
    failing = _failures(state, (family,)) if state else ""
    if failing:
        return Evidence(f"its {name} does not work ({failing})")
    if works is None:
        return Evidence(f"nobody has tried its {name} yet, and family={family[-1]} was asked for")
    return Evidence(f"it has no {name} address, and family={family[-1]} was asked for")


def _country(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    filters = case.question.filters
    client = f"the client is in {case.country}" if case.country else "the client's country is not known"
    where = f"it is in {mirror.country}" if mirror.country else "its country is not known"
    if mirror.countries and case.country not in mirror.countries:
        return Evidence(f"its file has it serve {', '.join(mirror.countries)} only, and {client}")
    if case.country in mirror.exclude_countries:
        return Evidence(f"its file keeps out clients from {case.country}, and {client}")
    if filters.countries and mirror.country not in filters.countries:
        return Evidence(f"{where}, and country={','.join(filters.countries)} was asked for")
    return Evidence(f"{where}, and exclude_country={','.join(filters.exclude_countries)} was asked for")


# --- the client's network --------------------------------------------------------------------------


def _region(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    own = f"for clients in {cloud_name(mirror)} only"
    if case.question.filters.worldwide:
        return Evidence(f"{own}, and country=global asks as from nowhere in particular")
    if case.region is None:
        return Evidence(f"{own}, and this client is in no known cloud")
    return Evidence(f"{own}, and this client is in {case.region.replace(':', ' ')}")


def cloud_name(mirror: ServedMirror) -> str:
    return f"{mirror.cloud_provider} {', '.join(mirror.cloud_regions)}".rstrip()


def _exclusive(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence(f"{', '.join(case.owners)} has this client's network to itself (monopoly: true)")


def _private(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence("for its own networks only, and this client is in none of them")


_SENTENCES: dict[Exclusion, _Sentence] = {
    Exclusion.DISABLED: _disabled,
    Exclusion.NOT_PROBED: _not_probed,
    Exclusion.UNREACHABLE: _unreachable,
    Exclusion.BROKEN: _broken,
    Exclusion.STALE: _stale,
    Exclusion.NOT_CARRIED: _not_carried,
    Exclusion.PROTOCOL: _protocol,
    Exclusion.FAMILY: _family,
    Exclusion.COUNTRY: _country,
    Exclusion.REGION: _region,
    Exclusion.EXCLUSIVE: _exclusive,
    Exclusion.PRIVATE: _private,
}
