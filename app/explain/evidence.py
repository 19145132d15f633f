"""Says in a sentence why a mirror is not in a list, with the evidence, and since when.

The reason was decided in the snapshot. The evidence is what the prober found, as the status document has it.
This document may be a minute older or newer than the snapshot, or missing; then the sentence says less. The
module is pure: it does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.answer.walk import Standing
from app.catalogue.catalogue import (
    arches_meant,
    content_key,
    expected_arches,
    in_vault,
    iso_key,
    parse_question_key,
    repo_of,
)
from app.model import Content, Family, Fate, MirrorState, MirrorVerdict, Status
from app.model.words import moment
from app.request.question import Question
from app.snapshot.eligibility import content_age_s
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import ServedMirror


class Evidence(NamedTuple):
    """The evidence for the reason why a mirror is not served, in words, and the time since which the reason
    holds."""

    #: The rest of a sentence that begins with the reason and a colon.
    text: str
    since: datetime | None = None


@dataclass(frozen=True)
class Case:
    """A question, with what is known of the mirrors and of the client that asks."""

    snapshot: LoadedSnapshot
    question: Question
    states: Mapping[str, MirrorState]
    #: The country of the place that distances are measured from; None if it is not known.
    country: str | None
    #: The key of the cloud region that the request names or the client is in; None if there is none.
    region: str | None
    #: The mirrors of which the guard holds a verdict back.
    held: frozenset[str] = frozenset()
    #: The names of the mirrors that are listed. In an exclusive list they own the client's network.
    owners: tuple[str, ...] = ()
    #: How many mirrors the list would have if its length were not limited.
    contenders: int = 0

    def content_keys(self) -> list[str]:
        """Returns the keys of `MirrorState.content` that the question is about or, for ISOs, the keys of
        `MirrorState.isos`."""
        question, config = self.question, self.snapshot.config
        if question.repo is None:
            return [iso_key(question.release, question.arch)]
        repo = repo_of(config, question.release, question.repo)
        arches = (question.arch,) if question.arch else arches_meant(config, repo, question.release)
        keys = (content_key(config, repo, question.release, arch) for arch in arches)
        return list(dict.fromkeys(keys))


def unexpected(case: Case) -> tuple[str, ...]:
    """Returns a note if mirrors are not expected to have the repo that was asked for; otherwise nothing."""
    question, config = case.question, case.snapshot.config
    if question.vault or question.repo is None:
        return ()
    repo = repo_of(config, question.release, question.repo)
    arches = expected_arches(config, repo, question.release)
    if arches and (not question.arch or question.arch in arches):
        return ()
    what = f"{repo.name} of release {question.release}" + (question.arch and f" for {question.arch}")
    return (f"config.yml does not say that mirrors have {what}, so the prober does not look for it.",)


def evidence(case: Case, standing: Standing) -> Evidence:
    """Returns the evidence for the reason why a mirror is not served."""
    if standing.fate is Fate.RANK:
        limit = case.question.limit
        return Evidence(f"place {standing.place} of {case.contenders}, list of {limit}")
    if standing.speaker is not None:
        return Evidence(f"{case.snapshot.mirrors[standing.speaker].name} has it as well and comes first")
    mirror = case.snapshot.mirrors[standing.mirror]
    return _SENTENCES[standing.fate](case, mirror, case.states.get(mirror.name))


def content_of(case: Case, mirror: ServedMirror, fate: Fate) -> str:
    """Returns, in words, what is known of the content that a mirror is listed for, such as "current"."""
    state = case.states.get(mirror.name)
    if case.question.repo is None:
        found = {"there" for key in case.content_keys() if state and state.isos.get(key)}
    else:
        found = {state.content[key].value for key in case.content_keys() if state and key in state.content}
    if state is not None and mirror.name in case.held:
        against = found - {"there", Content.CURRENT, Content.PREVIOUS}
        if state.status is not Status.OK or against:
            return held_back(state, against)
    if fate is Fate.PARTIAL:
        return "some of its arches"
    if len(found) == 1 and fate is Fate.GOOD:
        return found.pop()
    if fate is Fate.GOOD:
        return " or ".join(sorted(found)) or "taken as good, not probed"
    return "not looked at yet" if fate is Fate.UNKNOWN else "not known to be good"


def held_back(verdict: MirrorVerdict, contents: Iterable[str] = ()) -> str:
    """Says that a mirror is served as before, although the prober's last verdict is against it, or against
    some of its contents."""
    said = ", ".join(sorted(contents))
    if verdict.status is not Status.OK:
        said = verdict.status.value + (f": {verdict.reason}" if verdict.reason else "")
    return f"as before: the prober's last verdict ({said}) is held back by the guard"


def hours(seconds: float) -> str:
    """Returns a length of time as text in hours, such as "14.2 h"."""
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
    return _failing(state, state.reason or "what it answered is of no use")


def _corrupt_repo(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    damaged = _with_verdict(case, state, Content.CORRUPT)
    if state is None or not damaged:
        return Evidence(_NO_STATE)
    return Evidence(f"its repomd.xml of {damaged} is damaged, {_asked(case, state)}")


def _failing(state: MirrorState, why: str) -> Evidence:
    text = why if state.since is None else f"{why}; since {moment(state.since)}"
    return Evidence(f"{text}, last asked {moment(state.probed_at)}", state.since)


def _stale(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    if state is None:
        return Evidence(_NO_STATE)
    age_s, allowed_s = content_age_s(state), case.snapshot.config.allowed_outdate_s
    age = f"{hours(age_s)} old, {hours(allowed_s)} allowed" if age_s is not None else ""
    text = age or state.reason or "older than allowed"
    if state.since is None or state.status is not Status.STALE:
        return Evidence(f"{text}, last asked {moment(state.probed_at)}")
    return Evidence(f"{text}, since {moment(state.since)}", state.since)


def _stale_repo(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    replaced = _with_verdict(case, state, Content.STALE)
    if state is None or not replaced:
        return Evidence(_NO_STATE)
    return Evidence(
        f"its repomd.xml of {replaced} is one that the origin replaced more than "
        f"{hours(case.snapshot.config.probe.grace_s)} ago, {_asked(case, state)}"
    )


def _asked(case: Case, state: MirrorState) -> str:
    """Returns words for when a mirror was last asked, and when it is asked again for what the question is
    about."""
    again = [state.asked_again[key] for key in case.content_keys() if key in state.asked_again]
    return f"last asked {moment(state.probed_at)}" + (f", again about {moment(min(again))}" if again else "")


def _with_verdict(case: Case, state: MirrorState | None, verdict: Content) -> str:
    content = state.content if state else {}
    return ", ".join(key for key in case.content_keys() if content.get(key) is verdict)


def _failures(state: MirrorState, families: Iterable[Family], protocols: Iterable[str] | None = None) -> str:
    """Returns what went wrong at a mirror's endpoints, such as "https over IPv6: no answer within 10 s". Only
    the given families and protocols are looked at; None means all protocols."""
    return "; ".join(
        f"{protocol} over {family.replace('ip', 'IP')}: {endpoint.detail or 'no answer'}"
        for protocol, by_family in state.endpoints.items()
        for family, endpoint in by_family.items()
        if not endpoint.ok and family in families and (protocols is None or protocol in protocols)
    )


# --- what it carries -------------------------------------------------------------------------------


def _in_vault(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    question = case.question
    past = in_vault(case.snapshot.config, question.release)
    what = f"release {question.release}" if past else f"repo {question.repo}"
    return Evidence(f"{what} is in the vault, on no mirror")


def _missing_repo(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    missing = _with_verdict(case, state, Content.MISSING)
    if case.question.repo is None and state is not None:
        missing = ", ".join(f"isos/ of {k}" for k in case.content_keys() if state.isos.get(k) is False)
    if state is None or not missing:
        return Evidence(_NO_STATE)
    return Evidence(f"{missing} is missing there, {_asked(case, state)}")


def _undeclared(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    """Says what the mirror's file leaves out. The snapshot tells this by what the mirror does carry."""
    return Evidence(_left_out(case, mirror))


