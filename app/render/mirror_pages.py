"""Renders the page of all mirrors, and the page of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from app.explain.advice import ADVICE, Advice
from app.explain.evidence import hours
from app.explain.mirror_report import MirrorReport, MirrorSummary, probed
from app.explain.mirror_search import Found, protocols_of
from app.model import FAMILIES, PROTOCOLS, Exclusion, Family, Protocol, ServiceConfig
from app.model.countries import english_name, sorting_name
from app.model.words import moment
from app.render import content_grid, facts, maps
from app.render.facts import Row
from app.render.html import Frame, Page, page
from app.render.mirror_rows import MirrorRows
from app.render.statistics import country_name
from app.request.mirror_filter import ORDERS, STATUSES, MirrorFilter, arches_of

Option = tuple[str, str]
"""The value of a choice in a form, and the words for it."""


# --- all mirrors -----------------------------------------------------------------------------------


def mirrors_page(
    frame: Frame,
    config: ServiceConfig,
    summaries: Sequence[MirrorSummary],
    chosen: MirrorFilter,
    found: Found,
) -> Page:
    """Renders the page of all mirrors that a request wants. `summaries` are those of all mirrors. The page is
    the same for all clients, so it does not show its own URL."""
    has_shares = any(one.share is not None for one in summaries)
    return page(
        frame,
        "mirrors.html",
        "/mirrors",
        total=len(summaries),
        found=found,
        chosen=chosen,
        described=described(chosen),
        groups=_groups(found.mirrors, chosen),
        options=_options(config, summaries, chosen),
        orders=[order for order in ORDERS if has_shares or order != "share"],
        has_shares=has_shares,
        rows=MirrorRows(chosen.order == "country", has_shares),
    )


class Group(NamedTuple):
    """Mirrors under one heading of the table."""

    #: The code of their country; None if it is not known, or if the table has no headings.
    country: str | None
    heading: str
    mirrors: Sequence[MirrorSummary]


def _groups(mirrors: Sequence[MirrorSummary], chosen: MirrorFilter) -> list[Group]:
    if chosen.order != "country":
        return [Group(None, "", mirrors)] if mirrors else []
    by_country = groupby(mirrors, key=lambda mirror: mirror.location.country)
    return [
        Group(code, english_name(code) if code else "Country unknown", list(group))
        for code, group in by_country
    ]


def described(chosen: MirrorFilter) -> str:
    """Returns a filter in words, such as "in Brazil, served for aarch64"; empty if it lets all through."""
    carried = " ".join(filter(None, (chosen.release, chosen.repo, chosen.arch)))
    parts = [
        f"that match {' '.join(chosen.words)}" if chosen.words else "",
        _either("in", [english_name(code) for code in chosen.countries]),
        f"in {facts.CONTINENTS[chosen.continent]}" if chosen.continent else "",
        f"with the status {chosen.status}" if chosen.status else "",
        _either("with", chosen.protocols),
        f"with IPv{chosen.family}" if chosen.family else "",
        f"in the cloud {chosen.cloud}" if chosen.cloud else "",
        f"served for {carried}" if carried else "",
    ]
    return ", ".join(part for part in parts if part)


def _either(preposition: str, names: Iterable[str]) -> str:
    words = " or ".join(names)
    return words and f"{preposition} {words}"


def _options(
    config: ServiceConfig, summaries: Sequence[MirrorSummary], chosen: MirrorFilter
) -> dict[str, list[Option]]:
    """Returns what the form on the page lets people choose, by parameter."""
    countries = {one.location.country for one in summaries if one.location.country}
    continents = {one.location.continent for one in summaries if one.location.continent}
    clouds = {one.cloud.provider for one in summaries if one.cloud}
    protocols = {protocol for one in summaries for protocol in protocols_of(one)}
    options: dict[str, list[Option]] = {
        "country": [(code, english_name(code)) for code in sorted(countries, key=sorting_name)],
        "continent": [(code, facts.CONTINENTS[code]) for code in sorted(continents & {*facts.CONTINENTS})],
        "status": _same(STATUSES),
        "protocol": _same(protocol for protocol in PROTOCOLS if protocol in protocols),
        "family": [("4", "IPv4"), ("6", "IPv6")],
        "cloud": _same(sorted(clouds)),
        "release": _same(config.releases),
        "repo": _same(repo.name for repo in config.repos if not repo.vault),
        "arch": _same(arches_of(config)),
    }
    for name, value in chosen.parameters.items():
        if value and name in options and value not in dict(options[name]):
            words = [english_name(code) for code in chosen.countries] if name == "country" else [value]
            options[name].append((value, " or ".join(words)))
    return options


def _same(names: Iterable[str]) -> list[Option]:
    return [(name, name) for name in dict.fromkeys(names)]


# --- one mirror ------------------------------------------------------------------------------------


def mirror_page(frame: Frame, report: MirrorReport) -> Page:
    """Renders the page of one mirror. It is the same for all clients, so it does not show its own URL."""
    grids = content_grid.grids(report)
    return page(
        frame,
        "mirror.html",
        "/mirrors",
        report=report,
        standing=standing(report),
        last_asked=last_asked(report),
        advice=_advice(report),
        lacks=[(lack, ADVICE[lack.mark.reason]) for lack in content_grid.lacks(report) if lack.mark.reason],
        addresses=addresses(report),
        place=place_rows(report),
        serves=serves(report),
        map=maps.of_mirror(report),
        grids=grids,
        marks=content_grid.MARKS,
        legend=[mark[:3] for mark in content_grid.marks_in(grids)],
    )


def standing(report: MirrorReport) -> str:
    """Returns in words whether a mirror is served, and since when that is so."""
    since = f" since {moment(report.since)}" if report.since else ""
    if not report.served:
        return f"Not served: {report.status}{since}."
    if report.status == "degraded":
        return f"Degraded: served, but not for all that it is meant to have{since and f',{since}'}."
    return f"Served{since}."


def last_asked(report: MirrorReport) -> str:
    """Returns in a sentence when a mirror was last asked, and how old its content was then."""
    if report.probed_at is None:
        return "It has not been asked yet."
    age = ""
    if report.age_s is not None:
        behind = f"{hours(report.age_s)} behind" if report.age_s else "as new as"
        age = f"; then it was {behind} the origin"
    return f"It was last asked at {probed(report)}{age}."


def _advice(report: MirrorReport) -> Advice | None:
    """Returns what is to be said about the reason for which a mirror is in no list; None for one that is
    served."""
    return None if report.served else ADVICE[Exclusion(report.status)]


def place_rows(report: MirrorReport) -> list[Row]:
    """Returns rows of a label and a text about the place from which a mirror is ranked, who says that it is
    there, and where GeoIP has its addresses. The town has a row of its own: a text that is written from right
    to left would turn the words beside it."""
    where = report.location
    point = "not known, so it counts as farthest of all"
    if where.latitude is not None and where.longitude is not None:
        point = facts.degrees(where.latitude, where.longitude)
    rows = [
        ("town", where.city),
        ("country", country_name(where.country) if where.country else None),
        ("coordinates", point),
        ("according to", where.taken_from),
        *(("GeoIP", text) for text in facts.measured(report.measured)),
    ]
    return [(label, text) for label, text in rows if text]


class AddressRow(NamedTuple):
    """A base URL of a mirror, and what came of asking there."""

    #: The optional module that it is for; empty for ordinary releases.
    module: str
    protocol: Protocol
    #: None for an address that is not listed, because it does not work.
    url: str | None
    #: What came of asking over IPv4 and over IPv6, in words.
    results: tuple[str, ...]


def addresses(report: MirrorReport) -> list[AddressRow]:
    """Returns the base URLs of a mirror, those for ordinary releases first."""
    tried = {protocol: url for protocol, url in _tried(report).items() if protocol not in report.urls}
    ordinary = [("", protocol, url) for protocol, url in {**report.urls, **tried}.items()]
    of_modules = [
        (module, protocol, url)
        for module, urls in report.module_urls.items()
        for protocol, url in urls.items()
    ]
    return [
        AddressRow(module, protocol, url, tuple(_result(report, protocol, family) for family in FAMILIES))
        for module, protocol, url in (*ordinary, *of_modules)
    ]


def _tried(report: MirrorReport) -> dict[Protocol, str | None]:
    """Returns the protocols at which a mirror was asked for ordinary releases. A mirror that has none of
    these is asked at a module's URLs."""
    return dict.fromkeys(report.endpoints) if report.urls else {}


