"""Writes the directory from which nginx reads its site (`mirrorwise nginx`).

The directory has copies of the committed files in `nginx/` with the directory's own path in them, two small
files with the settings of this machine, and the databases in which nginx looks clients up: places and
networks as the worker has published them, and spreads, which are always the same. The databases are named by
their content. So a new database gets a new file and a changed line in the configuration, and a file that
nginx has mapped is never changed. nginx reads the new file when it is told to reload.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.files import replace, said, shipped_folder
from app.geo.copies import VerifiedCopies
from app.geo.networks import NetworkLookup
from app.geo.place_lookup import PlaceLookup
from app.geo.published import PublishedDatabase
from app.logs import Faults
from app.model import GeoError, MirrorwiseError, SnapshotError, StoreError, digest_of
from app.settings import Network, Settings
from app.site.spreads import build_spreads
from app.snapshot.soundness import check_names, verified
from app.store import Store

log = logging.getLogger("mirrorwise.nginx")

COMMITTED = shipped_folder("nginx")
COMMITTED_PLACE = "/etc/nginx/mirrorwise"
"""The path that stands for the directory in the committed files. It is replaced by the directory's real
path."""
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


class SiteDirectory:
    """Keeps the directory `folder`, with nginx's configuration files and databases, up to date. `update`
    writes what has changed, and may be called any number of times."""

    def __init__(self, folder: Path, site: Site, settings: Settings, store: Store) -> None:
        self._folder = folder.absolute()
        self._site = site
        self._settings = settings
        self._store = store
        self._copies = VerifiedCopies(self._folder)
        self._places = PublishedDatabase("places", self._copies, PlaceLookup)
        self._networks = PublishedDatabase("networks", self._copies, self._known_networks)
        self._spreads = PublishedDatabase("spreads", self._copies, Path)
        self._spread_data = build_spreads()
        self._generation = ""
        self._overlays: Collection[str] = ()
        self._digests: tuple[str | None, str | None] = (None, None)  # of places and networks
        self._problems: list[str] = []

    def update(self) -> list[str]:
        """Writes the databases and configuration files that are new or changed. Returns the names of the
        configuration files that have changed. Raises MirrorwiseError (such as StoreError, SnapshotError)
        before it changes any of them. A database that cannot be used raises nothing and is in `fault`: the
        last good one stays in use."""
        self._problems = []
        pointer = self._store.pointer()
        if pointer is not None:
            self._follow(pointer.generation)
        texts = self._texts()
        self._copies.delete_unused(time.time())
        return [name for name, text in texts.items() if _replace(self._folder / name, text)]

    @property
    def fault(self) -> str:
        """A text that says what was wrong with the databases at the last update; empty if nothing was."""
        return "; ".join(self._problems)

    def _follow(self, generation: str) -> None:
        if generation != self._generation:
            data = self._store.snapshot(generation)
            if data is None:
                raise StoreError(f"generation {generation} is not in the store any more")
            snapshot = verified(data)
            self._digests = snapshot.place_database, snapshot.networks
            self._overlays = snapshot.overlays
            self._generation = generation
        places, networks = self._digests
        self._attempt(lambda: self._places.follow(places, self._store.blob))
        self._attempt(lambda: self._networks.follow(networks, self._store.blob))
        spreads = self._spread_data
        self._attempt(lambda: self._spreads.follow(digest_of(spreads), lambda _: spreads))

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (StoreError, SnapshotError, GeoError) as error:
            self._problems.append(str(error))

    def _known_networks(self, path: Path) -> NetworkLookup:
        networks = NetworkLookup(path)
        check_names(self._overlays, networks.names)
        return networks

    def _texts(self) -> dict[str, str]:
        """Returns the contents of all configuration files, by file name."""
        files = sorted(COMMITTED.glob("*.conf"))
        if not files:
            raise MirrorwiseError(f"{COMMITTED}: the site's files are not there; install the program anew")
        texts = {file.name: file.read_text().replace(COMMITTED_PLACE, str(self._folder)) for file in files}
        texts["local-http.conf"] = "\n".join(self._http()) + "\n"
        texts["local-server.conf"] = "\n".join(_server(self._site, self._settings.trusted_proxies)) + "\n"
        return texts

    def _http(self) -> list[str]:
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
            # nginx cuts off an answer that it cannot write whole, so it removes others while there is room.
            "    min_free=64m inactive=65m use_temp_path=off;",
            *self._parts_of_classes(),
        ]
        trusted = (f"    {network} 1;" for network in self._settings.trusted_proxies)
        return [*lines, "geo $realip_remote_addr $mw_trusted {", *trusted, "}"]

    def _parts_of_classes(self) -> Iterator[str]:
        """Yields the lines by which nginx looks up the parts of a client's class. A database that the worker
        has not published knows nothing of any client. While one that it has published cannot be had, there
        is no spread, and so no class: nginx asks the service for every client."""
        places, networks, spreads = self._places.path, self._networks.path, self._spreads.path
        is_complete = all(
            path or digest is None for path, digest in zip((places, networks), self._digests, strict=True)
        )
        for path, variables in (
            (places, {"$mw_located": ""}),
            (networks, {"$mw_network": "overlay", "$mw_corrected": "place"}),
            (spreads if is_complete else None, {"$mw_spread_and_family": ""}),
        ):
            if path:
                found = (f"{variable} {key}".strip() for variable, key in variables.items())
                yield f"geoip2 {path} {{ {'; '.join(found)}; }}"
            else:
                yield from (f'map "" {variable} {{ default ""; }}' for variable in variables)


def _upstream(name: str, *lines: str) -> list[str]:
    """Returns the lines of an nginx `upstream` block, which names the services. Each nginx worker keeps idle
    connections to them, because a new connection for every request costs more."""
    return [f"upstream {name} {{", *(f"    {line}" for line in (*lines, "keepalive 32;")), "}"]


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
