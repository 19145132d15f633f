"""Odd requests in large numbers, as a server hands them to the application: drawn from a seed, so that what
fails can be asked again."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from flask import Flask

from tests.web.asking import application

HEADS = (
    *("mirrorlist", "metalink", "isolist", "download", "explain", "explain/schema", "mirrors", "whoami"),
    *("readyz", "healthz", "metrics", "", "x", "favicon.ico", "MIRRORLIST"),
)
PATHS = (
    *("/mirrorlist/9/baseos", "/metalink/9/baseos", "/isolist/9/x86_64", "/explain", "/mirrors", "/whoami"),
    *("/", "/mirrorlist", "/metalink", "/download/9/BaseOS/x86_64/os/repodata/repomd.xml"),
)
NAMES = (
    *("arch", "country", "exclude_country", "explain", "family", "format", "ip", "limit", "mirror", "path"),
    *("protocol", "redirect", "region", "release", "repo", "cc", "countme", "infra", "", "x"),
    *("avoid", "fill"),
)
GOOD = (
    *("9", "9.8", "9.7", "10-kitten", "baseos", "baseos-9", "BaseOS", "x86_64", "$basearch", "DE", "global"),
    *("https", "rsync", "http", "4", "6", "1", "50", "metalink", "json", "text", "192.0.2.1", "2001:db8::1"),
    *("aws:eu-central-1", "", "9/BaseOS/x86_64/os", "appstream", "::1", "mirror.fra1.example.net", "true"),
)
EVIL = (
    *("\0", "\r\nX-Evil: 1", "\n", "<script>", "\"'><", "..", "../../etc/passwd", "//", "%", "%00", "%2f"),
    *("%ff", "%c3", "%e2%80%ae", "%25", "{{7*7}}", "\u202e", "\ufdfa", "\uff19", "\x7f", "\x1b[31m", "-1"),
    *("a" * 300, "a-" * 1500, "1e9", "::ffff:0:0/96", "fe80::1%25eth0", "192.0.2.1:80", ";", "=", ",,,"),
    *("a,b", "None", "|net-1|0|4", "\xff", "%ed%a0%80", "%f4%90%80%80", "\ud800", "+", "%2b", "https://x/"),
    *("*", "\xe9", "[", "]", "http://[", "%5B", ",".join(["DE"] * 200), "::192.0.2.1", "/" * 900, "a/" * 500),
)
HEADERS = (
    *("X_FORWARDED_FOR", "X_CLIENT_CLASS", "X_FORWARDED_PROTO", "ACCEPT", "HOST", "ACCEPT_ENCODING"),
    *("ACCEPT_LANGUAGE", "COOKIE", "RANGE", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "X_FORWARDED_HOST"),
    *("CONTENT_TYPE", "AUTHORIZATION"),
)
HEADER_VALUES = (
    *("en", "text/html", "application/json", "*/*", "text/html;q=abc", "text/html;q=0", "\xff\xfe", ",,,"),
    *('a/b;c="', "gzip", "identity;q=0", "192.0.2.49", "::1", "10.0.0.1, 192.0.2.1", "unknown", "::10.1.2.3"),
    *("DE/50/8||3|4", "~EU|x|31|6", "||0|4", "XX/99/999||0|4", "https", "m.example.org:8080", "[::1]:80"),
    *("bad host", "\xe9.example", "m.example.org:99999999", "bytes=0-1", 'W/"x"', "Thu, 01 Jan 1970"),
)
PEERS = ("127.0.0.1", "127.0.0.42", "", "::1", "192.0.2.9", "::ffff:192.0.2.1", "fe80::1%eth0")
METHODS = ("GET",) * 18 + ("HEAD", "POST", "OPTIONS")


class Odd:
    """Draws requests."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def environ(self) -> dict[str, str]:
        draw = self._draw
        path, query = self._path(), self._query() if draw.random() < 0.9 else b""
        return {
            "REQUEST_METHOD": draw.choice(METHODS),
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "RAW_URI": (path + b"?" + query).decode("latin-1"),
            "REMOTE_ADDR": draw.choice(PEERS),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            **{f"HTTP_{draw.choice(HEADERS)}": draw.choice(HEADER_VALUES) for _ in range(draw.randrange(3))},
        }

    def _path(self) -> bytes:
        draw = self._draw
        if draw.random() < 0.3:
            return draw.choice(PATHS).encode()
        segments = [self._spelt().replace(b"?", b"") for _ in range(draw.randrange(5))]
        return b"/" + b"/".join((draw.choice(HEADS).encode(), *segments))

    def _query(self) -> bytes:
        draw, pairs = self._draw, []
        for _ in range(draw.randrange(7)):
            name = draw.choice(NAMES).encode() if draw.random() < 0.8 else self._spelt()
            if draw.random() < 0.1:
                name = name.replace(b"a", b"%61")
            pairs.append(name + b"=" + self._spelt() if draw.random() < 0.95 else name)
        return draw.choice([b"&", b"&", b"&", b"&&", b";"]).join(pairs)

    def _spelt(self) -> bytes:
        """A value, encoded in whole, in part or not at all."""
        draw, value = self._draw, self._value()
        if draw.random() < 0.5:
            return quote_from_bytes(value, safe=draw.choice(["", "/,:%&=?"])).encode()
        return bytes(byte for byte in value if byte > 32 and byte != 127)

    def _value(self) -> bytes:
        draw = self._draw
        match draw.randrange(20):
            case 0 | 1:
                return draw.randbytes(draw.randrange(8))
            case 2 | 3:
                return "".join(draw.choices(GOOD + EVIL, k=3)).encode("utf-8", "surrogatepass")
            case kind:
                return draw.choice(GOOD if kind < 13 else EVIL).encode("utf-8", "surrogatepass")


