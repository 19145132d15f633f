"""Checks whether a decoded snapshot can be served: each number must be in its range, and each reference must
lead to something that is there.

A digest proves that a worker wrote these bytes, not that the worker was right. So the worker checks the
snapshot that it is about to publish, and web checks the one that it is about to serve, both with this module.
A snapshot that fails is not used, and the one before it stays. Large tables are checked as whole columns, so
that a network of 5,000 mirrors and 200 repos takes some 40 ms.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from app.catalogue.repo_names import variables_in
from app.clouds import PROVIDERS
from app.model import PROTOCOLS, Fate, ImageDirectory, RepomdVersion, ServiceConfig, SnapshotError
from app.model.countries import CONTINENTS
from app.model.images import IMAGE_NAME, MAX_NAMES
from app.model.network import CHARACTERS
from app.model.place import PATTERN, UNKNOWN_PLACE
from app.ranking import ranking
from app.snapshot.eligibility import Questions
from app.snapshot.schema import NetworkGroup, PlaceRows, ServedMirror, Snapshot, decode
from app.snapshot.status import is_possible

_NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_URL = rf"(?:{'|'.join(PROTOCOLS)})://[A-Za-z0-9._~!&'()*+,;=:@/%\[\]-]+/"
_PATH = r"(?:[A-Za-z0-9._+~$-]+/)+"
_COUNTRY = "[A-Z]{2}"
_PLACE = rf"{PATTERN}|@/{CHARACTERS}"
_HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}

_MAX_NUMBER = 2**53
_MAX_LENGTH = 50
_MAX_KM = 40_000
_MAX_COST_KM = 1e9
_ROWS = 64
"""How many rows of fates are checked at once: few enough for the processor's cache."""
_MISFIT = "its tables do not fit each other"


def verified(data: bytes) -> Snapshot:
    """Decodes and checks a snapshot. Raises SnapshotError if the bytes are no snapshot, or one that cannot be
    served."""
    snapshot = decode(data)
    check(snapshot)
    return snapshot


def check(snapshot: Snapshot) -> None:
    """Raises SnapshotError for a snapshot that cannot be served, and names the first thing that is wrong."""
    try:
        _check_config(snapshot.config)
        _check_mirrors(snapshot.mirrors)
        _check_fates(snapshot)
        _check_places(snapshot.places)
        _check_ranking(snapshot)
        _check_networks(snapshot)
        _check_repomd(snapshot.repomd)
        _check_images(snapshot.images, snapshot.questions)
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:  # it cannot even be looked at
        raise SnapshotError(f"the snapshot is damaged: {error}") from error


def check_names(known: Collection[str], networks: Iterable[str]) -> None:
    """Raises SnapshotError if one of these `networks`, the names in a networks database, is not a `known`
    overlay."""
    unknown = "".join(sorted(set(networks).difference(known))[:1])
    _require(not unknown, f"its networks database has a network that it does not know, {unknown[:64]!r}")


def _require(good: object, problem: str) -> None:
    if not good:
        raise SnapshotError(f"the snapshot is damaged: {problem}")


def _require_all(pattern: str, texts: Iterable[str], what: str) -> None:
    """Raises SnapshotError unless the pattern matches each text as a whole. The pattern must not match line
    feeds."""
    lines = list(texts)
    joined = "".join(f"{line}\n" for line in lines)
    if joined.count("\n") > len(lines) or not re.fullmatch(rf"(?:(?:{pattern})\n)*+", joined):
        strange = next(line for line in lines if not re.fullmatch(pattern, line))
        raise SnapshotError(f"the snapshot is damaged: {strange[:64]!r} is no {what}")


def _require_distinct(names: Collection[object], what: str) -> None:
    _require(len(set(names)) == len(names), f"{what} are in it twice")


# --- what is asked for -----------------------------------------------------------------------------


def _check_config(config: ServiceConfig) -> None:
    releases = {*config.releases, *config.vault_releases}
    arches = {arch for release in releases for arch in config.arches.get(release, ())}
    modules = set(config.modules.values())
    _require(config.releases, "it has no releases")
    for names in (config.releases, *config.arches.values()):
        _require_distinct(names, "releases or arches")
    _require_distinct([(repo.product, repo.name) for repo in config.repos], "repos")
    _require_all(_NAME, (*releases, *arches, *modules, *(repo.name for repo in config.repos)), "name")
    _require_all(_PATH, (repo.path for repo in config.repos), "path of a repo")
    paths = (*config.iso_paths.values(), *config.product_paths.values())
    _require_all(_PATH, filter(None, paths), "path below a base URL")
    urls = (config.origin, config.vault_url, *config.module_origins.values(), *config.product_vaults.values())
    _require_all(_URL, filter(None, urls), "base URL")
    _require(all(config.arches.get(release) for release in releases), "a release has no arches")
    _check_references(config, releases, arches, modules)
    policy = config.selection
    _require(1 <= policy.length <= _MAX_LENGTH and policy.protocols, "its lists would be empty")
    _require(
        all(0 <= km <= _MAX_KM for km in (policy.border_km, policy.continent_km, policy.spread_km)),
        "its ranking has a distance that is none",
    )
    _require(
        all(0 <= seconds <= _MAX_NUMBER for seconds in (config.allowed_outdate_s, config.probe.grace_s)),
        "it allows a negative age, or a very great one",
    )


