"""Who reads what about the service itself: operators all of it, clients and proxies next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.commands import main
from tests.conftest import free_port
from tests.servers import Answer, GunicornServer, NginxServer
from tests.web.asking import FRANKFURT, FROM_FRANKFURT, LIST, application, asking, variables
from tests.web.conftest import STAND_IN

FORWARDED = {"X-Forwarded-For": FRANKFURT}


def is_full(answer: Answer) -> bool:
    """Whether `/readyz` says all, or not more than one word. It says nothing in between."""
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    full = answer.body.startswith(b"serving generation ")
    assert full or answer.body == b"ready\n"
    return full


@pytest.mark.parametrize(
    ("peer", "headers", "full"),
    [
        pytest.param("127.0.0.1", {}, True, id="on the machine"),
        pytest.param("::1", {}, True, id="on the machine, IPv6"),
        pytest.param("::ffff:127.0.0.1", {}, True, id="on the machine, IPv4-mapped"),
        pytest.param("", {}, True, id="on the unix socket"),
        pytest.param("127.0.0.1", FORWARDED, False, id="through a proxy on the machine"),
        pytest.param("", FORWARDED, False, id="through nginx over the unix socket"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False, id="a claim to be on the machine"),
        pytest.param("127.0.0.1", {"X-Forwarded-Proto": "https"}, False, id="a proxy that hides its clients"),
        pytest.param("127.0.0.1", {"Forwarded": "for=unknown"}, False, id="a proxy after RFC 7239"),
        pytest.param("192.0.2.1", {}, False, id="from elsewhere"),
        pytest.param("10.0.0.7", {}, False, id="from a private network"),
        pytest.param("what?", {}, False, id="from no address"),
    ],
)
def test_who_reads_readyz(published: Path, peer: str, headers: dict[str, str], full: bool) -> None:
    """Whoever is on the machine and comes through no proxy reads all; all others one word."""
    assert is_full(asking(application(published))("/readyz", headers=headers, source=peer)) is full


def test_one_word_without_a_snapshot(unpublished: Path) -> None:
    """The status says it, and nothing else does."""
    ask = asking(application(unpublished))
    answer = ask("/readyz", headers=FORWARDED)
    assert (answer.status, answer.body) == (503, b"not ready\n")
    assert "nothing has been published there" in ask("/readyz").body.decode()


# --- the listener -------------------------------------------------------------------------------------------


class Both:
    """`mirrorwise web` on a unix socket for nginx and with a listener for operators."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.port = free_port()
        self.web = GunicornServer(
            folder, environ, processes=1, unix=True, options=("--metrics", f"127.0.0.1:{self.port}")
        )

    def ask(self, target: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        """Over the listener for operators."""
        return self.web.ask(target, method, headers, port=self.port)


@pytest.fixture(scope="module", params=["quick", STAND_IN])
def both(
    request: pytest.FixtureRequest, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    var = tmp_path_factory.mktemp(request.param)
    (var / "store").symlink_to(published / "store")
    both = Both(var, {**variables(var), "MIRRORWISE_SERVER": request.param})
    both.web.wait_until_serving()
    yield both
    both.web.stop()


def test_the_listener_answers_operators(both: Both) -> None:
    """Metrics, readiness in full even through a proxy, and health; HEAD as well."""
    assert b"\nmirrorwise_snapshot_age_seconds " in both.ask("/metrics").body
    assert is_full(both.ask("/readyz")) and is_full(both.ask("/readyz/", headers=FORWARDED))
    assert both.ask("/healthz").body == b"alive\n"
    assert (both.ask("/metrics", "HEAD").status, both.ask("/metrics", "HEAD").body) == (200, b"")


@pytest.mark.parametrize(
    "target", [LIST, "/", "/explain", "/mirrors", "/whoami", "/metrics/x", "/%6detrics%"]
)
def test_the_listener_answers_nothing_else(both: Both, target: str) -> None:
    """Not even what was answered to clients before."""
    assert both.web.ask(LIST, headers=FORWARDED).status == 200
    answer = both.ask(target)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert answer.body == b"404 Not Found: only /metrics, /healthz, /readyz are here.\n"


@pytest.mark.parametrize("host", ["localhost", "x:{port}", "127.0.0.1:{port}"])
def test_no_host_header_leads_to_the_listener(both: Both, host: str) -> None:
    """On a unix socket, a server takes its own port from that header, which clients write."""
    host = host.format(port=both.port)
    assert not is_full(both.web.ask("/readyz", headers={**FORWARDED, "Host": host}))
    assert both.web.ask(LIST, headers={**FORWARDED, "Host": host}).status == 200


def test_nginx_passes_on_next_to_nothing(both: Both, tmp_path: Path) -> None:
    """Through nginx there is one word, and there are no metrics."""
    nginx = NginxServer(tmp_path, both.web.address)
    try:
        ready, metrics = (both.web.ask(target, port=nginx.port) for target in ("/readyz", "/metrics"))
    finally:
        nginx.stop()
    assert not is_full(ready)
    assert metrics.status == 404 and b"mirrorwise" not in metrics.body


@pytest.mark.slow
def test_several_addresses(published: Path, tmp_path: Path) -> None:
    """`--bind` may be given several times."""
    (tmp_path / "store").symlink_to(published / "store")
    port = free_port()
    web = GunicornServer(
        tmp_path, variables(tmp_path), processes=1, unix=True, options=("--bind", f"127.0.0.1:{port}")
    )
    try:
        web.wait_until_serving()
        assert web.ask(FROM_FRANKFURT).body == web.ask(FROM_FRANKFURT, port=port).body
        assert web.ask("/metrics", port=port).status == 200
    finally:
        web.stop()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--metrics", "9100"], "write 127.0.0.1:9100", id="no host"),
        pytest.param(["--metrics", "127.0.0.1:"], "write 127.0.0.1:9100", id="no port"),
        pytest.param(["--metrics", "127.0.0.1:99999"], "write 127.0.0.1:9100", id="no such port"),
        pytest.param(["--metrics", "unix:/run/x"], "write 127.0.0.1:9100", id="a unix socket"),
        pytest.param(
            ["--metrics", "127.0.0.1:9100", "--bind", "[::1]:9100"], "a port of its own", id="clients' port"
        ),
        pytest.param(["--metrics", "127.0.0.1:8080"], "a port of its own", id="the default port"),
    ],
)
def test_addresses_that_will_not_do(tmp_path: Path, arguments: list[str], says: str) -> None:
    """They are refused before anything starts, with what is allowed."""
    done = CliRunner().invoke(main, ["web", *arguments], env={**variables(tmp_path), "PORT": "8080"})
    assert done.exit_code == 2 and says in done.output
