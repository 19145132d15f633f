"""Brings path, query and Host header of a request into the plain form that the application expects, and
finds requests that are refused whatever they ask for.

Doubled and trailing slashes in a path, as some clients write them, mean nothing; a redirect would cost the
client a second request every time. The Host header matters to pages that show their own address, and to
nothing else. Flask would refuse some of its values, and accept others that no host can have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

NO_HOST = "localhost"
_ASCII = bytes(range(128))
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?")

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_impossible(target: str) -> bool:
    """Returns whether a request's target, as it was sent, has a path that no server could open: it is encoded
    wrongly, holds a NUL, or leads above the root."""
    path = target.partition("?")[0]
    if "%" not in path and ".." not in path:
        return False
    decoded = unquote_to_bytes(path)
    if _BAD_ESCAPE.search(path) or b"\0" in decoded:
        return True
    depth = 0
    for segment in decoded.split(b"/"):
        depth += {b"": 0, b".": 0, b"..": -1}.get(segment, 1)
        if depth < 0:
            return True
    return False


def lacks_host(environ: Mapping[str, str]) -> bool:
    """Returns whether a request has no Host header although it must have one. HTTP/1.1 demands the header
    (RFC 9112, section 3.2); a request of HTTP/1.0 may come without it."""
    return "HTTP_HOST" not in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0"


def has_body(environ: Mapping[str, str]) -> bool:
    """Returns whether a request announces a body of more than one byte, or of unknown length. One byte
    passes, because nginx cannot forbid it: 1 is its lowest limit, as 0 means no limit."""
    length = environ.get("CONTENT_LENGTH", "")
    return "HTTP_TRANSFER_ENCODING" in environ or (length.isdecimal() and int(length) > 1)


def plain_path(path: str) -> str:
    """Returns the path with one slash in front, one between segments, and none at the end."""
    if "//" in path or path[-1:] == "/":
        return "/" + "/".join(segment for segment in path.split("/") if segment)
    return path


def plain_query(query: str) -> str:
    """Returns the query with its raw bytes percent-encoded, which does not change its meaning. Flask would
    fail at raw bytes that are not UTF-8."""
    return query if query.isascii() else quote(query.encode("latin-1"), safe=_ASCII)


def plain_host(host: str) -> str:
    """Returns the Host header's value if it is a host, with or without a port, and otherwise `NO_HOST`."""
    return host if _HOST.fullmatch(host) else NO_HOST
