"""A response for small answers that are known in full before they are sent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache

from gunicorn.http import wsgi

MAX_KNOWN_LINES = 8192
MAX_KNOWN_CHARS = 64
"""Longer values are not remembered: places, mirrors and generations come again, locations hardly do."""


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's response, which sends header and body in one piece. Each header line is made, and
    checked, once."""

    headers_sent: bool

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            line = _known_line if len(value) <= MAX_KNOWN_CHARS else _line
            self.headers.append(line(name, value))
            if name == "Content-Length":
                self.response_length = int(value)

    def is_chunked(self) -> bool:
        """Never: the end of the connection ends a body of unknown length."""
        return False

    def send_headers(self) -> None:
        if not self.headers_sent:
            self.write(b"")

    def write(self, body: bytes) -> None:
        head = b"" if self.headers_sent else self._head()
        self.headers_sent = True
        self.sock.sendall(head if self._omits_body else head + body)

    def _head(self) -> bytes:
        major, minor = self.req.version
        lines = [f"HTTP/{major}.{minor} {self.status}\r\n", _date_line(int(time.time()))]
        if self.should_close():
            lines.append("Connection: close\r\n")
        elif minor == 0:
            lines.append("Connection: keep-alive\r\n")
        return "".join([*lines, *self.headers, "\r\n"]).encode("latin-1")


def _line(name: str, value: str) -> str:
    if not (wsgi.TOKEN_RE.fullmatch(name) and wsgi.HEADER_VALUE_RE.fullmatch(value)):
        raise ValueError(f"not a header: {name!r}: {value!r}")
    return f"{name}: {value}\r\n"


_known_line = lru_cache(MAX_KNOWN_LINES)(_line)


@lru_cache(1)
def _date_line(now_s: int) -> str:
    return f"Date: {formatdate(now_s, usegmt=True)}\r\n"
