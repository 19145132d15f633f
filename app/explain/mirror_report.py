"""Reports what is known of a mirror, for its admin and for users.

Reports are shown by `/mirrors/<name>`, and at the end of an explanation with `mirror=`; `/mirrors` shows
a summary of each mirror. What decides lists is taken from the snapshot, and what was measured is taken from
the status document. The module is pure: it does no I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated

import msgspec

from app.answer.privacy import shown_to_all
from app.explain.evidence import held_back, hours
from app.geo.database import CityDatabase
from app.model import (
    PROTOCOLS,
    Coordinates,
    Endpoint,
    Exclusion,
    Family,
    Fate,
    MirrorState,
    MirrorVerdict,
    Overall,
    Protocol,
    Record,
    Status,
    about,
)
from app.model.words import moment
from app.snapshot.eligibility import content_age_s
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import ServedMirror
from app.snapshot.statistics import MirrorRequests

_OF_THE_WHOLE = {
    Exclusion.DISABLED: "switched off in its file",
    Exclusion.NOT_PROBED: "new since the prober's last complete round",
    Exclusion.UNREACHABLE: "no answer",
    Exclusion.BROKEN: "what it answered is of no use",
    Exclusion.STALE: "older than allowed",
    Exclusion.NOT_CARRIED: "nothing that mirrors carry now is on it",
}


class MirrorCloud(Record, frozen=True, kw_only=True):
    """The cloud that the mirror is in."""

    provider: str
    regions: Annotated[tuple[str, ...], about("Those that it serves; none are all of the provider's.")]


class MeasuredPlace(Record, frozen=True, kw_only=True):
    """The place that GeoIP has for an address of the mirror."""

    address: str
    country: str | None
    city: str | None
    distance_km: Annotated[float | None, about("From where it is ranked.")]


class Location(Record, frozen=True, kw_only=True):
    """The location from which the mirror is ranked."""

    latitude: float | None
    longitude: float | None
    country: str | None
    continent: str | None
    city: str | None
    taken_from: Annotated[str | None, about("Who says so; null where nothing says it.")]


class MirrorSummary(Record, frozen=True, kw_only=True):
    """What is said of a mirror among all mirrors."""

    mirror: str
    urls: Annotated[
        dict[Protocol, str],
        about("The base URLs by protocol, without those that do not work while another one does."),
    ]
    module_urls: Annotated[
        dict[str, dict[Protocol, str]], about("The same for the releases of each optional module.")
    ]
    status: Annotated[Overall, about("Ok, degraded (not in all lists), or what keeps it out of all lists.")]
    served: Annotated[bool, about("Whether it may be in any list.")]
    reason: Annotated[str | None, about("Why, in words.")]
    since: Annotated[datetime | None, about("When this began.")]
    probed_at: datetime | None
    age_s: Annotated[float | None, about("How far it was behind the origin when it was probed.")]
    families: Annotated[
        dict[str, bool | None], about("Whether each works; null where the prober has not tried.")
    ]
    location: Location
    cloud: MirrorCloud | None
    sponsor: str | None
    sponsor_url: str | None
    share: Annotated[
        float | None, about("The share of all clients that it is meant to get, as far as that is counted.")
    ]


class MirrorReport(MirrorSummary, frozen=True, kw_only=True):
    """The report about one mirror: all that is known of it."""

    failures: Annotated[int, about("How many times in a row the prober failed.")]
    measured: Annotated[tuple[MeasuredPlace, ...], about("Where GeoIP has its addresses.")]
    weight: Annotated[float, about("Its capacity; 1 is ordinary.")]
    asns: tuple[int, ...]
    countries: Annotated[tuple[str, ...], about("The only countries whose clients it serves; none are all.")]
    exclude_countries: Annotated[tuple[str, ...], about("Countries whose clients it does not serve.")]
    monopoly: Annotated[bool, about("Whether it alone serves the clients of its own networks.")]
    endpoints: Annotated[
        dict[Protocol, dict[Family, Endpoint]], about("What came of asking, by protocol and IP version.")
    ]
    content: Annotated[
        dict[str, str],
        about("The prober's verdict by release/repo/arch, on all that it is meant to have."),
    ]
    isos: Annotated[dict[str, bool], about("By release/arch, whether it has the ISO directory.")]
    vault: Annotated[dict[str, bool], about("By release, whether its copy of the vault has it.")]
    asked_again: Annotated[
        dict[str, datetime],
        about("By the keys of `content` and `isos`, about when it is asked again for what it lacks."),
    ]
    requests: Annotated[
        MirrorRequests | None,
        about("Those in whose answers it was the first, where its report stands alone and they are counted."),
    ] = None


def mirror_summary(
    snapshot: LoadedSnapshot,
    index: int,
    verdict: MirrorVerdict | None,
    held: Collection[str] = (),
    share: float | None = None,
) -> MirrorSummary:
    """Sums up the mirror with this index. `verdict` is the prober's, and None if it has not looked at the
    mirror. `held` are the mirrors of which the guard holds a verdict back; `share` is the mirror's of all
    clients, as far as it is known."""
    mirror = snapshot.mirrors[index]
    status = overall(snapshot, index, verdict is not None)
    return MirrorSummary(
        mirror=mirror.name,
        urls=_in_order(mirror.addresses),
        module_urls={module: _in_order(urls) for module, urls in mirror.module_addresses.items()},
        status=status,
        served=snapshot.whole[index].exclusion is None,
        reason=_reason(snapshot, index, verdict, mirror.name in held),
        since=_since(status, verdict),
        probed_at=verdict.probed_at if verdict else None,
        age_s=content_age_s(verdict) if verdict else None,
        families={"ipv4": mirror.ipv4, "ipv6": mirror.ipv6},
        location=_location(mirror),
        cloud=MirrorCloud(provider=mirror.cloud_provider, regions=mirror.cloud_regions)
        if mirror.cloud_provider
        else None,
        sponsor=mirror.sponsor,
        sponsor_url=mirror.sponsor_url,
        share=share,
    )


def _in_order(urls: Mapping[Protocol, str]) -> dict[Protocol, str]:
    return {protocol: urls[protocol] for protocol in PROTOCOLS if protocol in urls}


def mirror_report(
    snapshot: LoadedSnapshot,
    index: int,
    states: Mapping[str, MirrorState],
    cities: CityDatabase | None,
    held: Collection[str] = (),
) -> MirrorReport:
    """Reports about the mirror with this index. `states` are by mirror name."""
    mirror = snapshot.mirrors[index]
    state = states.get(mirror.name)
    return MirrorReport(
        **msgspec.structs.asdict(mirror_summary(snapshot, index, state, held)),
        failures=state.failures if state else 0,
        measured=_measured(mirror, state, cities),
        weight=mirror.weight,
        asns=mirror.asns,
        countries=mirror.countries,
        exclude_countries=mirror.exclude_countries,
        monopoly=mirror.monopoly,
        endpoints=state.endpoints if state else {},
        content=_content(snapshot, index, state),
        isos=state.isos if state else {},
        vault=state.vault if state else {},
        asked_again=state.asked_again if state else {},
    )


def mirror_summaries(
    snapshot: LoadedSnapshot,
    verdicts: Mapping[str, MirrorVerdict],
    held: Collection[str] = (),
    shares: Mapping[str, float | None] = MappingProxyType({}),
) -> list[MirrorSummary]:
    """Sums up all mirrors but the private ones, sorted by name. `verdicts` are by mirror name, and so are the
    `shares` of all clients, as far as they are known."""
    return [
        mirror_summary(snapshot, index, verdicts.get(name), held, shares.get(name))
        for index in shown_to_all(snapshot)
        for name in (snapshot.mirrors[index].name,)
    ]


def overall(snapshot: LoadedSnapshot, index: int, is_probed: bool) -> Overall:
    """Returns the status of a mirror as a whole: the best that the mirror has for anything that mirrors are
    expected to have, such as "ok" or "stale". `is_probed` says whether the prober has looked at the
    mirror."""
    fate = snapshot.whole[index]
    if fate is Fate.UNKNOWN and not is_probed:
        return "not probed"
    if fate.exclusion is None:
        return "degraded" if snapshot.is_lacking[index] else "ok"
    exclusion: Overall = fate.exclusion.value  # type: ignore[assignment]  # see _OF_THE_WHOLE
    return exclusion


def _since(status: Overall, verdict: MirrorVerdict | None) -> datetime | None:
    """Returns when a mirror's status began; None if the prober's verdict is about another status."""
    if verdict is None or status == "disabled":
        return None
    is_up = status in ("ok", "degraded")
    return None if is_up and verdict.status.value != status else verdict.since


def _reason(snapshot: LoadedSnapshot, index: int, verdict: MirrorVerdict | None, held: bool) -> str | None:
    """Returns in words why a mirror has its status; None if the status is ok, and the prober agrees."""
    fate = snapshot.whole[index]
    if held and verdict is not None and verdict.status is not Status.OK and fate.exclusion is None:
        return held_back(verdict)
    if fate is Fate.UNKNOWN and verdict is None:
        return "the prober has not looked at it; it is served after those known to be good"
    if fate.exclusion is None:
        return _lack(verdict) if snapshot.is_lacking[index] else None
    said = verdict.reason if verdict and fate not in (Fate.DISABLED, Fate.NOT_PROBED) else None
    age_s = content_age_s(verdict) if verdict else None
    if fate.exclusion is Exclusion.STALE and said is None and age_s is not None:
        said = f"{hours(age_s)} old, {hours(snapshot.config.allowed_outdate_s)} allowed"
    return said or _OF_THE_WHOLE[fate.exclusion]


def _lack(verdict: MirrorVerdict | None) -> str:
    said = verdict.reason if verdict and verdict.status is Status.DEGRADED else None
    return said or "it lacks some of what it is meant to have"


def _content(snapshot: LoadedSnapshot, index: int, state: MirrorState | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for directory, fates in snapshot.expected:
        if not directory.repo:
            continue
        verdict = state.content.get(directory.key) if state else None
        if verdict is not None:
            found[directory.key] = verdict.value
        elif fates[index] not in (Fate.UNDECLARED, Fate.MISSING_REPO):
            found[directory.key] = "unknown"
    return found


# --- where it is -----------------------------------------------------------------------------------


def _location(mirror: ServedMirror) -> Location:
    where = mirror.coordinates
    return Location(
        latitude=where.latitude if where else None,
        longitude=where.longitude if where else None,
        country=mirror.country,
        continent=mirror.continent,
        city=mirror.city,
        taken_from=mirror.located_by if where else None,
    )


def _measured(
    mirror: ServedMirror, state: MirrorState | None, cities: CityDatabase | None
) -> tuple[MeasuredPlace, ...]:
    if state is None or cities is None:
        return ()
    return tuple(_measured_place(address, mirror.coordinates, cities) for address in state.addresses)


def _measured_place(address: str, where: Coordinates | None, cities: CityDatabase) -> MeasuredPlace:
    found = cities.locate(address)
    distance_km = None
    if where and found.precise and found.latitude is not None and found.longitude is not None:
        there = Coordinates(latitude=found.latitude, longitude=found.longitude)
        distance_km = round(where.distance_km(there), 1)
    return MeasuredPlace(address=address, country=found.country, city=found.city, distance_km=distance_km)


def probed(report: MirrorReport) -> str:
    """Returns in words when a mirror was last probed, and how many times in a row that failed."""
    if report.probed_at is None:
        return "never"
    again = f", {report.failures} failures in a row" if report.failures else ""
    return moment(report.probed_at) + again
