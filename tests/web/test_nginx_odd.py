"""Odd requests get the same answer through nginx as from the service alone.

Left out is what nginx refuses without asking anybody (a `Host` that no host can have, bodies, control
characters), and what only nginx answers (`/metrics` is closed). Explanations name the path by which the
client's address was found, so the address comes from one proxy only.
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from app.request.download import MAX_PATH_CHARS
from tests.web.asking import LIST
from tests.web.deployed import CLIENT, Deployed, compared, compared_head

NAMES = (
    *("arch", "protocol", "country", "exclude_country", "family", "limit", "format", "region", "redirect"),
    *("avoid", "fill"),
    *("release", "repo", "path", "ip", "mirror", "explain", "infra", "cc", "countme", "x", "amp;ip", ""),
)
VALUES = (
    *("x86_64", "aarch64", "source", "$basearch", "9", "9.8", "8", "10-kitten", "99", "baseos", "baseos-9"),
    *("BaseOS", "appstream", "https", "http", "rsync,https", "ftp", "de", "DE,fr", "uk", "global", "germany"),
    *("no", "continent", "zypp", "mirror.fra1.example.net,mirror.lux.example.org", "amd64"),
    *("xxx", "4", "6", "1", "3", "50", "51", "0", "-1", "true", "json", "text", "metalink", "pdf", "stock"),
    *(
        "aws:eu-central-1",
        "gcp:",
        "nowhere:x",
        "192.0.2.49",
        "2001:db8:49:30::1",
        "::ffff:192.0.2.1",
        "genclo",
    ),
    *("mirror.fra1.example.net", "9/BaseOS/x86_64/os/", "", "?", "a=b", "united kingdom", "united+kingdom"),
    *("\u00e9", "\u202e", "\0", "\r\n", "%", "..", "<b>", '"', "'", "\\", "|", "a" * 61, "z" * 300, "5" * 40),
)
SEGMENTS = (
    *(
        "mirrorlist",
        "metalink",
        "isolist",
        "download",
        "explain",
        "mirrors",
        "whoami",
        "healthz",
        "MirrorList",
    ),
    *("9", "9.8", "8", "10-kitten", "99", "baseos", "appstream", "BaseOS", "x86_64", "os", "repodata"),
    *("repomd.xml", "Packages", "gcc-c%2B%2B-12.rpm", "a+b", "~x", "a:b", ".", "..", "", "", "%2e%2e", "%2f"),
    *("%ff", "\xff", "\xc3\xa9", "%00", "%0a", "%", "%zz", "mirror.fra1.example.net", "x" * 70, "y" * 900),
)
PATHS = (
    *(
        "/mirrorlist/9/baseos",
        "/mirrorlist/9/appstream",
        "/mirrorlist",
        "/metalink/9/baseos",
        "/metalink",
        "/",
    ),
    *("/isolist/9/x86_64", "/explain", "/explain/schema", "/mirrors", "/mirrors/mirror.fra1.example.net"),
    *("/statistics", "/statistics.json", "/statistics/days.csv"),
    *("/whoami", "/healthz", "/download/9/BaseOS/x86_64/os/repodata/repomd.xml", "/download", "/nothing"),
    "/download/9.8/AppStream/aarch64/os/Packages/a.rpm",
)
RAW = "".join(map(chr, [*range(0x21, 0x7F), *range(0x80, 0x100)])).replace("#", "")
"""What may stand in a request's target without ending it; anything else makes no request."""
HOSTS = (
    *(
        "localhost",
        "mirrors.example.org",
        "Mirrors.Example.ORG:8081",
        "mirrors.example.org:80",
        "192.0.2.1:8080",
    ),
    *("[2001:db8::1]:8080", "[2001:DB8::1]", "a" * 63 + ".example", "mirrors.example.org.", "a_b", "x:"),
    *("x:99999999", "-", "a,b", "a'b", "\xe9"),
)
ACCEPTS = (
    "",
    "*/*",
    "text/html",
    "application/json",
    "text/html;q=0.1,application/json",
    "x",
    "a/b;q=x",
    "\xff",
)
PROTOS = ("", "", "", "https", "http", "HTTPS , http", "http,https", "x", "httpss", "\thttps")


