"""Reads MirrorManager's mirrorlist cache (`mirrorlist_cache.proto`): everything that its mirrorlist server
answers from, in the message `MirrorList` of its `mirrormanager.proto`.

The cache knows hosts by numbers alone. Of its tens of thousands of directories, only those of repositories
are read: no client asks for the others by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from app.files import read_bytes
from app.model import SourceError
from app.model.errors import fault
from app.sources.foreign.wire import Message, WireError

MAX_BYTES = 1 << 30

# The numbers of the fields of MirrorList.
_TIME, _CORRECTIONS, _LOCATIONS, _URLS, _FILES, _DISABLED, _CONTINENTS, _REDIRECTS = range(1, 9)
_REPOSITORIES, _ASNS, _CONNECTIONS, _COUNTRIES, _BANDWIDTHS, _ALLOWED, _NETBLOCKS, _DIRECTORIES = range(9, 17)

_Claim = TypeVar("_Claim", str, int)


class CachedDirectory(NamedTuple):
    """A directory of a repository, with the hosts that have it."""

    path: str
    #: The topmost directory of its category, which the URLs of hosts are for.
    top: str
    #: The URLs for the topmost directory, by the number of each host that has the directory.
    urls: dict[int, tuple[str, ...]]
    #: The hosts that are for all clients.
    public: frozenset[int]
    #: The hosts that are on Internet2.
    internet2: frozenset[int]


class MirrorlistCache(NamedTuple):
    """The content of a cache, as far as it is taken over. Hosts are known by their numbers."""

    #: The path of the directory of each repository, by the name and the arch that clients ask for.
    repositories: dict[tuple[str, str], str]
    directories: dict[str, CachedDirectory]
    #: The name of another repository, by the name that a client asks for.
    redirects: dict[str, str]
    disabled: frozenset[str]
    #: The bandwidth in Mbit/s of each host that there is, also of those that have no repository.
    bandwidths: dict[int, int]
    countries: dict[int, str]
    #: The only countries that a host serves.
    allowed: dict[int, tuple[str, ...]]
    netblocks: dict[int, tuple[str, ...]]
    asns: dict[int, tuple[int, ...]]
    #: The number of hosts with a limit of connections, which clients are told.
    connections: int
    #: The country of the clients of a netblock, against what GeoIP says.
    corrections: dict[str, str]
    #: The number of countries whose continent is another than GeoIP says.
    continents: int


def read_cache(path: Path) -> MirrorlistCache:
    """Reads a cache. Raises SourceError if the file cannot be read or is no cache."""
    data = read_bytes(path, MAX_BYTES)
    try:
        cache = _cache(Message(data))
    except WireError as error:
        message = f"the file is no mirrorlist cache of MirrorManager: it has {error}"
        raise SourceError([fault(path.name, message)]) from error
    if not cache.repositories or not cache.directories:
        raise SourceError([fault(path.name, "the file is a mirrorlist cache without any repository")])
    return cache


def _cache(message: Message) -> MirrorlistCache:
    message.integer(_TIME)
    repositories = {}
    for name, directory in _texts(message, _REPOSITORIES).items():
        prefix, _, arch = name.rpartition("+")
        repositories[prefix, arch] = directory
    urls = {entry.integer(1): entry.text(2) for entry in message.messages(_URLS)}
    entries = message.messages(_DIRECTORIES, named=set(repositories.values()))
    return MirrorlistCache(
        repositories=repositories,
        directories={entry.text(1): _directory(entry, urls) for entry in entries},
        redirects=_texts(message, _REDIRECTS),
        disabled=frozenset(entry.text(1) for entry in message.messages(_DISABLED) if any(entry.integers(2))),
        bandwidths={entry.integer(1): entry.integer(2) for entry in message.messages(_BANDWIDTHS)},
        countries={entry.integer(1): entry.text(2) for entry in message.messages(_COUNTRIES)},
        allowed={entry.integer(1): tuple(entry.texts(2)) for entry in message.messages(_ALLOWED)},
        netblocks=_by_host((entry.text(1), entry) for entry in message.messages(_NETBLOCKS)),
        asns=_by_host((entry.integer(1), entry) for entry in message.messages(_ASNS)),
        connections=len(message.messages(_CONNECTIONS)),
        corrections=_texts(message, _CORRECTIONS),
        continents=len(message.messages(_CONTINENTS)),
    )


def _directory(entry: Message, urls: dict[int, str]) -> CachedDirectory:
    path, below = entry.text(1), entry.text(3)
    hosts = {host.integer(1): host.integers(2) for host in entry.messages(6)}
    return CachedDirectory(
        path=path,
        top=path.removesuffix(below).rstrip("/"),
        urls={host: tuple(urls[url] for url in known if url in urls) for host, known in hosts.items()},
        public=frozenset(entry.integers(2)),
        internet2=frozenset(host for country in entry.messages(5) for host in country.integers(2)),
    )


def _texts(message: Message, number: int) -> dict[str, str]:
    """Reads a field that maps texts to texts."""
    return {entry.text(1): entry.text(2) for entry in message.messages(number)}


def _by_host(claims: Iterable[tuple[_Claim, Message]]) -> dict[int, tuple[_Claim, ...]]:
    """Turns claims, each with a message that lists its hosts, into the claims of each host."""
    found: dict[int, list[_Claim]] = defaultdict(list)
    for claim, entry in claims:
        for host in entry.integers(2):
            found[host].append(claim)
    return {host: tuple(known) for host, known in found.items()}
