"""The site beside its cache: compression, limits, what is closed, the log, TLS."""

from __future__ import annotations

import gzip
import http.client
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from app.settings import read_settings
from tests.conftest import need_program
from tests.servers import GunicornServer, NginxOptions, NginxServer
from tests.servers import ask as ask_on
from tests.web.asking import LIST, PROXY, STRANGER, TEXT, variables
from tests.web.deployed import CLIENT, Deployed, compared


@pytest.fixture(scope="module")
def site(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path_factory.mktemp("site"), published)
    yield deployed
    deployed.stop()


@pytest.fixture(scope="module")
def direct(site: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """The same service without nginx, on a port."""
    server = GunicornServer(tmp_path_factory.mktemp("direct"), site.environ, processes=1)
    server.wait_until_serving()
    yield server
    server.stop()


def test_compressed_only_for_who_asks(site: Deployed) -> None:
    """dnf takes an unsolicited gzip body for an empty list."""
    target = "/mirrors"
    plain = site.through(target)
    assert plain.headers["Content-Encoding"] is None
    assert compared(plain)[:2] == compared(site.alone(target))[:2]
    packed = site.through(target, Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_compressed_from_the_cache_as_well(site: Deployed) -> None:
    """The cache holds plain answers: one who takes gzip spoils nothing for who does not."""
    target = "/mirrorlist/9/baseos?arch=x86_64&limit=20"
    for _ in range(2):
        packed = site.through(target, Accept_Encoding="gzip")
        assert gzip.decompress(packed.body) == site.alone(target).body
        assert compared(site.through(target)) == compared(site.alone(target))


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "//metrics", "/./metrics", "/%6detrics", "/x/../metrics", "/metrics%2f"]
)
def test_metrics_are_closed(site: Deployed, path: str) -> None:
    """However the path is written."""
    assert site.through(path).status == 404
    assert site.through(path).body == b"There is nothing here.\n"


def test_explanations_are_limited_per_address(site: Deployed) -> None:
    """A burst is answered, then there is a 429, for this address alone; lists are not limited."""
    asked = [f"/explain?release=9&repo=baseos&n={n}" for n in range(10)]
    asked += [f"{LIST}&explain=1&n={n}" for n in range(10)] + [f"{LIST}&%65xplain=1", "//explain"] * 5
    answers = [site.through(target, "198.51.100.7") for target in asked]
    assert [answer.status for answer in answers[:5]] == [200] * 5
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= 10
    assert refused[0].headers["Retry-After"] == "5"
    assert refused[0].headers["Content-Type"] == TEXT
    assert site.through(asked[0], "198.51.100.8").status == 200
    assert {site.through(LIST, "198.51.100.7").status for _ in range(30)} == {200}


def test_log_says_what_was_served_and_never_to_whom(site: Deployed) -> None:
    """One JSON object a line: class, generation, first mirror, cache status, countme; nothing that holds
    an address, not even one that was asked about."""
    client, asked = "203.0.113.77", "203.0.113.88"
    target = "/mirrorlist/9/baseos?arch=x86_64&limit=6"
    answers = [site.through(f"{target}&countme=3", client) for _ in range(2)]
    site.through(f"/explain?ip={asked}", client)
    site.through(f"{LIST}&x=1&%69p={asked}", client)
    first, second, explained, encoded = site.logged(4)
    assert (first["cache"], second["cache"]) == ("MISS", "HIT")
    for line in (first, second):
        assert line["countme"] == "3"
        assert line["request"] == target
        assert line["mirror"] == answers[0].headers["X-Mirrorlist-Mirror"]
        assert line["generation"] == answers[0].headers["X-Mirrorlist-Generation"]
        place = answers[0].headers["X-Client-Place"]
        assert str(line["class"]).startswith(f"{place}|") and str(line["class"]).endswith("|17|4")
        assert line["status"] == 200
    assert (explained["request"], encoded["request"]) == ("/explain", "/mirrorlist/9/baseos")
    logs = [path.read_text() for path in site.nginx_folder.glob("*.*") if path.suffix in (".json", ".log")]
    assert not any(address in log for log in logs for address in (client, asked))


@pytest.mark.parametrize(
    ("source", "claim", "secure"),
    [
        pytest.param(PROXY, "https", True, id="trusted"),
        pytest.param(PROXY, "HTTPS , http", True, id="the first of two proxies"),
        pytest.param(PROXY, "http,https", True, id="the last of two proxies"),
        pytest.param(PROXY, "http", False, id="trusted, plain"),
        pytest.param(PROXY, "httpsx, xhttps", False, id="trusted, another word"),
        pytest.param(STRANGER, "https", False, id="untrusted"),
        pytest.param(STRANGER, "1,https", False, id="untrusted, as trusted ones look inside"),
        pytest.param(STRANGER, "http,1,https", False, id="untrusted, the same whole"),
    ],
)
def test_who_is_believed_to_have_come_by_https(
    site: Deployed, direct: GunicornServer, source: str, claim: str, secure: bool
) -> None:
    """nginx believes X-Forwarded-Proto of whom the service believes it of, and reads it as it does."""
    target = "/download/9/BaseOS/x86_64/os/repodata/repomd.xml?protocol=http"  # refused to https clients
    headers = {"X-Forwarded-Proto": claim}
    connection = http.client.HTTPConnection("127.0.0.1", site.nginx.port, 10, source_address=(source, 0))
    with closing(connection):
        through = ask_on(connection, target, headers=headers)
    assert through.status == (400 if secure else 302)
    assert compared(through) == compared(direct.ask(target, headers=headers, source=source))


def test_tls_and_http2(published: Path, tmp_path: Path) -> None:
    """With a certificate the site speaks TLS and HTTP/2 beside plain HTTP, and downloads stay on https."""
    openssl, curl = need_program("openssl"), need_program("curl")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-subj", "/CN=localhost", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    environ = variables(published)
    (tmp_path / "nginx").mkdir()
    settings = read_settings(environ)
    options = NginxOptions(settings=settings, certificate=certificate, certificate_key=key)
    with ExitStack() as processes:
        server = GunicornServer(tmp_path, environ, processes=1, unix=True)
        processes.callback(server.stop)
        nginx = NginxServer(tmp_path / "nginx", server.address, options)
        processes.callback(nginx.stop)
        command = [curl, "-sk", "--http2", "--noproxy", "*", "-w", "%{http_version}"]
        command += ["-H", f"X-Forwarded-For: {CLIENT}", f"https://127.0.0.1:{nginx.tls_port}{LIST}"]
        wanted = server.ask(LIST, headers={"X-Forwarded-For": CLIENT})
        assert subprocess.run(command, check=True, capture_output=True).stdout == wanted.body + b"2"
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", nginx.tls_port, context=context, timeout=10)
        with closing(connection):
            answer = ask_on(connection, "/download/9/BaseOS/x86_64/os/repodata/repomd.xml")
        assert answer.headers["Location"].startswith("https://")
