"""Makes a response in full before any of it is sent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache

from gunicorn.http import wsgi

from app.web.server.connection import JOINED_BYTES

MAX_KNOWN_LINES = 8192
MAX_KNOWN_CHARS = 64
"""The largest number of characters in a header's value that is remembered. Shorter values, such as places,
mirrors and generations, come again; longer ones, such as locations, hardly do."""


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's response, except that it keeps what is written to it instead of sending it. Each header line
    with a short value is made and checked once, and then remembered."""

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        self._body: list[bytes] = []
        for name, value in headers:
            line = _known_line if len(value) <= MAX_KNOWN_CHARS else _line
            self.headers.append(line(name, value))
            if name == "Content-Length":
                self.response_length = int(value)

    def is_chunked(self) -> bool:
        """Always False: this server never uses chunked encoding. The end of the connection marks the end of a
        body of unknown length."""
        return False

    def write(self, body: bytes) -> None:
        self._body.append(body)

    def parts(self) -> list[bytes]:
        """Returns the header and the body, in one piece unless they are large."""
        parts = [self._head()] if self._omits_body else [self._head(), *filter(None, self._body)]
        return [b"".join(parts)] if sum(map(len, parts)) < JOINED_BYTES else parts

    def _head(self) -> bytes:
        major, minor = self.req.version
        lines = [f"HTTP/{major}.{minor} {self.status}\r\n", _date_line(int(time.time()))]
        if self.should_close():
            lines.append("Connection: close\r\n")
        elif minor == 0:
            lines.append("Connection: keep-alive\r\n")
        return "".join([*lines, *self.headers, "\r\n"]).encode("latin-1")


_is_token = lru_cache(MAX_KNOWN_LINES)(wsgi.TOKEN_RE.fullmatch)


def _line(name: str, value: str) -> str:
    is_plain = value.isascii() and value.isprintable()  # in a tenth of the time
    if not (_is_token(name) and (is_plain or wsgi.HEADER_VALUE_RE.fullmatch(value))):
        raise ValueError(f"not a header: {name!r}: {value!r}")
    return f"{name}: {value}\r\n"


_known_line = lru_cache(MAX_KNOWN_LINES)(_line)


@lru_cache(1)
def _date_line(now_s: int) -> str:
    return f"Date: {formatdate(now_s, usegmt=True)}\r\n"