def _left_out(case: Case, mirror: ServedMirror) -> str:
    question, module = case.question, case.snapshot.config.modules.get(case.question.release)
    if module and not case.snapshot.addresses(mirror, question.release):
        return f"its file has no address for {module}, to which release {question.release} belongs"
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
    return [
        key
        for key, fates in snapshot.fates.items()
        if fates[index] not in (Fate.UNDECLARED, Fate.MISSING_REPO)
    ]


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
        return Evidence(f"the prober has not tried its {name} yet, and family={family[-1]} was asked for")
    return Evidence(f"it has no {name} address, and family={family[-1]} was asked for")


def _serves_others(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence(f"its file has it serve {', '.join(mirror.countries)} only, and {_client(case)}")


def _keeps_out(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence(f"its file keeps out clients from {case.country}, and {_client(case)}")


def _client(case: Case) -> str:
    return f"the client is in {case.country}" if case.country else "the client's country is not known"


def _other_country(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    asked = f"country={','.join(case.question.filters.countries)}"
    return Evidence(f"{_where(mirror)}, and {asked} was asked for")


def _excluded_country(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    asked = f"exclude_country={','.join(case.question.filters.exclude_countries)}"
    return Evidence(f"{_where(mirror)}, and {asked} was asked for")


def _where(mirror: ServedMirror) -> str:
    return f"it is in {mirror.country}" if mirror.country else "its country is not known"


# --- the client's network --------------------------------------------------------------------------


def _region(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    own = f"for clients in {cloud_name(mirror)} only"
    if case.question.filters.worldwide:
        return Evidence(f"{own}, and country=global asks as from nowhere in particular")
    if case.region is None:
        return Evidence(f"{own}, and this client is in no known cloud")
    return Evidence(f"{own}, and this client is in {case.region.replace(':', ' ')}")


def cloud_name(mirror: ServedMirror) -> str:
    """Returns the cloud provider and regions of a mirror as text for people."""
    return f"{mirror.cloud_provider} {', '.join(mirror.cloud_regions)}".rstrip()


def _exclusive(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence(f"{', '.join(case.owners)} has this client's network to itself (monopoly: true)")


def _private(case: Case, mirror: ServedMirror, state: MirrorState | None) -> Evidence:
    return Evidence("for its own networks only, and this client is in none of them")


_SENTENCES: dict[Fate, _Sentence] = {
    Fate.DISABLED: _disabled,
    Fate.NOT_PROBED: _not_probed,
    Fate.UNREACHABLE: _unreachable,
    Fate.BROKEN: _broken,
    Fate.CORRUPT_REPO: _corrupt_repo,
    Fate.STALE: _stale,
    Fate.STALE_REPO: _stale_repo,
    Fate.MISSING_REPO: _missing_repo,
    Fate.UNDECLARED: _undeclared,
    Fate.IN_VAULT: _in_vault,
    Fate.PROTOCOL: _protocol,
    Fate.FAMILY: _family,
    Fate.SERVES_OTHERS: _serves_others,
    Fate.KEEPS_OUT: _keeps_out,
    Fate.OTHER_COUNTRY: _other_country,
    Fate.EXCLUDED_COUNTRY: _excluded_country,
    Fate.OTHER_NETWORK: _private,
    Fate.OWNED: _exclusive,
    Fate.OTHER_REGION: _region,
}