Asked = tuple[int, bytes, list[tuple[str, str]]]
"""Status, body, headers."""

_AGE = re.compile(
    rb"[0-9.]+ ?(?:s|min|h|seconds?|minutes?|hours?)\b|\"[a-z_]*_s\":[0-9.]+|[0-9-]{10}T[0-9:.]+"
)


@dataclass(frozen=True)
class Odd:
    """A request as it is sent."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]

    def sent(self) -> bytes:
        lines = [
            f"{self.method} {self.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self.fields),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Odds:
    """Draws odd requests."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def request(self) -> Odd:
        pick = self.draw.choice
        fields = [("Host", pick(HOSTS)), ("X-Forwarded-For", self._client())]
        for name, values in (("Accept", ACCEPTS), ("X-Forwarded-Proto", PROTOS)):
            if value := pick(values):
                fields.append((name, value))
        method = "HEAD" if self.draw.random() < 0.1 else "GET"
        return Odd(method, self._spoiled(self._path() + self._query()), tuple(fields))

    def _client(self) -> str:
        match self.draw.randrange(6):
            case 0:
                return f"203.0.113.{self.draw.randrange(256)}"
            case 1:
                return f"192.0.2.{self.draw.randrange(256)}"
            case 2:
                return f"{IPv4Address(self.draw.getrandbits(32))}, 127.0.0.1"
            case 3:
                return str(IPv4Address(self.draw.getrandbits(32)))
            case _:
                return str(IPv6Address(0x2 << 124 | self.draw.getrandbits(124)))

    def _path(self) -> str:
        if self.draw.random() < 0.7:
            return self.draw.choice(PATHS)
        return "/" + "/".join(self.draw.choices(SEGMENTS, k=self.draw.randrange(1, 7)))

    def _query(self) -> str:
        if self.draw.random() < 0.1:
            return ""
        pairs = [self._pair() for _ in range(self.draw.choice((0, 1, 1, 2, 2, 3, 4, 6)))]
        return "?" + self.draw.choice(("&",) * 12 + (";", "&&", "&amp;", "?")).join(pairs)

    def _pair(self) -> str:
        name, value = self.draw.choice(NAMES), self.draw.choice(VALUES)
        if self.draw.random() < 0.05:
            name = name.upper()
        if self.draw.random() < 0.05:
            return self._encoded(name)
        return f"{self._encoded(name)}={self._encoded(value)}"

    def _encoded(self, text: str) -> str:
        """Only what has to be is encoded, or a bit more."""
        more = self.draw.random() < 0.05
        return "".join(
            letter if letter in RAW and not (more and self.draw.random() < 0.5) else self._escape(letter)
            for letter in text
        )

    @staticmethod
    def _escape(letter: str) -> str:
        return "".join(f"%{byte:02x}" for byte in letter.encode())

    def _spoiled(self, target: str) -> str:
        """A tenth of the targets has a few letters changed."""
        if self.draw.random() > 0.1:
            return target
        letters = list(target)
        for _ in range(self.draw.randrange(1, 4)):
            at = self.draw.randrange(1, len(letters) + 1)
            letters[at : at + self.draw.randrange(2)] = self.draw.choices(RAW, k=self.draw.randrange(3))
        return "".join(letters)