def _check_references(config: ServiceConfig, releases: set[str], arches: set[str], modules: set[str]) -> None:
    meanings = [entry for entry in config.repo_names if not variables_in(entry.name)]
    products = set(config.products.values()) or {""}
    by_product = (config.product_paths, config.product_vaults)
    for named, known, what in (
        (config.aliases.values(), releases, "release"),
        (config.modules, releases, "release"),
        (config.products, releases, "release"),
        (config.products and releases, config.products, "product of the release"),
        ((repo.product for repo in config.repos), products, "product"),
        ((entry.product for entry in config.repo_names), products, "product"),
        ((product for table in by_product for product in table), products, "product"),
        (config.iso_paths, products, "product"),
        (config.module_origins, modules, "module"),
        ((release for repo in config.repos for release in repo.releases), releases, "release"),
        ((arch for repo in config.repos for arch in repo.arches), arches, "arch"),
        ((meaning.release for meaning in meanings), {*releases, None}, "release"),
        ((meaning.repo for meaning in meanings), {*(repo.name for repo in config.repos), None}, "repo"),
    ):
        unknown = [str(name) for name in named if name not in known]
        _require(not unknown, f"it refers to the {what} {unknown[:1]}, which is not in it")


def _check_fates(snapshot: Snapshot) -> None:
    rows = np.array(snapshot.rows, np.int64)
    _require(
        snapshot.questions == Questions(snapshot.config).keys, "its questions are not those of its config"
    )
    _require(len(rows) == len(snapshot.questions) and rows.min(initial=0) >= 0, _MISFIT)
    fates = _table(snapshot.fates, np.uint8, rows.max(initial=-1) + 1, len(snapshot.mirrors))
    for start in range(0, len(fates), _ROWS):
        part = fates[start : start + _ROWS]
        # Those that are decided before any client asks, of which there are two runs of numbers.
        served = part - np.uint8(Fate.GOOD) <= Fate.PARTIAL - Fate.GOOD
        excluded = part - np.uint8(Fate.DISABLED) <= Fate.IN_VAULT - Fate.DISABLED
        _require((served | excluded).all(), "it has a fate that there is not")


def _check_repomd(repomd: Mapping[str, tuple[RepomdVersion, ...]]) -> None:
    versions = [version for known in repomd.values() for version in known]
    _require(all(repomd.values()), "it knows of a repomd.xml, and no version of it")
    for name, digits in _HEX_DIGITS.items():
        hashes = [text for version in versions if (text := getattr(version, name)) is not None]
        _require_all(f"[0-9a-f]{{{digits}}}", hashes, name)
    _require(
        all(
            0 <= version.timestamp < _MAX_NUMBER
            and 0 <= version.size < _MAX_NUMBER
            and (version.sha512 or version.sha256 or version.sha1 or version.md5)
            and is_possible(version.seen_at)
            for version in versions
        ),
        "it has a version of a repomd.xml that there cannot be",
    )


def _check_images(by_question: Mapping[str, ImageDirectory], questions: Collection[str]) -> None:
    directories = by_question.values()
    images = [image for directory in directories for image in directory.images.values()]
    others = [directory.others or () for directory in directories]
    _require(by_question.keys() <= set(questions), "it has images that no question is about")
    _require(all(directory.images for directory in directories), "it has a directory without images")
    _require(all(len(names) <= MAX_NAMES for names in (*others, *(d.images for d in directories))), _MISFIT)
    _require_all(
        IMAGE_NAME,
        (name for d in directories for name in (d.checksums, *d.images, *(d.others or ()))),
        "name of a file",
    )
    for name in ("sha256", "sha512"):
        hashes = [text for image in images if (text := getattr(image, name)) is not None]
        _require_all(f"[0-9a-f]{{{_HEX_DIGITS[name]}}}", hashes, name)
    _require(
        all(
            (image.sha256 or image.sha512) and (image.size is None or 0 <= image.size < _MAX_NUMBER)
            for image in images
        )
        and all(is_possible(directory.seen_at) for directory in directories),
        "it has an image that there cannot be",
    )


# --- mirrors and places ------------------------------------------------------------------------------


