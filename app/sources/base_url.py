"""Brings base URLs of mirrors, as people write them, into one form.

In that form, scheme and host are in lower case, there is no default port, and there is one slash between
path segments and one at the end. The URL goes verbatim to dnf, which expands `$` variables in it and
breaks at blanks. So only characters which are plain in a URL are let through (RFC 3986).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import msgspec

from app.model import PROTOCOLS, Protocol
from app.model.words import quoted

MAX_LENGTH = 1000

_DEFAULT_PORTS = {"http": 80, "https": 443, "rsync": 873}
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_LIKE_IPV4 = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # the WHATWG's "ends in a number"
_PATH = re.compile(r"(?:[A-Za-z0-9._~!&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_RSYNC_FORM = re.compile(r"(?P<host>[A-Za-z0-9.-]+)(?:::|:(?=/))/*(?P<path>.*)")


class BaseUrl(msgspec.Struct, frozen=True):
    """A base URL in normal form, as this module makes it, with its protocol."""

    protocol: Protocol
    url: str


def rsync_url(text: str) -> str:
    """Returns the URL for an address in a form of the rsync program (host::module, rsync@host:/module), with
    or without a scheme before it. Any other text is returned as it is."""
    if "://" in text and not text.startswith("rsync://"):
        return text
    location = text.removeprefix("rsync://").removeprefix("rsync@")
    if match := _RSYNC_FORM.fullmatch(location):
        return f"rsync://{match['host']}/{match['path']}"
    return f"rsync://{location}" if text.startswith("rsync://") else text


def parse_base_url(text: str) -> BaseUrl:
    """Parses a base URL that a person wrote. Raises ValueError if it cannot be used; the text of the error is
    the end of a sentence that begins with the URL."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("holds blanks, control characters or non-ASCII letters; percent-encode them")
    scheme, separator, _ = text.partition("://")
    protocol = next((known for known in PROTOCOLS if known == scheme.lower()), None)
    if not separator or protocol is None:
        raise ValueError(f"must begin with {', '.join(f'{known}://' for known in PROTOCOLS)}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL: {error}") from error
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password, which everybody would see")
    if "?" in text or "#" in text:
        raise ValueError('has a "?" or "#" in it; a base URL is a directory, without a query')
    authority = _host(parts)
    if port is not None and port != _DEFAULT_PORTS[protocol]:
        authority += f":{port}"
    return BaseUrl(protocol, f"{protocol}://{authority}{_path(parts.path)}")


def _host(parts: SplitResult) -> str:
    """Returns the host of a URL, with an IPv6 address in brackets. Raises ValueError if there is no valid
    host, or the port is 0."""
    host = parts.hostname or ""
    if parts.port == 0:
        raise ValueError("has the port 0")
    if "[" in parts.netloc:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError as error:
            raise ValueError(f"has {quoted(host)} in brackets, which is not an IPv6 address") from error
    if _LIKE_IPV4.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise ValueError(f"has {quoted(host)} as its host, which is not an IPv4 address") from error
    if not _HOSTNAME.fullmatch(host):
        raise ValueError(f"has {quoted(host)} as its host, which is not a host name")
    return host


def _path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(f"has characters in its path, {quoted(path)}, that must be percent-encoded")
    segments = [segment for segment in path.split("/") if segment]
    if any(segment in {".", ".."} for segment in segments):
        raise ValueError('has "." or ".." as a directory in its path')
    return "/".join(["", *segments, ""]) if segments else "/"
