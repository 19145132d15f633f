"""Writes the directory from which nginx reads its site (`mirrorwise nginx`).

The directory has copies of the committed files in `nginx/` with the directory's own path in them, a table of
the codes of countries, two small files with the settings of this machine, and the GeoIP and networks
databases. The databases are verified copies, named by their content. So a new database gets a new file and a
changed line in the configuration, and a file that nginx has mapped is never changed. nginx reads the new file
when it is told to reload.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.files import replace, said, shipped_folder
from app.geo import vendors
from app.geo.copies import VerifiedCopies
from app.geo.database import CityDatabase, city_layout_of
from app.geo.following import follow_cities
from app.geo.mmdb import MmdbFile
from app.geo.networks import NetworkLookup
from app.logs import Faults
from app.model import GeoError, MirrorwiseError, StoreError, digest_of
from app.model.place import places_by_code
from app.settings import Network, Settings
from app.snapshot.soundness import check_names, verified
from app.store import Store

log = logging.getLogger("mirrorwise.nginx")

COMMITTED = shipped_folder("nginx")
COMMITTED_PLACE = "/etc/nginx/mirrorwise"
"""The path that stands for the directory in the committed files. It is replaced by the directory's real
path."""
UNCLASSED = "geoip-none.conf"
VARIANTS = {
    vendors.MAXMIND: "geoip-maxmind.conf",
    vendors.DBIP_NESTED: "geoip-maxmind.conf",
    vendors.DBIP_FLAT: "geoip-dbip.conf",
    vendors.IPINFO: "geoip-ipinfo.conf",
}
SAMPLE = 64  # nodes for each level: enough to find networks of each family that a file knows
RELOAD_TIMEOUT_S = 60


@dataclass(frozen=True)
class Site:
    """The settings of the generated site that depend on the machine. Addresses are written as nginx's
    `listen` and `server` directives take them."""

    #: The services, which take turns. One that fails is left out for some seconds.
    upstreams: tuple[str, ...]
    listen: tuple[str, ...]
    #: The addresses for TLS, which are used only if there is a certificate.
    listen_tls: tuple[str, ...]
    server_name: str
    cache: Path
    #: The certificate. If this is set, `certificate_key` is set too.
    certificate: Path | None = None
    certificate_key: Path | None = None
    #: How many of the cache's files an nginx worker keeps open. nginx's limit (`worker_rlimit_nofile`) has to
    #: leave room for connections. With 0, no files are kept open.
    open_files: int = 0


@dataclass(frozen=True)
class SiteDatabases:
    """The databases that nginx is to read, as paths of verified copies."""

    #: The name of the committed file that fits the records of both city files.
    variant: str
    city_ipv4: Path
    city_ipv6: Path
    #: The networks database; None if the published generation has none.
    networks: Path | None


class SiteDirectory:
    """Keeps the directory `folder`, with nginx's configuration files and databases, up to date. `update`
    writes what has changed, and may be called any number of times."""

    def __init__(self, folder: Path, site: Site, settings: Settings, store: Store) -> None:
        self._folder = folder.absolute()
        self._site = site
        self._settings = settings
        self._store = store
        self._copies = VerifiedCopies(self._folder)
        self._cities = follow_cities(settings.geoip_city, self._copies)
        self._unfit: list[str] = []
        self._generation = ""
        self._networks: Path | None = None

    def update(self) -> list[str]:
        """Writes the databases and configuration files that are new or changed. Returns the names of the
        configuration files that have changed. Raises MirrorwiseError (such as StoreError, SnapshotError)
        before it changes any of them. A fault of the city database raises nothing and is in `fault`: the last
        good copy of the file stays in use, and while there is no database that nginx can use, nginx asks the
        service for every client."""
        databases = self._databases()
        texts = self._texts(databases)
        changed = [name for name, text in texts.items() if _replace(self._folder / name, text)]
        if databases is not None:
            self._copies.delete_unused(time.time())
        return changed

    @property
    def fault(self) -> str:
        """A text that says what was wrong with the city database at the last update; empty if nothing was."""
        return "; ".join([*self._cities.faults.values(), *self._unfit])

    def _databases(self) -> SiteDatabases | None:
        """Returns the databases for nginx. Returns None before anything was published, because the networks
        are not known then, and while there is no city database that nginx can use."""
        self._unfit = []
        pointer = self._store.pointer()
        if pointer is None:
            return None
        if pointer.generation != self._generation:
            self._networks = self._published_networks(pointer.generation)
            self._generation = pointer.generation
        self._cities.look()
        if self._cities.database is None:
            return None
        try:
            return self._for_nginx(self._cities.database)
        except GeoError as error:
            self._unfit = [str(error)]
            return None

    def _for_nginx(self, cities: CityDatabase) -> SiteDatabases:
        """Chooses a file of the city database for each IP version. Raises GeoError if nginx cannot use the
        files, such as files from two vendors."""
        named = zip(self._cities.sources, cities.paths, strict=True)
        files = [MmdbFile(copy, str(source)) for source, copy in named]
        ipv4, ipv6 = _knowing(files, 4), _knowing(files, 6)
        variants = [VARIANTS[city_layout_of(file)] for file in (ipv4, ipv6)]
        if variants[0] != variants[1]:
            raise GeoError(f"{ipv4.name}, {ipv6.name}: nginx needs both families from the same vendor")
        return SiteDatabases(variants[0], ipv4.path, ipv6.path, self._networks)

    def _published_networks(self, generation: str) -> Path | None:
        data = self._store.snapshot(generation)
        snapshot = verified(data) if data else None
        digest = snapshot.networks if snapshot else None
        blob = self._store.blob(digest) if digest else None
        if snapshot is None or (digest and blob is None):
            raise StoreError(f"generation {generation} is not, or not wholly, in the store")
        if not digest or not blob:
            return None
        path = self._copies.keep(digest, blob)
        check_names(snapshot.overlays, NetworkLookup(path).names)
        return path

    def _texts(self, databases: SiteDatabases | None) -> dict[str, str]:
        """Returns the contents of all configuration files, by file name."""
        files = sorted(COMMITTED.glob("*.conf"))
        if not files:
            raise MirrorwiseError(f"{COMMITTED}: the site's files are not there; install the program anew")
        texts = {file.name: file.read_text().replace(COMMITTED_PLACE, str(self._folder)) for file in files}
        if databases is not None:
            text = texts[databases.variant].replace("city-ipv4.mmdb", databases.city_ipv4.name)
            # If both are the same file, it gets another name here: nginx opens no name twice.
            texts[databases.variant] = text.replace("city-ipv6.mmdb", f"./{databases.city_ipv6.name}")
        texts["local-http.conf"] = "\n".join(self._http(databases)) + "\n"
        texts["countries.conf"] = "\n".join(_countries()) + "\n"
        texts["local-server.conf"] = "\n".join(_server(self._site, self._settings.trusted_proxies)) + "\n"
        return texts

    def _http(self, databases: SiteDatabases | None) -> list[str]:
        """Returns the lines outside the server section: services, cache, databases, trusted proxies."""
        servers = self._site.upstreams
        marked = [f"server {server} max_fails=1 fail_timeout=3s;" for server in servers]
        lines = [
            "# Written by `mirrorwise nginx`.",
            "# A service that has failed is left alone for some seconds: for lists, or for all else, so that",
            "# a flood of explanations does nothing to lists. nginx does that only where there is another",
            "# server; lists always have one, which is down.",
            *_upstream("mirrorwise_lists", "zone mirrorwise_lists 64k;", *marked, "server 127.0.0.1:1 down;"),
            *_upstream("mirrorwise_others", "zone mirrorwise_others 64k;", *marked),
            "# A request that none of them has answered waits here for any of them.",
            *_upstream("mirrorwise", *(f"server {server} max_fails=0;" for server in servers)),
            f"proxy_cache_path {self._site.cache} levels=2 keys_zone=mirrorwise:64m max_size=2g",
            "    inactive=65m use_temp_path=off;",
            f"include {self._folder}/{databases.variant if databases else UNCLASSED};",
        ]
        if databases and databases.networks:
            lines.append(f"geoip2 {databases.networks} {{ $mw_network overlay; }}")
        elif databases:
            lines.append('map "" $mw_network { default ""; }')
        trusted = (f"    {network} 1;" for network in self._settings.trusted_proxies)
        return [*lines, "geo $realip_remote_addr $mw_trusted {", *trusted, "}"]


def _upstream(name: str, *lines: str) -> list[str]:
    """Returns the lines of an nginx `upstream` block, which names the services. Each nginx worker keeps idle
    connections to them, because a new connection for every request costs more."""
    return [f"upstream {name} {{", *(f"    {line}" for line in (*lines, "keepalive 32;")), "}"]


def _countries() -> list[str]:
    """Returns the lines of an nginx map from the country codes in GeoIP records to places. nginx ignores the
    case of the codes."""
    lines = [f"{code} {place};" for code, place in places_by_code().items()]
    return ["# Written by `mirrorwise nginx`.", *lines]


def _server(site: Site, trusted: Sequence[Network]) -> list[str]:
    """Returns the lines in the server section: where nginx listens, and whose X-Forwarded-For it believes."""
    lines = ["# Written by `mirrorwise nginx`.", *(f"listen {address};" for address in site.listen)]
    if site.certificate is not None:
        lines += [f"listen {address} ssl http2;" for address in site.listen_tls]
        lines += [
            f"ssl_certificate {site.certificate};",
            f"ssl_certificate_key {site.certificate_key};",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "ssl_session_cache shared:mirrorwise_tls:10m;",
            "ssl_session_timeout 1h;",
        ]
    if site.open_files:
        lines += [f"open_file_cache max={site.open_files} inactive=60s;", "open_file_cache_valid 60s;"]
    lines += [f"server_name {site.server_name};", *(f"set_real_ip_from {network};" for network in trusted)]
    return [*lines, "real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]


def _knowing(files: Sequence[MmdbFile], version: int) -> MmdbFile:
    """Returns the only one of these files that has addresses of this IP version. If none has such addresses,
    returns the first file. Raises GeoError if several have."""
    known = [file for file in files if any(level.version == version for level in file.walk(SAMPLE))]
    if len(known) == 1:
        return known[0]
    if not known:  # then any file will do, because none knows such addresses
        return files[0]
    names = ", ".join(file.name for file in known)
    raise GeoError(f"{names}: all know IPv{version} addresses; nginx reads one file for each IP version")


def _replace(path: Path, text: str) -> bool:
    """Writes a file in one step. Returns whether that changed it."""
    if path.exists() and path.read_text() == text:
        return False
    replace(path, text.encode())
    return True


# --- the command -----------------------------------------------------------------------------------


class Reloader:
    """Runs a command, such as `nginx -s reload`, when the configuration has changed since the command last
    succeeded. A file keeps the digest of that configuration, so changes before a restart count too."""

    def __init__(self, folder: Path, command: str) -> None:
        self._folder = folder
        self._command = shlex.split(command)
        self._stamp = folder / "loaded"

    def reload(self) -> bool:
        """Runs the command if the configuration has changed. Returns whether the command ran. Raises
        MirrorwiseError if it failed; then the next call runs it again."""
        content = b"".join(path.read_bytes() for path in sorted(self._folder.glob("*.conf")))
        digest = digest_of(content)
        if self._stamp.exists() and self._stamp.read_text() == digest:
            return False
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command line
                self._command, capture_output=True, text=True, timeout=RELOAD_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MirrorwiseError(f"{shlex.join(self._command)}: {error}") from error
        if done.returncode:
            raise MirrorwiseError(f"{shlex.join(self._command)}: {(done.stderr or done.stdout).strip()}")
        self._stamp.write_text(digest)
        return True


def follow(directory: SiteDirectory, reloader: Reloader | None, every_s: float) -> None:
    """Updates the directory every `every_s` seconds, for ever. After a failure nginx keeps what it has, and
    the log has one line about the fault."""
    faults = Faults(log)
    while True:
        try:
            changed = directory.update()
            if changed:
                log.info("written: %s", ", ".join(changed))
            if reloader is not None and reloader.reload():
                log.info("nginx was told to reload")
            faults.report("nginx", directory.fault)
        except MirrorwiseError as error:
            faults.set("nginx", str(error))
        except OSError as error:
            faults.set("nginx", said(error))
        except Exception as error:
            faults.set("nginx", f"failed: {error!r}", trace=True)
        time.sleep(every_s)