def _check_mirrors(mirrors: tuple[ServedMirror, ...]) -> None:
    names = [mirror.name for mirror in mirrors]
    _require(all(a < b for a, b in pairwise(names)), "its mirrors are out of order, or in it twice")
    _require_all(_NAME, names, "name of a mirror")
    _require_all(_URL, (url for m in mirrors for url in m.addresses.values()), "base URL")
    _require_all(
        _URL,
        (
            url
            for m in mirrors
            for urls in (*m.module_addresses.values(), *m.vault_addresses.values())
            for url in urls.values()
        ),
        "base URL",
    )
    countries = {c for m in mirrors for c in (m.country, *m.countries, *m.exclude_countries) if c is not None}
    _require_all(_COUNTRY, countries, "country's code")
    _require({m.cloud_provider for m in mirrors} <= {*PROVIDERS, None}, "a mirror is in an unknown cloud")
    _require(
        {mirror.continent for mirror in mirrors} <= {*CONTINENTS, None}, "a mirror is on an unknown continent"
    )
    _require(
        all(
            abs(m.coordinates.latitude) <= 90 and abs(m.coordinates.longitude) <= 180
            for m in mirrors
            if m.coordinates
        ),
        "a mirror is where there is no place",
    )


def _check_places(places: PlaceRows) -> None:
    names = places.names.split("\n")
    _require(len(names) == places.count and UNKNOWN_PLACE in names, "its places are not all there")
    _require_distinct(names, "places")
    _require_all(_PLACE, names, "place")
    _require_all(f"{_COUNTRY}|  ", _pairs(places.countries, places.count), "country's code")
    continents = _pairs(places.continents, places.count)
    _require(continents <= {*CONTINENTS, "  "}, "a place is on an unknown continent")
    points = _table(places.points, np.float32, places.count, 2)
    _require((np.abs(points) <= (90, 180)).all(), "a place is outside of the Earth")


def _pairs(packed: str, count: int) -> set[str]:
    """Returns the distinct two-letter codes in a string of `count` such codes. Raises SnapshotError if the
    string has another length."""
    _require(len(packed) == 2 * count, _MISFIT)
    return {packed[at : at + 2] for at in range(0, len(packed), 2)}


def _check_ranking(snapshot: Snapshot) -> None:
    places, mirrors = snapshot.places, len(snapshot.mirrors)
    rankable = snapshot.rankable
    _require(
        _are_indexes(rankable, mirrors) and list(rankable) == sorted(rankable),
        "it ranks mirrors that are not in it",
    )
    _require(
        all(snapshot.mirrors[index].public for index in rankable), "it ranks a mirror that is not for all"
    )
    _require(places.width == min(len(rankable), ranking.CANDIDATES), _MISFIT)
    noise = _table(snapshot.noise, np.uint8, mirrors, ranking.SPREADS)
    # A permutation of 0 to 31 sets each of 32 bits.
    bits = np.bitwise_or.reduce(np.uint32(1) << noise.astype(np.uint32), axis=1)
    _require((bits == np.uint32(0xFFFFFFFF)).all(), "its noise is none")
    candidates = np.sort(_table(places.candidates, np.uint16, places.count, places.width), axis=1)
    known = np.zeros(max(mirrors, 2**16), np.bool_)
    known[list(rankable)] = True
    _require(known[candidates].all(), "it ranks mirrors that are not in it")
    _require((candidates[:, 1:] > candidates[:, :-1]).all(), "it ranks a mirror twice")
    costs = _table(places.costs, np.float32, places.count, places.width)
    _require(
        (np.abs(costs) <= _MAX_COST_KM).all() and (costs[:, 1:] >= costs[:, :-1]).all(),
        "its costs are out of order",
    )


def _table(packed: bytes, kind: type[np.generic], rows: int, columns: int) -> npt.NDArray[Any]:
    """Unpacks a table. Raises SnapshotError if it does not have this shape."""
    _require(len(packed) == rows * columns * np.dtype(kind).itemsize, _MISFIT)
    return np.frombuffer(packed, kind).reshape(rows, columns)


# --- networks ----------------------------------------------------------------------------------------


def _check_networks(snapshot: Snapshot) -> None:
    mirrors, places = len(snapshot.mirrors), set(snapshot.places.names.split("\n"))
    _require_all(CHARACTERS, (*snapshot.overlays, *snapshot.regions), "network")
    for what, digest in (("networks", snapshot.networks), ("places", snapshot.place_database)):
        _require(re.fullmatch("[0-9a-f]{64}", digest or "0" * 64), f"its {what} database has no digest")
    for name, overlay in snapshot.overlays.items():
        _require(
            overlay.region is None or overlay.region in snapshot.regions, f"the region of {name} is not in it"
        )
        _check_groups((*overlay.exclusive, *overlay.netblocks, *overlay.asns), name, mirrors)
    for name, region in snapshot.regions.items():
        _require(region.place is None or region.place in places, f"the place of {name} is not in it")
        _check_groups(region.groups, name, mirrors)


def _check_groups(groups: Iterable[NetworkGroup], name: str, mirrors: int) -> None:
    for group in groups:
        good = group.mirrors and _are_indexes(group.mirrors, mirrors)
        _require(good, f"the network {name} leads to mirrors that are not in it")


def _are_indexes(numbers: tuple[int, ...], mirrors: int) -> bool:
    return len(set(numbers)) == len(numbers) and all(0 <= number < mirrors for number in numbers)