class OddWire:
    """A kept connection, opened anew where the server has closed it."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self.address = address
        self.socket: socket.socket | None = None

    def ask(self, request: Odd) -> Asked:
        if self.socket is None:
            self.socket = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
            self.socket.settimeout(30)
            self.socket.connect(self.address)
        self.socket.sendall(request.sent())
        with self.socket.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            pairs = []
            while line := stream.readline().decode("latin-1").rstrip("\r\n"):
                name, _, value = line.partition(":")
                pairs.append((name.lower(), value.strip()))
            known = dict(pairs)
            body = b"" if request.method == "HEAD" else stream.read(int(known["content-length"]))
        if known.get("connection") == "close":
            self.close()
        return status, body, compared_head(pairs)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


@pytest.fixture(scope="module")
def site(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path_factory.mktemp("site"), published)
    yield deployed
    deployed.stop()


def without_ages(answer: Asked) -> Asked:
    """Pages say how old things are, in seconds, minutes and so on; length and entity tag differ by that, and
    nginx keeps a page for a while."""
    status, body, head = answer
    is_page = not {("cache-control", "no-store"), ("vary", "Accept, Accept-Encoding")}.isdisjoint(head)
    if not is_page and not body.startswith((b"{", b"<!doctype", b"client ")):
        return answer
    return status, _AGE.sub(b"", body), [pair for pair in head if pair[0] not in ("content-length", "etag")]


@pytest.mark.parametrize(
    ("count", "seed"),
    [(400, 1), *(pytest.param(6_000, seed, marks=pytest.mark.slow) for seed in range(2, 6))],
)
def test_odd_requests_get_the_same_answer(site: Deployed, count: int, seed: int) -> None:
    """Status, body and headers are equal, cold and warm; none is a 5xx, and no log has a traceback or a line
    that is no JSON."""
    odds = Odds(seed)
    differing: list[object] = []
    nginx, service = OddWire(("127.0.0.1", site.nginx.port)), OddWire(str(site.gunicorn.socket))
    with closing(nginx), closing(service):
        for _ in range(count):
            request = odds.request()
            through, alone = nginx.ask(request), service.ask(request)
            if without_ages(through) != without_ages(alone) or alone[0] >= 500:
                differing.append((request, through, alone))
    assert differing[:3] == []
    assert "Traceback" not in site.gunicorn.said()
    assert len(site.logged(count)) == count


@pytest.mark.parametrize("name", ["{}-9.rpm", "a+{}", "%7E{}"])
def test_long_downloads_get_the_same_answer(site: Deployed, name: str) -> None:
    """Up to the length that is allowed, and beyond it."""
    directory = "/download/9/BaseOS/x86_64/os/Packages/"
    for length in (100, 500, MAX_PATH_CHARS, MAX_PATH_CHARS + 1, 2_000, 4_000):
        target = directory + name.format("x" * (length - len(directory + name.format(""))))
        through, alone = site.through(target), site.alone(target)
        assert compared(through) == compared(alone)
        assert through.status == (302 if length <= MAX_PATH_CHARS else 400)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
@pytest.mark.parametrize("target", ["/", "/nothing", LIST, "/explain?ip=x"])
def test_other_methods_get_the_same_answer(site: Deployed, method: str, target: str) -> None:
    """Whatever is asked for: 405, and which methods there are."""
    through = site.through(target, method=method)
    assert compared(through) == compared(site.alone(target, method=method))
    assert (through.status, through.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", ["/%zz", "/a%", "/%0", "/%00", "/x/%00y", "/..", "/../x", "/a/../../x", "/%2e%2e/x"]
)
def test_impossible_paths_get_the_same_answer(site: Deployed, path: str) -> None:
    """nginx refuses them, and so does the service."""
    assert compared(site.through(path)) == compared(site.alone(path))
    assert site.alone(path).status == 400


@pytest.mark.parametrize(
    "host", ["Mirrors.Example.org:8081", "mirrors.example.org:80", "[2001:DB8::1]:443", "192.0.2.1"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_pages_show_the_address_that_the_client_wrote(site: Deployed, host: str, scheme: str) -> None:
    """With its port, and in its case."""
    headers = {"Host": host, "X-Forwarded-For": CLIENT, "X-Forwarded-Proto": scheme}
    page = site.through("/", Host=host, X_Forwarded_Proto=scheme)
    assert f"{scheme}://{host}/mirrorlist/".encode() in page.body
    assert compared(page) == compared(site.gunicorn.ask("/", headers=headers))
