"""Drafts a data folder of MirrorManager's mirrorlist cache.

A category becomes a product, and a host a mirror with its URLs, country, netblocks, AS number, the
countries that it serves, and its bandwidth as its weight. A host that is listed for its own networks alone
becomes private. What a host was found to have is not taken over: the prober looks for itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from app.model import PROTOCOLS, Finding, MirrorwiseError, SourceError
from app.model.countries import country_code
from app.model.errors import fault, warning
from app.sources.base_url import rsync_url
from app.sources.foreign.cache import read_cache
from app.sources.foreign.draft import Draft
from app.sources.foreign.repositories import (
    Home,
    NamesElsewhere,
    PlacedRepository,
    Repository,
    home_of,
    placed,
    product_keys,
    product_names,
)
from app.sources.foreign.yaml_values import Yaml, as_yaml

SERVICE = "MirrorManager"
ORDINARY_MBITS = 1000
"""The bandwidth, in Mbit/s, of a mirror with the weight 1."""

_COMMENT = "Imported from MirrorManager. Put in the origins; data/README.md explains every key."


class CachedNetwork:
    """The network that a mirrorlist cache describes. The constructor raises SourceError if the file is no
    cache."""

    def __init__(self, path: Path) -> None:
        self._file = path.name
        self._cache = read_cache(path)
        self._names = NamesElsewhere(self._cache.redirects, self._cache.disabled)
        self._lost: list[Finding] = []
        #: The products whose directories lie below each topmost directory.
        self._homes: dict[str, set[Home]] = defaultdict(set)
        #: The repositories of which the release is known, by product and archive.
        self._placed: dict[Home, list[PlacedRepository]] = defaultdict(list)
        self._place()
        names = product_names(home.top for home in self._placed)
        #: The name of each product, by its topmost directory; empty if there is one product alone.
        self._products = {top: name if len(names) > 1 else "" for top, name in names.items()}

    def draft(self) -> Draft:
        mirrors = list(self._mirrors())
        config = as_yaml(self._config(), _COMMENT)
        rows = [f"{netblock},{country},,," for netblock, country in sorted(self._cache.corrections.items())]
        self._tell_of_the_rest(len(mirrors))
        return Draft(config, mirrors, rows, self._lost)

    def differences(self, path_of: Callable[[str, str], str]) -> Iterator[Finding]:
        """Compares, for each name and arch that clients ask for, the directory in the cache with the one that
        they are sent to. `path_of` returns its path, or raises MirrorwiseError. Yields a finding for each
        difference."""
        for name, arch, below in self._asked_for():
            try:
                path = path_of(name, arch).rstrip("/")
            except MirrorwiseError as error:
                yield self._finding(f"repo={name}&arch={arch} is not answered: {error}")
                continue
            if path != below.rstrip("/"):
                yield self._finding(f"repo={name}&arch={arch} means {path}, and {below} in the cache")

    def _asked_for(self) -> Iterator[Repository]:
        """Yields the repositories by all their names: their own ones, and those that stand for them."""
        others: dict[str, list[str]] = defaultdict(list)
        for name, other in self._cache.redirects.items():
            others[other].append(name)
        for repository in (found.repository for known in self._placed.values() for found in known):
            for name in (repository.prefix, *others[repository.prefix]):
                if name not in self._cache.disabled:
                    yield repository._replace(prefix=name)

    # --- repositories ----------------------------------------------------------------------------

    def _place(self) -> None:
        tops = {directory.top for directory in self._cache.directories.values()}
        for (prefix, arch), path in sorted(self._cache.repositories.items()):
            directory = self._cache.directories.get(path)
            if directory is None:
                self._lose(f"repo={prefix}&arch={arch}: the cache does not say which hosts have {path}")
                continue
            home = home_of(path, directory.top, tops)
            below = path.removeprefix(f"{directory.top}/{home.archive_path}")
            found = placed(Repository(prefix, arch, below))
            if found is None:
                self._lose(f"repo={prefix}&arch={arch}: there is no release in its path {path}")
            else:
                self._homes[directory.top].add(home)
                self._placed[home].append(found)
        if not any(not home.archive_path for home in self._placed):
            raise SourceError([fault(self._file, "the cache has no repository with a release in its path")])
        known = {found.repository.prefix for repositories in self._placed.values() for found in repositories}
        for name, other in self._cache.redirects.items():
            if other not in known:
                self._lose(f"repo={name} stands for {other}, which is no repository")

    def _config(self) -> dict[str, Yaml]:
        products: dict[str, dict[str, Yaml]] = {}
        for top, name in self._products.items():
            archives = [home for home in self._placed if home.top == top and home.archive_path]
            past = [found for home in archives for found in self._placed[home]]
            products[name] = product_keys(self._placed[Home(top)], past, self._names)
        if "" in products:
            return {"config_version": 3, **products[""]}
        return {"config_version": 3, "products": {**products}}

    # --- hosts -----------------------------------------------------------------------------------

    def _mirrors(self) -> Iterator[dict[str, Yaml]]:
        urls = self._urls()
        public = {host for directory in self._cache.directories.values() for host in directory.public}
        names: set[str] = set()
        for host in sorted(urls):
            name = _host_name(url for known in urls[host].values() for url in known)
            if name is None:
                self._lose(f"host {host} has no URL with a host name, and there is no mirror of it")
                continue
            if name in names:
                other, name = name, f"{name}-{host}"
                self._lose(f"host {host} is the mirror {name}, because there is a mirror {other} already")
            names.add(name)
            addresses = self._addresses(name, urls[host])
            if "address" not in addresses:
                self._lose(
                    f"{name} has an archive alone, or URLs that are of no use, and there is no mirror of it"
                )
                continue
            yield {"name": name, **addresses, **self._facts(name, host, is_private=host not in public)}

    def _urls(self) -> dict[int, dict[str, tuple[str, ...]]]:
        """Returns the URLs of each host by topmost directory, as far as there are repositories below it."""
        urls: dict[int, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for directory in self._cache.directories.values():
            if directory.top in self._homes:
                for host, known in directory.urls.items():
                    urls[host][directory.top] = known
        return urls

    def _addresses(self, name: str, urls: dict[str, tuple[str, ...]]) -> dict[str, Yaml]:
        """Returns the base URLs of a host: those of each product, and those of the vault of each product."""
        addresses: dict[str, dict[str, Yaml]] = {"address": {}, "address_vault": {}}
        for top, known in sorted(urls.items()):
            usable = self._by_protocol(name, known)
            for home in sorted(self._homes[top]):
                kind = addresses["address_vault" if home.archive_path else "address"]
                bases: dict[str, Yaml] = {p: url + home.archive_path for p, url in usable.items()}
                if not bases:
                    continue
                if product := self._products[home.top]:
                    kind[product] = bases
                else:
                    kind |= bases
        return {key: value for key, value in addresses.items() if value}

    def _by_protocol(self, name: str, urls: Iterable[str]) -> dict[str, str]:
        """Returns the first URL for each protocol that we know, with a slash at its end."""
        found: dict[str, str] = {}
        for url in urls:
            base = rsync_url(url).rstrip("/") + "/"
            protocol = base.partition("://")[0].lower()
            if protocol not in PROTOCOLS:
                self._lose(f"{name}: {url} has a protocol that clients do not use any more")
            elif protocol in found:
                self._lose(f"{name}: {url} is a second URL for {protocol}; a mirror has one")
            else:
                found[protocol] = base
        return found

    def _facts(self, name: str, host: int, is_private: bool) -> dict[str, Yaml]:
        cache = self._cache
        country = country_code(cache.countries.get(host, ""))
        if country is None:
            self._lose(f"{name}: its country {cache.countries.get(host, '')!r} is none that we know")
        allowed = {code: country_code(code) for code in cache.allowed.get(host, ())}
        for code in (code for code, known in allowed.items() if known is None):
            self._lose(f"{name}: the country {code!r}, whose clients it serves, is none that we know")
        if allowed and not any(allowed.values()):
            self._lose(f"{name} is disabled, because the countries that it serves are not known")
        weight = max(1, cache.bandwidths.get(host, ORDINARY_MBITS)) / ORDINARY_MBITS
        facts: dict[str, Yaml] = {
            "geolocation": {"country": country} if country else {},
            "weight": weight if weight != 1 else {},
            "asn": [*cache.asns.get(host, ())],
            "subnets": [*cache.netblocks.get(host, ())],
            "countries": [known for known in allowed.values() if known],
            "private": True if is_private else {},
            "disabled": True if allowed and not any(allowed.values()) else {},
        }
        return {key: value for key, value in facts.items() if value not in ({}, [])}

    # --- what is lost ----------------------------------------------------------------------------

    def _tell_of_the_rest(self, mirrors: int) -> None:
        """Notes what no single mirror is to blame for."""
        cache, directories = self._cache, self._cache.directories.values()
        internet2 = {host for directory in directories for host in directory.internet2}
        without = len(cache.bandwidths.keys() - {host for d in directories for host in d.urls})
        for count, what in (
            (mirrors, "mirrors, whose names, sponsors, e-mail addresses, cities and coordinates it lacks"),
            (without, "hosts without any repository, of which there are no mirrors"),
            (len(internet2), "hosts on Internet2, which has no meaning here: name its networks in `subnets`"),
            (cache.connections, "hosts that limit the connections of a client, which metalinks cannot say"),
            (cache.continents, "countries on another continent than GeoIP says; they are on GeoIP's here"),
            (len(self._products), "products that need an `origin`, and a `vault_mirror` for past releases"),
        ):
            if count:
                self._lose(f"the cache has {what}: {count}")

    def _lose(self, message: str) -> None:
        self._lost.append(self._finding(message))

    def _finding(self, message: str) -> Finding:
        return warning(self._file, message)


def _host_name(urls: Iterable[str]) -> str | None:
    """Returns the host name in the first URL that has one. URLs of http come before those of rsync."""
    ordered = sorted(urls, key=lambda url: not url.lower().startswith("http"))
    for url in ordered:
        try:
            host = urlsplit(rsync_url(url)).hostname
        except ValueError:
            continue
        if host:
            return host
    return None
