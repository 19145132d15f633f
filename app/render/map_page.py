"""Renders the pages with a map, each of which says in a table what its map shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.explain.explanation import Explanation
from app.explain.mirror_report import MirrorSummary
from app.model import Coordinates
from app.model.network import CloudRegion, parse_network
from app.render import facts, html, maps
from app.render.html import Frame, Page
from app.render.maps import KINDS, MirrorMap
from app.render.statistics import country_name
from app.render.world import CONTINENTS, WORLD
from app.snapshot.loaded import LoadedSnapshot


@dataclass(frozen=True)
class CountryRow:
    """The mirrors of one country."""

    #: The country's code, and its name; the code is empty for mirrors of which no country is known.
    code: str
    name: str
    mirrors: int
    #: How many of them are of each of `KINDS`.
    kinds: Mapping[str, int]
    #: Their part of all clients; None where that is not known.
    share: float | None
    #: Their cities, those with the most mirrors first, each with their number if there are several.
    cities: str


@dataclass(frozen=True)
class CloudRow:
    """The mirrors in one provider's cloud."""

    provider: str
    mirrors: Sequence[str]
    #: The regions whose clients they serve.
    regions: Sequence[str]


def map_page(
    frame: Frame, summaries: Sequence[MirrorSummary], snapshot: LoadedSnapshot, continent: str = ""
) -> Page:
    """Renders the page with the map of all mirrors, or of those of one continent, one of `CONTINENTS`."""
    view, regions = CONTINENTS.get(continent, WORLD), regions_of(snapshot)
    of_place = [one for one in summaries if continent in ("", one.location.continent)]
    marks = maps.marks_of(summaries)
    if continent:
        names = {one.mirror for one in of_place}
        marks = [mark for mark in marks if mark.mirror in names and view.has(mark.where)]
    return html.page(
        frame,
        "map.html",
        "/map",
        map=MirrorMap("Mirrors by place", marks, view, regions).drawn(),
        maps=maps,
        continent=continent,
        continents=CONTINENTS,
        countries=country_rows(of_place),
        clouds=cloud_rows(summaries, regions),
        is_shared=any(one.share is not None for one in summaries),
        lost=len(of_place) - len(marks),
    )


def client_map_page(frame: Frame, explanation: Explanation, snapshot: LoadedSnapshot, query: str) -> Page:
    """Renders the page with the map of one client's list. `query` is that of the explanation's address."""
    drawn = maps.of_answer(explanation, snapshot)
    return html.page(frame, "client_map.html", "/map", e=explanation, map=drawn, query=query)


# --- tables ----------------------------------------------------------------------------------------


def country_rows(summaries: Iterable[MirrorSummary]) -> list[CountryRow]:
    """Returns a row for each country that has mirrors, by name."""
    by_country: dict[str, list[MirrorSummary]] = {}
    for one in summaries:
        by_country.setdefault(one.location.country or "", []).append(one)
    rows = [_country_row(code, found) for code, found in by_country.items()]
    return sorted(rows, key=lambda row: (not row.code, row.name))


def _country_row(code: str, found: Sequence[MirrorSummary]) -> CountryRow:
    counts = Counter(facts.STATUS_KINDS[one.status] for one in found)
    shares = [one.share for one in found if one.share is not None]
    cities = Counter(one.location.city for one in found if one.location.city)
    in_order = sorted(cities.items(), key=lambda item: (-item[1], item[0]))
    return CountryRow(
        code=code,
        name=country_name(code) if code else "country unknown",
        mirrors=len(found),
        kinds={kind: counts[kind] for kind in KINDS},
        share=sum(shares) if shares else None,
        cities=", ".join(f"{city} ({number})" if number > 1 else city for city, number in in_order),
    )


def regions_of(snapshot: LoadedSnapshot) -> dict[CloudRegion, Coordinates]:
    """Returns the cloud regions whose clients have mirrors in their cloud, as far as it is known where the
    regions are."""
    found: dict[CloudRegion, Coordinates] = {}
    for key, region in snapshot.regions.items():
        if region.place and any(not group.nearby for group in region.groups):
            name, where = parse_network(key).cloud, snapshot.point_of(region.place)
            if name and not name.border_group and where:
                found[name] = where
    return found


def cloud_rows(summaries: Iterable[MirrorSummary], regions: Iterable[CloudRegion]) -> list[CloudRow]:
    """Returns a row for each provider in whose cloud mirrors are."""
    by_provider: dict[str, list[str]] = {}
    for one in summaries:
        if one.cloud:
            by_provider.setdefault(one.cloud.provider, []).append(one.mirror)
    names = sorted((name.provider, name.region or "") for name in regions)
    return [
        CloudRow(provider, mirrors, [region for of, region in names if of == provider])
        for provider, mirrors in sorted(by_provider.items())
    ]
