"""Compiles a snapshot from everything that the worker has read. Pure: the same input gives the same bytes.

A snapshot has a place for every client: each cell that the scan of the GeoIP database found or that a
geofeed names, each country, each continent, each cloud region, and the unknown place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.catalogue.catalogue import needs_probe
from app.catalogue.versions import acceptable
from app.geo.places import PlaceTable
from app.model import (
    FAMILIES,
    Coordinates,
    Family,
    ImageDirectory,
    Mirror,
    MirrorState,
    ProbeRound,
    Protocol,
    Record,
    RepomdVersion,
    ServiceConfig,
)
from app.model.countries import continent_of, countries
from app.model.place import UNKNOWN_PLACE, Place, country_of, is_exact, place_of
from app.ranking import ranking
from app.snapshot import eligibility
from app.snapshot.networks import ClientNetworks
from app.snapshot.schema import SCHEMA, PlaceRows, ServedMirror, Snapshot
from app.snapshot.tables import mirror_table, place_points

CHUNK = 512  # places ranked at once; bounds memory with thousands of mirrors


class MirrorLocation(Record, frozen=True, kw_only=True):
    """The location of a mirror, and the source that it comes from."""

    coordinates: Coordinates | None = None
    country: str | None = None
    #: The continent of a mirror whose country is not known.
    continent: str | None = None
    #: The source of the location, in words.
    by: str | None = None
    #: The ASNs of the addresses that the prober found for the mirror.
    asns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """All the values that decide what clients are answered. Most mappings have mirror names as keys."""

    config: ServiceConfig
    #: Sorted by name.
    mirrors: Sequence[Mirror]
    locations: Mapping[str, MirrorLocation] = field(default_factory=dict)
    states: Mapping[str, MirrorState] = field(default_factory=dict)
    last_round: ProbeRound | None = None
    #: None while the GeoIP database has not been scanned.
    places: PlaceTable | None = None
    #: The coordinates of the cells that geofeeds name.
    corrected: Mapping[Place, Coordinates] = field(default_factory=dict)
    #: The digest of the places database; None while there is none.
    place_database: str | None = None
    networks: ClientNetworks = field(default_factory=ClientNetworks)
    #: The versions of each repo's repomd.xml, the current one first, by "release/repo/arch".
    repomd: Mapping[str, tuple[RepomdVersion, ...]] = field(default_factory=dict)
    #: The ISO directories of the origin, by "release/arch".
    images: Mapping[str, ImageDirectory] = field(default_factory=dict)
    load_km: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What becomes of each mirror, before any is ranked."""

    questions: eligibility.Questions
    #: Of shape (questions, mirrors).
    fates: eligibility.Fates
    #: As web needs them, in the order of the inputs.
    mirrors: tuple[ServedMirror, ...]


def decide(inputs: Inputs) -> Decision:
    """Decides what follows from files and the prober's state."""
    questions = eligibility.Questions(inputs.config)
    return Decision(
        questions=questions,
        fates=eligibility.fates(questions, inputs.mirrors, inputs.states, inputs.last_round),
        mirrors=tuple(_served(mirror, inputs) for mirror in inputs.mirrors),
    )


def compile_snapshot(inputs: Inputs, decision: Decision | None = None) -> Snapshot:
    """Compiles the snapshot of a decision, or of what the inputs alone decide."""
    decision = decision or decide(inputs)
    fates, served = decision.fates, decision.mirrors
    usable: npt.NDArray[np.bool_] = np.any(eligibility.is_served(fates), axis=0)
    rankable = tuple(i for i, mirror in enumerate(served) if mirror.public and usable[i])
    noise = ranking.noise_ranks([mirror.name for mirror in served])
    rows, distinct = _rows(fates)
    overlays, regions = inputs.networks.compile(served)
    return Snapshot(
        schema=SCHEMA,
        config=inputs.config,
        mirrors=served,
        questions=decision.questions.keys,
        rows=rows,
        fates=distinct,
        noise=noise.tobytes(),
        rankable=rankable,
        places=_place_rows(inputs, served, rankable),
        overlays=overlays,
        regions=regions,
        place_database=inputs.place_database,
        networks=inputs.networks.digest,
        repomd=_by_question(_repomd(inputs), decision.questions),
        images={
            key: inputs.images[directory.key]
            for key, directory in zip(decision.questions.number, decision.questions.directories, strict=False)
            if not directory.repo and directory.key in inputs.images
        },
    )