def _result(report: MirrorReport, protocol: Protocol, family: Family) -> str:
    endpoint = report.endpoints.get(protocol, {}).get(family)
    if endpoint is None:
        return ""
    if not endpoint.ok:
        return endpoint.detail or "no answer"
    return "works" if endpoint.latency_ms is None else f"works, {endpoint.latency_ms:.0f} ms"


def serves(report: MirrorReport) -> list[str]:
    """Returns sentences about the clients that a mirror is for."""
    found = ["It is open to clients of all networks, and comes first where no other mirror is nearer."]
    if report.cloud:
        regions = ", ".join(report.cloud.regions) or "all regions"
        found = [f"It is for clients in the cloud {report.cloud.provider}, in {regions}."]
    if report.asns:
        numbers = ", ".join(f"AS{asn}" for asn in report.asns)
        found.append(f"Clients of {numbers} get it before mirrors that are only near.")
    if report.monopoly:
        found.append("It alone serves the clients of its own networks.")
    if report.countries:
        found.append(f"It serves only clients in {_listing(report.countries)}.")
    if report.exclude_countries:
        found.append(f"It serves no clients in {_listing(report.exclude_countries)}.")
    return found


def _listing(codes: Iterable[str]) -> str:
    return ", ".join(english_name(code) for code in codes)
