"""Reads the settings from environment variables, once when a program starts.

An empty variable counts as unset. Nothing is opened here: files and servers may come and go while a program
runs, so the code that uses them checks that they are there. URLs may contain passwords, so a URL is shown
only through `SecretUrl`, and of a faulty URL only those parts are shown that certainly contain no password.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from app.model import SettingsError

Network = IPv4Network | IPv6Network
T = TypeVar("T")

ServerKind = Literal["quick", "gthread"]
SERVERS: tuple[ServerKind, ...] = ("quick", "gthread")

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
LOG_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error", "critical")

LogFormat = Literal["text", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")

MAX_DEFAULT_CONCURRENCY = 16
REDIS_URLS = (
    "redis://[user:password@]host[:port][/db], rediss://… (the same over TLS), unix:///path[?db=0], "
    "redis+sentinel://[user:password@]host:port,host:port/master[/db]"
    "[?sentinel_username=…&sentinel_password=…], or rediss+sentinel://… (the same over TLS)"
)
HISTORY_URLS = "postgresql://[user:password@]host[:port]/database, or sqlite:///path"
LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]+)?"
_HARMLESS_URL = re.compile(
    rf"(?P<scheme>[a-z][a-z+]*://)?(?P<user>[^/?#]*@)?(?P<place>(?:{_HOST}(?:,{_HOST})*)?(?:/[\w./-]*)?)"
    r"(?P<query>\?[^@#]*)?"
)
_SCHEME = re.compile(r"[a-z][a-z+]{0,20}://")
_REDIS_URL = re.compile(rf"(?P<hosts>{_HOST})(?:/(?:(?P<db>[0-9]+)/?)?)?")
_SENTINEL_URL = re.compile(rf"(?P<hosts>{_HOST}(?:,{_HOST})*)/(?P<master>[\w.-]+)(?:/(?P<db>[0-9]+)?)?")
_TLS_KEYS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
_SENTINEL_KEYS = {"sentinel_username", "sentinel_password"}
_QUERY_KEYS = {
    "redis": {"db"},
    "rediss": {"db", *_TLS_KEYS},
    "unix": {"db", "username", "password"},
    "redis+sentinel": _SENTINEL_KEYS,
    "rediss+sentinel": _SENTINEL_KEYS | _TLS_KEYS,
}


class SecretUrl(msgspec.Struct, frozen=True):
    """A URL that may contain a password. `value` is the whole URL, for connecting; `str` and `repr` of the
    object hide the password."""

    value: str

    def __str__(self) -> str:
        return without_password(self.value)

    def __repr__(self) -> str:
        return f"SecretUrl({without_password(self.value)!r})"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a program. The defaults are those of an empty environment, but for `web_concurrency`,
    whose default is `default_concurrency()` there."""

    data_dir: Path = Path("data")
    var_dir: Path = Path("var")
    machine: str = msgspec.field(default_factory=socket.gethostname)
    redis_url: SecretUrl | None = None
    redis_read_url: SecretUrl | None = None
    history_url: SecretUrl | None = None
    history_days: int = 730
    history_place_days: int = 60
    history_least_shown: int = 10
    past_mb: int = 2000
    request_log: Path | None = None
    geoip_city: tuple[Path, ...] = (Path("data/geoip/city.mmdb"),)
    geoip_asn: tuple[Path, ...] = ()
    trusted_proxies: tuple[Network, ...] = LOOPBACK
    refresh_s: float = 0.5
    port: int = 8080
    web_concurrency: int = 2
    server: ServerKind = "quick"
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Reads the settings from environment variables. Raises SettingsError, with a line for each bad value."""
    faults: list[str] = []

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        text = environ.get(name, "").strip()
        try:
            return parse(text) if text else default
        except ValueError as fault:
            faults.append(f"{name}: {fault}")
            return default

    data_dir = read("MIRRORWISE_DATA", _path, Path("data"))
    redis_url = read("REDIS_URL", _redis_url, None)
    settings = Settings(
        data_dir=data_dir,
        var_dir=read("MIRRORWISE_VAR", _path, Path("var")),
        machine=read("MIRRORWISE_MACHINE", _machine, socket.gethostname()),
        redis_url=redis_url,
        redis_read_url=read("REDIS_READ_URL", _redis_url, None),
        history_url=read("HISTORY_URL", _history_url, None),
        history_days=read("HISTORY_DAYS", _between(1, 36500), 730),
        history_place_days=read("HISTORY_PLACE_DAYS", _between(1, 36500), 60),
        history_least_shown=read("HISTORY_LEAST_SHOWN", _between(1, 10**6), 10),
        past_mb=read("PAST_MB", _between(0, 10**6), 2000),
        request_log=read("REQUEST_LOG", _path, None),
        geoip_city=read("GEOIP_CITY", _paths, (data_dir / "geoip" / "city.mmdb",)),
        geoip_asn=read("GEOIP_ASN", _paths, ()),
        trusted_proxies=read("TRUSTED_PROXIES", _networks, LOOPBACK),
        refresh_s=read("REFRESH_SECONDS", _refresh_s, 0.5),
        port=read("PORT", _between(1, 65535), 8080),
        web_concurrency=read("WEB_CONCURRENCY", _between(1, 256), default_concurrency()),
        server=read("MIRRORWISE_SERVER", _one_of(SERVERS), "quick"),
        log_level=read("LOG_LEVEL", _one_of(LOG_LEVELS), "info"),
        log_format=read("LOG_FORMAT", _one_of(LOG_FORMATS), "text"),
    )
    if environ.get("REDIS_READ_URL", "").strip() and not environ.get("REDIS_URL", "").strip():
        faults.append("REDIS_READ_URL: set without REDIS_URL; a replica needs the server it is a replica of")
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def default_concurrency() -> int:
    """Returns the default number of web processes: one for each core that this process may use, and one more,
    which works while another waits. It is at most 16, because each process takes memory of its own."""
    return min(len(os.sched_getaffinity(0)) + 1, MAX_DEFAULT_CONCURRENCY)


def without_password(url: str) -> str:
    """Returns a URL as it may be shown to people, with `***` in place of user, password and query. If the URL
    is so malformed that a password might be anywhere in it, only the scheme is left."""
    match = _HARMLESS_URL.fullmatch(url)
    if match is None:
        scheme = _SCHEME.match(url)
        return (scheme[0] if scheme else "") + "***"
    user, query = "***@" if match["user"] else "", "?***" if match["query"] else ""
    return f"{match['scheme'] or ''}{user}{match['place']}{query}"


# --- one parser per kind of value; each raises ValueError with what was found and what is allowed ---


def _path(text: str) -> Path:
    if "\0" in text:
        raise ValueError(f"{text!r} is not a path")
    return Path(text)


def _machine(text: str) -> str:
    if not re.fullmatch(r"[\w.-]{1,64}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a name; allowed are up to 64 letters, digits, dots, _ and -")
    return text


def _paths(text: str) -> tuple[Path, ...]:
    paths = tuple(_path(part.strip()) for part in text.split(",") if part.strip())
    if not paths:
        raise ValueError(f"{text!r} names no file; allowed are paths of .mmdb files, separated by commas")
    return paths


def _networks(text: str) -> tuple[Network, ...]:
    """Parses addresses and prefixes separated by commas. The word `none` means no network, because an empty
    variable would count as unset."""
    if text.lower() == "none":
        return ()
    return tuple(dict.fromkeys(_network(part.strip()) for part in text.split(",")))


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        allowed = "allowed are addresses and prefixes such as 10.0.0.0/8, separated by commas, or none"
        try:
            whole = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{text!r} is not a network; {allowed}") from error
        raise ValueError(f"{text!r} has bits set behind its prefix; the whole network is {whole}") from error
    # An IPv4-mapped address is compared as IPv4, so a network of them has to be one of IPv4.
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _refresh_s(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.05 <= seconds <= 3600:  # also false for NaN
        raise ValueError(f"{text!r} is not a time between; allowed are seconds from 0.05 to 3600")
    return seconds


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() alone would take "1_000" and "٣", and would be slow with very long texts.
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
        if number is None or not low <= number <= high:
            raise ValueError(f"{text!r} is not allowed; allowed are whole numbers from {low} to {high}")
        return number

    return parse


def _one_of(choices: tuple[T, ...]) -> Callable[[str], T]:
    def parse(text: str) -> T:
        for choice in choices:
            if choice == text.lower():
                return choice
        raise ValueError(f"{text!r} is not allowed; allowed are {', '.join(map(str, choices))}")

    return parse


def _redis_url(text: str) -> SecretUrl:
    """Parses a Redis URL. It is checked in full, because redis-py silently replaces a bad number by 0."""
    refusal = ValueError(f"{without_password(text)!r} is not a Redis URL; allowed are {REDIS_URLS}")
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise refusal from None  # its text may hold the password
    # redis-py knows its schemes in lower case only, and urlsplit lowers them.
    if parts.scheme not in _QUERY_KEYS or not text.startswith(f"{parts.scheme}://") or parts.fragment:
        raise refusal
    place = parts.netloc.rpartition("@")[2] + parts.path
    if parts.scheme == "unix":
        good = place == parts.path and parts.path.startswith("/")
    else:
        match = (_SENTINEL_URL if parts.scheme.endswith("+sentinel") else _REDIS_URL).fullmatch(place)
        good = match is not None and all(map(_has_good_port, match["hosts"].split(",")))
    if not good or not re.fullmatch("[0-9]+", query.get("db", "0")):
        raise refusal
    unknown = query.keys() - _QUERY_KEYS[parts.scheme]
    if unknown:
        known = ", ".join(sorted(_QUERY_KEYS[parts.scheme]))
        raise ValueError(f"{without_password(text)!r} has a key after ? that is not known; known: {known}")
    if "sentinel_username" in query and "sentinel_password" not in query:
        raise ValueError(f"{without_password(text)!r} has a sentinel_username without a sentinel_password")
    return SecretUrl(text)


def _history_url(text: str) -> SecretUrl:
    """Parses the URL of the history's database."""
    refusal = ValueError(f"{without_password(text)!r} is not a database's URL; allowed are {HISTORY_URLS}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise refusal from None  # its text may hold the password
    is_file = parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1 and port is None
    is_server = parts.scheme == "postgresql" and len(parts.path) > 1
    if not (is_file or is_server) or parts.fragment or not text.startswith(f"{parts.scheme}://"):
        raise refusal
    return SecretUrl(text)


def _has_good_port(host: str) -> bool:
    port = re.search(r":([0-9]+)$", host) if not host.endswith("]") else None
    return port is None or 0 < int(port[1]) <= 65535