def _rows(fates: eligibility.Fates) -> tuple[tuple[int, ...], bytes]:
    """Returns the row number of each question, and the rows of fates, joined. Equal rows are stored once:
    where the prober does not look, most rows are equal."""
    numbers: dict[bytes, int] = {}
    rows = tuple(numbers.setdefault(row.tobytes(), len(numbers)) for row in fates)
    return rows, b"".join(numbers)


def _repomd(inputs: Inputs) -> dict[str, tuple[RepomdVersion, ...]]:
    """Returns the versions of repomd.xml that metalinks name, by the key of a repo: the current version, and
    those that were still within the grace period when the prober last looked. Mirrors were judged at that
    time too. So no version expires while the prober stands still, and the passing of time alone makes no new
    generation. A version without any hash counts as unknown, because clients would accept any file for it."""
    looked = [state.probed_at for state in inputs.states.values()]
    if inputs.last_round is not None:
        looked = [inputs.last_round.completed_at]
    facts = {}
    for key, versions in inputs.repomd.items():
        hashed = [v.sha512 or v.sha256 or v.sha1 or v.md5 for v in versions]
        if not versions or not hashed[0]:
            continue
        known = tuple(v for v, some in zip(versions, hashed, strict=True) if some)
        facts[key] = acceptable(known, max(looked), inputs.config.probe.grace_s) if looked else known
    return facts


def _by_question(
    repomd: dict[str, tuple[RepomdVersion, ...]], questions: eligibility.Questions
) -> dict[str, tuple[RepomdVersion, ...]]:
    """Returns the versions with an entry for each question about a repo that has any: several questions may
    be about one directory."""
    other_names = {
        key: repomd[directory.key]
        for key, directory in zip(questions.number, questions.directories, strict=False)
        if directory.repo and directory.key in repomd
    }
    return {**repomd, **other_names}


def _served(mirror: Mirror, inputs: Inputs) -> ServedMirror:
    location = inputs.locations.get(mirror.name, MirrorLocation())
    state = inputs.states.get(mirror.name) if needs_probe(mirror) else None
    country = mirror.country or location.country
    return ServedMirror(
        name=mirror.name,
        addresses=_working(mirror.addresses, state),
        module_addresses={m: _working(a, state) for m, a in mirror.module_addresses.items()},
        vault_addresses={p: _working(a, state) for p, a in mirror.vault_addresses.items()},
        country=country,
        continent=continent_of(country) if country else location.continent,
        city=mirror.city,
        coordinates=location.coordinates,
        located_by=location.by,
        weight=mirror.weight,
        load_km=inputs.load_km.get(mirror.name, 0.0),
        private=mirror.private,
        monopoly=mirror.monopoly,
        cloud_provider=mirror.cloud.provider if mirror.cloud else None,
        cloud_regions=mirror.cloud.regions if mirror.cloud else (),
        asns=mirror.asns,
        countries=mirror.countries,
        exclude_countries=mirror.exclude_countries,
        ipv4=_family_works(state, "ipv4"),
        ipv6=_family_works(state, "ipv6"),
        sponsor=mirror.sponsor,
        sponsor_url=mirror.sponsor_url,
    )


def _working(addresses: Mapping[Protocol, str], state: MirrorState | None) -> dict[Protocol, str]:
    """Returns the addresses without those whose protocol failed over every IP version that the prober tried.
    If all of them failed, returns all."""
    endpoints = state.endpoints if state else {}

    def works(protocol: Protocol) -> bool:
        tried = endpoints.get(protocol, {})
        return not tried or any(endpoint.ok for endpoint in tried.values())

    # If all endpoints fail, the mirror becomes unreachable after a second look: no URL is left out here.
    if not any(works(protocol) for protocol in addresses):
        return dict(addresses)
    return {protocol: url for protocol, url in addresses.items() if works(protocol)}


