"""Judges mirrors by what was seen of them. All functions are pure.

A mirror is *unreachable* if no endpoint gave any HTTP answer, and *broken* if there are answers, but not what
a mirror must have. A mirror gets either status after two failures in a row, and loses it by one full success,
contents included. A mirror is *stale* if its timestamp file is further behind the origin's than allowed.
Besides, repos are judged one by one: a mirror that lacks some of what it is meant to have is *degraded*, and
a good mirror for all else. An endpoint is a protocol and an address family, such as https over IPv4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from app.model import Content, Endpoint, Family, MirrorState, Protocol, Status, lacks
from app.probe.observation import EndpointKey, Observation

USABLE = (Content.CURRENT, Content.PREVIOUS, Content.STALE)
FAILURES_THAT_COUNT = 2
DISABLED_AFTER = timedelta(days=14)
_FEW = 3


@dataclass(frozen=True)
class Expectations:
    """What a mirror should have at the moment, and what it is compared with."""

    now: datetime
    #: The keys of all repos that the mirror is meant to have.
    carried: Collection[str]
    #: The keys in `carried` of repos that tell whether the mirror is any good.
    telling: Collection[str]
    #: The keys of the ISO directories that the mirror is meant to have.
    isos: Collection[str]
    #: The releases that the mirror's copy of the vault is meant to have.
    vault: Collection[str]
    allowed_outdate_s: int
    #: The time in the origin's timestamp file; None if the origin has no such file, or it was never read.
    origin_timestamp: datetime | None = None


def judge(
    mirror: str, previous: MirrorState | None, seen: Observation, expected: Expectations
) -> MirrorState | None:
    """Returns the new state of a mirror, from its last state and what was seen in this round. Returns None if
    nothing was learnt, so that the last state (if any) stays."""
    if not seen.endpoints:
        return None
    content = _content(previous, seen, expected)
    isos = _still_meant((previous.isos if previous else {}) | seen.isos, expected.isos)
    failure = _failure(previous, seen, content, expected)
    failures = 0
    if failure is None:
        status, reason = _health(seen, content, isos, expected)
    else:
        failures = (previous.failures if previous else 0) + max(1, seen.failed_tries)
        status, reason = failure
        if seen.proven is None and failures < FAILURES_THAT_COUNT:
            if previous is None:
                return None
            status, reason = previous.status, previous.reason
        elif seen.proven is None:
            reason = f"{reason}; failed {failures} times in a row"
    before = previous if previous and previous.status is status else None
    return MirrorState(
        mirror=mirror,
        probed_at=expected.now,
        status=status,
        since=before.since if before and before.since else expected.now,
        failures=failures,
        reason=reason,
        addresses=seen.addresses,
        timestamp=seen.timestamp if seen.proven else (previous.timestamp if previous else None),
        origin_timestamp=expected.origin_timestamp,
        endpoints=_endpoints(previous, seen),
        content=content,
        isos=isos,
        vault=_still_meant((previous.vault if previous else {}) | seen.vault, expected.vault),
    )


def is_down(state: MirrorState | None) -> TypeGuard[MirrorState]:
    """Returns whether a mirror cannot be used at all (unreachable or broken) by its last state. A mirror
    without a state is not down."""
    return state is not None and state.status in (Status.UNREACHABLE, Status.BROKEN)


def is_disabled(state: MirrorState | None, now: datetime) -> bool:
    """Returns whether a mirror has been unreachable for 14 days or longer, so that it is only asked once a
    day."""
    return (
        state is not None
        and state.status is Status.UNREACHABLE
        and state.since is not None
        and now - state.since >= DISABLED_AFTER
    )


def _content(previous: MirrorState | None, seen: Observation, expected: Expectations) -> dict[str, Content]:
    """Returns the verdicts on all repos of a mirror: new ones for the repos that were asked for, and the last
    ones for the others. A repo that gave no usable answer twice counts as damaged. If the mirror as a whole
    failed, nothing was learnt about its repos."""
    content = dict(previous.content) if previous else {}
    if seen.proven is not None:
        for key, verdict in seen.contents.items():
            if verdict is None:
                content.pop(key, None)
            else:
                content[key] = verdict
        content |= dict.fromkeys(seen.unread, Content.CORRUPT)
    return {key: verdict for key, verdict in content.items() if key in expected.carried}


def _still_meant(found: Mapping[str, bool], meant: Collection[str]) -> dict[str, bool]:
    """Returns what was found of the directories that the mirror is still meant to have."""
    return {key: has for key, has in found.items() if key in meant}


def _failure(
    previous: MirrorState | None, seen: Observation, content: dict[str, Content], expected: Expectations
) -> tuple[Status, str] | None:
    """Returns the status of a mirror that cannot be used at all, with the reason, or None if the mirror can
    be used."""
    if seen.proven is None:
        status = Status.BROKEN if seen.answered else Status.UNREACHABLE
        return status, _endpoint_reasons(seen)
    useless = _useless(seen, content, expected)
    if useless is not None:
        return Status.BROKEN, useless
    if is_down(previous) and not _full_success(seen):
        why = seen.not_asked or next(iter(seen.unread.values()), "not all of its contents could be read")
        return previous.status, f"it answers again, but {why}"
    return None


def _useless(seen: Observation, content: dict[str, Content], expected: Expectations) -> str | None:
    """Returns the reason why none of a mirror's contents are usable, or None if some are. Either all that the
    mirror was asked for this time was damaged or gave errors, or the mirror is known to have nothing of what
    it is meant to have."""
    asked = {key: verdict for key, verdict in seen.contents.items() if key in expected.telling}
    unread = {key: why for key, why in seen.unread.items() if key in expected.telling}
    damaged = sum(verdict is Content.CORRUPT for verdict in asked.values())
    bad = len({*unread, *(key for key, verdict in asked.items() if verdict is Content.CORRUPT)})
    all_bad = bad and not any(v is None or v in USABLE for v in asked.values())
    if all_bad and bad >= min(_FEW, len(expected.telling)):
        why = f" ({next(iter(unread.values()))})" if unread else ""
        return (
            f"none of the {bad} repos that it was asked for could be used: "
            f"{damaged} damaged, {len(unread)} unreadable{why}"
        )
    known = [content[key] for key in expected.telling if key in content]
    if (
        expected.telling
        and len(known) == len(expected.telling)
        and not any(verdict in USABLE for verdict in known)
    ):
        missing = sum(verdict is Content.MISSING for verdict in known)
        return f"it has none of {len(known)} repos: {missing} missing, {len(known) - missing} damaged"
    return None


def _full_success(seen: Observation) -> bool:
    return seen.complete and not seen.unread


def _health(
    seen: Observation, content: dict[str, Content], isos: dict[str, bool], expected: Expectations
) -> tuple[Status, str | None]:
    """Returns the status of a mirror that can be used, and what is wrong with it."""
    stale = _staleness(seen, expected)
    if stale is not None:
        return Status.STALE, stale
    lacking = lacks(content, isos)
    if not lacking:
        return Status.OK, None
    named = [f"{key} ({what})" for key, what in sorted(lacking.items())[:_FEW]]
    more = f" and {len(lacking) - _FEW} more" if len(lacking) > _FEW else ""
    total = len(expected.carried) + len(expected.isos)
    return Status.DEGRADED, f"it lacks {len(lacking)} of {total} directories: {', '.join(named)}{more}"


def _staleness(seen: Observation, expected: Expectations) -> str | None:
    if seen.timestamp is None:
        return None
    behind_s = ((expected.origin_timestamp or expected.now) - seen.timestamp).total_seconds()
    if behind_s <= expected.allowed_outdate_s:
        return None
    against = "behind the origin's" if expected.origin_timestamp else "old"
    behind = f"{behind_s / 3600:.1f} h {against}"
    return f"its timestamp is {behind}, {expected.allowed_outdate_s / 3600:g} h are allowed"


def _endpoints(previous: MirrorState | None, seen: Observation) -> dict[Protocol, dict[Family, Endpoint]]:
    """Returns the endpoints as they were seen this round or, if they were not asked, as they were last
    known."""
    merged: dict[EndpointKey, Endpoint] = {}
    for protocol, family in seen.known:
        before = previous.endpoints.get(protocol, {}).get(family) if previous else None
        if before is not None:
            merged[protocol, family] = before
    merged |= seen.endpoints
    nested: dict[Protocol, dict[Family, Endpoint]] = {}
    for (protocol, family), endpoint in merged.items():
        nested.setdefault(protocol, {})[family] = endpoint
    return nested


def _endpoint_reasons(seen: Observation) -> str:
    """Says what went wrong at which endpoints, with one clause for each distinct reason."""
    by_reason: dict[str, list[str]] = {}
    for (protocol, family), endpoint in seen.endpoints.items():
        if not endpoint.ok:
            name = f"{protocol} over {family.replace('ip', 'IP')}"
            by_reason.setdefault(endpoint.detail or "no answer", []).append(name)
    if not by_reason:
        return "; ".join([*dict.fromkeys(seen.unread.values())][:_FEW]) or "it was not asked for long enough"
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())