@contextmanager
def no_record() -> Iterator[None]:
    """Fails for anything that is logged."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(f"{record.name}: {record.getMessage()} {record.exc_info}")

    handler, root = Kept(logging.INFO), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
    assert said == []


@pytest.fixture(scope="module")
def app(published: Path) -> Flask:
    return application(published)


def answered(app: Flask, environ: Mapping[str, str]) -> tuple[int, bytes]:
    begun: list[str] = []
    body = b"".join(app.wsgi_app(dict(environ), lambda status, *_: begun.append(status)))  # type: ignore[arg-type]  # no one writes
    [status] = begun
    return int(status[:3]), body


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 500), *(pytest.param(seed, 30_000, marks=pytest.mark.slow) for seed in range(2, 7))],
)
def test_odd_requests(app: Flask, seed: int, count: int) -> None:
    """Whatever is asked, it is answered by the contract, and nothing is logged."""
    odd, statuses = Odd(seed), Counter[int]()
    with no_record():
        for _ in range(count):
            environ = odd.environ()
            status, body = answered(app, environ)
            assert status in (200, 302, 400, 404, 405), environ
            assert b"Traceback" not in body
            statuses[status] += 1
    assert statuses.keys() >= {200, 400, 404, 405}


TARGETS = (*PATHS, "/mirrors/mirror.fra1.example.net", "/explain/schema", "/readyz", "/healthz", "/metrics")
ALIVE = ("/explain", "/readyz", "/metrics")
"""What these answer depends on the time."""
STRANGE = [b"\xff", b"\xed\xa0\x80"]


@pytest.mark.parametrize(
    "raw", [*STRANGE, *(pytest.param(b, marks=pytest.mark.slow) for b in (b"\xc3(", b"\xe9", b"\x80%80"))]
)
def test_bytes_that_are_no_text(app: Flask, raw: bytes) -> None:
    """A byte that is not UTF-8 means what it means percent-encoded, in a parameter's name as in its value;
    a path that holds one leads nowhere."""
    encoded = quote_from_bytes(unquote_to_bytes(raw)).encode()
    plain = {**Odd(0).environ(), "REQUEST_METHOD": "GET", "REMOTE_ADDR": "192.0.2.9"}
    with no_record():
        for target in TARGETS:
            for query in (b"x=%s", b"%s=x", b"arch=x86_64&repo=baseos-9&limit=%s", b"country=DE,%s"):
                found = [
                    answered(
                        app,
                        {
                            **plain,
                            "PATH_INFO": target,
                            "RAW_URI": target,
                            "QUERY_STRING": (query % spelt).decode("latin-1"),
                        },
                    )
                    for spelt in (raw, encoded)
                ]
                assert found[0][0] == found[1][0]
                assert found[0] == found[1] or target in ALIVE
                assert found[0][0] in (200, 302, 400, 404)
            path = target + raw.decode("latin-1")
            lost = {**plain, "PATH_INFO": path, "RAW_URI": path, "QUERY_STRING": ""}
            assert answered(app, lost)[0] in (400, 404)