def _family_works(state: MirrorState | None, family: Family) -> bool | None:
    if state is None:
        return None
    tried = [f[family].ok for f in state.endpoints.values() if family in f]
    if tried:
        return any(tried)
    # The prober asked over the other family only because there is no address of this one.
    other = any(f in endpoint for endpoint in state.endpoints.values() for f in FAMILIES if f != family)
    return False if other and state.addresses else None


@dataclass(frozen=True)
class _Place:
    name: str
    latitude: float
    longitude: float
    country: str | None
    continent: str | None


def _places(inputs: Inputs) -> Iterator[_Place]:
    yield _Place(UNKNOWN_PLACE, 0.0, 0.0, None, None)
    continents: dict[str, list[Coordinates]] = {}
    for name, country in countries().items():
        centre = country.centre
        continents.setdefault(country.continent, []).append(centre)
        yield _Place(name, centre.latitude, centre.longitude, name, country.continent)
    for letters, centres in sorted(continents.items()):
        x, y, z = ranking.unit_vectors([c.latitude for c in centres], [c.longitude for c in centres])
        latitude = np.degrees(np.arctan2(z.mean(), np.hypot(x.mean(), y.mean())))
        longitude = np.degrees(np.arctan2(y.mean(), x.mean()))
        yield _Place(place_of(continent=letters), float(latitude), float(longitude), None, letters)
    for name, (code, where) in sorted(inputs.networks.region_places().items()):
        yield _Place(name, where.latitude, where.longitude, code, continent_of(code))
    cells = {name: (where.latitude, where.longitude) for name, where in sorted(inputs.corrected.items())}
    if inputs.places is not None:  # what it knows of a cell are more clients than those of one row
        table = inputs.places
        rows = zip(table.names, table.latitude.tolist(), table.longitude.tolist(), strict=True)
        cells.update((name, (latitude, longitude)) for name, latitude, longitude in rows)
    for name, (latitude, longitude) in cells.items():
        home = country_of(name)
        if is_exact(name) and home is not None:
            yield _Place(name, latitude, longitude, home, continent_of(home))


def _place_rows(inputs: Inputs, served: Sequence[ServedMirror], rankable: Sequence[int]) -> PlaceRows:
    places = list(_places(inputs))
    names = [place.name for place in places]
    points = np.array([(place.latitude, place.longitude) for place in places], np.float32)
    countries = "".join(place.country or "  " for place in places)
    continents = "".join(place.continent or "  " for place in places)
    index, costs = ranked(
        place_points(names, points, countries, continents),
        mirror_table(served),
        rankable,
        inputs.config,
    )
    return PlaceRows(
        count=len(places),
        width=index.shape[1],
        names="\n".join(names),
        points=points.tobytes(),
        countries=countries,
        continents=continents,
        candidates=index.tobytes(),
        costs=costs.tobytes(),
    )


def ranked(
    places: ranking.PlacePoints,
    mirrors: ranking.MirrorTable,
    rankable: Sequence[int],
    config: ServiceConfig,
) -> tuple[ranking.Indexes, ranking.Floats]:
    """Ranks the mirrors of each place. Returns the indexes of the best mirrors and their costs in km, both of
    shape (places, candidates), cheapest first. Only the mirrors with the indexes `rankable` are ranked; all
    indexes refer to `mirrors`."""
    chosen = np.asarray(rankable, np.uint16)
    table = mirrors.take(rankable)
    parts = []
    for start in range(0, len(places.wide), CHUNK):
        part = places.part(slice(start, start + CHUNK))
        parts.append(ranking.best(ranking.terms(part, table, config.selection).total(), ranking.CANDIDATES))
    return chosen[np.concatenate([index for index, _ in parts])], np.concatenate([c for _, c in parts])
