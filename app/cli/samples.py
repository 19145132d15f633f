"""Finds requests that can be tried on a network, whatever its data are: for what `mirrorwise up` prints."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlencode

from app.catalogue.catalogue import expected_repos
from app.geo.copies import VerifiedCopies
from app.geo.database import CityDatabase
from app.geo.following import follow_cities
from app.geo.mmdb import MmdbFile, texts
from app.model import GeoError, ServiceConfig, SourceError
from app.settings import Settings
from app.sources.folder import DataFolder
from app.sources.people_files import PeopleFiles

_NODES = 16  # of each level: enough to find an address that the database knows
_USUAL_ARCH = "x86_64"


def what_to_try(settings: Settings) -> list[str]:
    """Targets of requests for lists that exist, for everybody and for an address in the city database, and
    for what is known of the client."""
    try:
        question = _question(PeopleFiles(DataFolder(settings.data_dir)).read())
    except SourceError:
        question = None  # what is served is a former config
    if question is None:
        return ["/whoami"]
    release, repo, arch = question
    wanted = {"arch": arch} if arch else {}
    address = _known_address(settings)
    queries = [wanted, wanted | {"ip": address}] if address else [wanted]
    path = f"/mirrorlist/{release}/{repo}"
    return [*(f"{path}?{urlencode(query)}" if query else path for query in queries), "/whoami"]


def _question(config: ServiceConfig) -> tuple[str, str, str] | None:
    """The release, repo and arch of a list that mirrors are expected to have, by the name that people use."""
    plain = [repo for repo in expected_repos(config) if repo.module is None] or expected_repos(config)
    found = sorted(plain, key=lambda repo: repo.arch != _USUAL_ARCH)
    if not found:
        return None
    names = {release: alias for alias, release in config.aliases.items()}
    release = plain[-1].release
    first = next(repo for repo in found if repo.release == release)
    return names.get(release, release), str(first.repo), first.arch


def _known_address(settings: Settings) -> str | None:
    """An address of which the city database knows where it is; None if there is no such database."""
    cities = follow_cities(settings.geoip_city, VerifiedCopies(settings.var_dir / "geoip"))
    try:
        cities.look()
        return _first_located(cities.database) if cities.database else None
    except GeoError:
        return None


def _first_located(cities: CityDatabase) -> str | None:
    """The first address with a known location, one of the Internet if there is any such."""
    located = [address for address in _addresses_in(cities) if cities.locate(address).precise]
    others = [address for address in located if not ip_address(address).is_loopback]
    return next((address for address in others if ip_address(address).is_global), next(iter(others), None))


def _addresses_in(cities: CityDatabase) -> Iterator[str]:
    """Yields the first IPv4 addresses of networks from all over the database."""
    for path in cities.paths:
        for level in MmdbFile(path).walk(_NODES):
            if level.version == 4:
                yield from texts(4, level.high, level.low)
