"""Judges what has arrived on a connection: a whole header, a part of one, or bytes that never become a
request."""

from __future__ import annotations

import re
from enum import Enum, auto

from app.web.forms import quick_path_pattern

MAX_LINE_BYTES = 4094
MAX_FIELDS = 50
MAX_FIELD_BYTES = 4096
MAX_HEADER_BYTES = MAX_LINE_BYTES + MAX_FIELDS * (MAX_FIELD_BYTES + len(b"\r\n")) + len(b"\r\n\r\n")
END = b"\r\n\r\n"

_QUICK = re.compile(
    rb"(?:GET|HEAD) (" + quick_path_pattern() + rb"(?!\S*(?:%|explain))\S*) HTTP/1\.1\r\n"
    rb"|(?!(?:GET|HEAD) )[A-Z]+ (\S+) HTTP/1\.1\r\n"
)
"""Matches the request line of a request that takes little time: a list, a download, a health check, or one
with a method that is always refused. Explanations take a hundred times as long, and a target that is
percent-encoded might ask for one, so neither matches."""
_BEGINNING = re.compile(
    rb"(?:\r\n?)?(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+(?: [^ \r\n]*(?: [HTP/0-9.]*(?:\r(?:\n.*)?)?)?)?)?", re.DOTALL
)
"""Matches the beginning of a request, cut anywhere: an empty line, which some clients send, then method,
target, version, line end and header lines."""


class Arrived(Enum):
    """Says how much of a request's header has arrived on a connection."""

    PART = auto()
    #: A whole header has arrived, whatever is in it.
    WHOLE = auto()
    #: The bytes are not the beginning of a request, whatever follows.
    JUNK = auto()
    LONG_LINE = auto()
    LONG_HEADER = auto()


def judged(received: bytes, before: int = 0) -> Arrived:
    """Judges the bytes at the beginning of a connection, or behind a request on it. The first `before` of
    these bytes were judged already, and were a part of a header."""
    if received.find(END, max(0, before - len(END))) >= 0:
        return Arrived.WHOLE
    if received.find(b"\r\n", 2, MAX_LINE_BYTES + 4) < 0 and len(received) > MAX_LINE_BYTES + 2:
        return Arrived.LONG_LINE
    start = before - 1 if received.endswith(b"\r", 0, before) else before
    is_bare = received.count(b"\n", start) > received.count(b"\r\n", start)
    if is_bare or _BEGINNING.fullmatch(received) is None:
        return Arrived.JUNK
    return Arrived.PART if len(received) <= MAX_HEADER_BYTES else Arrived.LONG_HEADER


def quick_target(received: bytes) -> str | None:
    """Returns the target of a request that takes little time, or None if the request may take longer."""
    match = _QUICK.match(received)
    return (match[1] or match[2]).decode("latin-1") if match else None
