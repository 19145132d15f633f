"""What nginx keeps and for whom, and what becomes of it when the service changes or fails."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from app.settings import read_settings
from app.store import file_store
from tests.conftest import ROOT, wait_until
from tests.geo.databases import write_places
from tests.servers import GunicornServer, NginxOptions, NginxServer
from tests.servers import ask as ask_on
from tests.serving.site import publish_places
from tests.web.asking import LIST, TEXT
from tests.web.deployed import CLIENT, Deployed, compared, publish, statuses


@pytest.fixture(scope="module")
def site(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path_factory.mktemp("site"), published)
    yield deployed
    deployed.stop()


@pytest.fixture
def own_var(published: Path, tmp_path: Path) -> Path:
    """A store of the test's own, to publish in."""
    return Path(shutil.copytree(published, tmp_path / "var"))


def test_countme_shares_an_answer(site: Deployed) -> None:
    """Wherever in the query it stands."""
    target = "/mirrorlist/9/baseos?arch=x86_64&limit=9"
    variants = [
        target,
        f"{target}&countme=4",
        "/mirrorlist/9/baseos?countme=1&arch=x86_64&limit=9",
        "/mirrorlist/9/baseos?arch=x86_64&countme=3&limit=9",
    ]
    assert statuses(site, *((variant, CLIENT) for variant in variants)) == ["MISS", "HIT", "HIT", "HIT"]
    assert statuses(site, ("/isolist/9/aarch64?countme=1", CLIENT), ("/isolist/9/aarch64", CLIENT)) == [
        "MISS",
        "HIT",
    ]


@pytest.mark.parametrize(
    ("target", "same"),
    [
        ("/mirrorlist/9/baseos?arch=x86_64&infra={}", "/mirrorlist/9/baseos?arch=x86_64"),
        ("/mirrorlist/9/baseos?cc={}&arch=aarch64&countme=9", "/mirrorlist/9/baseos?arch=aarch64"),
        ("/mirrorlist/9/baseos?repo={}&release={}", "/mirrorlist/9/baseos"),
        ("/metalink/9/baseos?arch=x86_64&any_name=%{}?;=/", "/metalink/9/baseos?arch=x86_64"),
        ("/isolist/9/x86_64?infra={}&limit=3", "/isolist/9/x86_64?limit=3&"),
        ("/mirrorlist?infra={}&arch=x86_64&repo=baseos-9&cc={}", "/mirrorlist?repo=baseos-9&arch=x86_64"),
        ("/?infra={}&repo=baseos&release=9&cc=lu", "/?release=9&repo=baseos&cc=lu&infra=stock"),
        ("/mirrorlist/9/baseos?limit=4&country=de&limit={}", "/mirrorlist/9/baseos?country=de&limit=4"),
        (
            "/mirrorlist/9/baseos?infra={}&fill=no&avoid=mirror.fra1.example.net&arch=aarch64",
            "/mirrorlist/9/baseos?arch=aarch64&avoid=mirror.fra1.example.net&fill=no",
        ),
    ],
)
def test_what_decides_nothing_is_no_part_of_a_name(site: Deployed, target: str, same: str) -> None:
    """Parameters that the service does not read, whatever their values are; the order of the others; and
    what is given a second time."""
    asked = [same, *(target.format(value, value) for value in ("stock", "z9", "x" * 60))]
    assert statuses(site, *((each, "192.0.2.200") for each in asked)) == ["MISS", "HIT", "HIT", "HIT"]
    for each in asked:
        assert compared(site.through(each)) == compared(site.alone(each))


def test_clients_of_a_class_share_an_answer(site: Deployed) -> None:
    """And of no other: another spread value is another class."""
    target = "/mirrorlist/9/appstream?arch=x86_64&limit=8"
    clients = ["198.18.1.1", "198.18.1.2", "198.18.33.3", "198.18.2.1"]
    assert statuses(site, *((target, client) for client in clients)) == ["MISS", "HIT", "HIT", "MISS"]


@pytest.mark.parametrize("value", ["repo=BaseOS-9&arch=x86_64", "repo=baseos-9&arch=x86_64&country=DE"])
def test_names_in_any_case_are_kept(site: Deployed, value: str) -> None:
    """Rocky's clients, for one, ask for `BaseOS-9`."""
    assert statuses(site, *[(f"/mirrorlist?{value}", CLIENT)] * 2) == ["MISS", "HIT"]


@pytest.mark.parametrize(
    "target",
    [
        f"{LIST}&ARCH=aarch64",
        f"{LIST}&ip=203.0.113.1",
        f"{LIST}&explain=1",
        f"{LIST}&mirror=mirror.fra1.example.net",
        f"{LIST}&path=9",
        f"{LIST}&x",
        f"{LIST}&=1",
        f"{LIST}&&limit=1",
        f"{LIST}&X=1",
        f"{LIST}&country=",
        f"{LIST}&avoid=192.0.2.1",
        f"{LIST}&avoid=a.example.org,192.0.2.1",
        f"{LIST}&avoid=Mirror.fra1.example.net",
        f"{LIST}&avoid=https://mirror.fra1.example.net/",
        f"{LIST}&avoid=a..b",
        f"{LIST}&avoid=",
        f"{LIST}&fill=",
        f"{LIST}?limit=1",
        f"{LIST};limit=1",
        f"{LIST}&limit=1%30",
        "/mirrorlist/9/baseos?arch",
        "/mirrorlist/9/baseos?%61rch=x86_64",
        "/mirrorlist/9/baseos?arch=" + "x" * 61,
        "/mirrorlist/9/BaseOS?arch=x86_64",
        "/mirrorlist/9//baseos?arch=x86_64",
        "/mirrorlist/9/baseos/?arch=x86_64",
        "/mirrorlist/9/base%6Fs?arch=x86_64",
        "/MIRRORLIST/9/baseos",
        "/?arch=x86_64",
        "/",
        "/whoami",
        "/explain",
    ],
)
def test_odd_requests_are_never_cached(site: Deployed, target: str) -> None:
    """What does not match the grammar, or is about one client, goes to the service every time."""
    assert statuses(site, (target, CLIENT), (target, CLIENT)) == ["", ""]


def test_errors_are_never_cached(site: Deployed) -> None:
    """What exists, or is allowed, may change."""
    for target in ("/mirrorlist/99/baseos?arch=x86_64", f"{LIST}&limit=0"):
        assert statuses(site, (target, CLIENT), (target, CLIENT)) == ["MISS", "MISS"]


def test_mapped_addresses_are_never_cached(site: Deployed) -> None:
    """An IPv4 client in an IPv6 address is answered as the IPv4 client, by the service."""
    for _ in range(2):
        assert compared(site.through(LIST, "::ffff:192.0.2.1")) == compared(site.alone(LIST, "192.0.2.1"))
    assert statuses(site, (LIST, "::ffff:192.0.2.1")) == [""]


@pytest.mark.parametrize("name", ["X-Client-Class", "X_Client_Class", "x-client-class"])
def test_clients_cannot_choose_their_class(site: Deployed, name: str) -> None:
    """A class that a client sends never reaches the service, whether nginx has one for it or not."""
    for target, client in ((LIST, CLIENT), (f"{LIST}&x=1", CLIENT), (LIST, "::ffff:192.0.2.1")):
        wanted = compared(site.alone(target, client))
        headers = {"X-Forwarded-For": client, name: "JP/35/139||3|4"}
        with closing(http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=10)) as connection:
            assert compared(ask_on(connection, target, headers=headers)) == wanted


@pytest.mark.slow
def test_service_answers_for_the_class_of_a_trusted_peer_only(site: Deployed, tmp_path: Path) -> None:
    """From nginx on the unix socket the class counts; from a stranger it does not."""
    told = {"X-Forwarded-For": CLIENT, "X-Client-Class": "JP/35/139||3|4"}
    answer = site.gunicorn.ask(LIST, headers=told)
    assert answer.headers["X-Client-Place"] == "JP/35/139"
    server = GunicornServer(tmp_path, site.environ, processes=1)
    try:
        stranger = server.ask(LIST, headers=told, source="127.0.0.42")
        assert stranger.headers["X-Client-Place"] != "JP/35/139"
    finally:
        server.stop()


@pytest.mark.slow
def test_answers_for_another_class_are_not_stored(published: Path, tmp_path: Path) -> None:
    """If the service does not believe nginx's class, its answers are passed on, and never kept."""
    site = Deployed(tmp_path, published)
    try:
        site.gunicorn.stop()
        settings = {**site.environ, "TRUSTED_PROXIES": "none"}
        distrusting = GunicornServer(tmp_path, settings, processes=1)
        try:
            site.nginx.stop()
            (tmp_path / "again").mkdir()
            options = NginxOptions(settings=read_settings(site.environ))
            site.nginx = NginxServer(tmp_path / "again", distrusting.address, options)
            site.nginx_folder = tmp_path / "again"
            assert statuses(site, (LIST, "203.0.113.1"), (LIST, "203.0.113.1")) == ["MISS", "MISS"]
        finally:
            distrusting.stop()
    finally:
        site.stop()


# --- changes and failures ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_change_is_seen_when_answers_expire(own_var: Path, tmp_path: Path) -> None:
    """Every class gets the new list as soon as its answer is no longer valid: also the first who asks after
    nobody did for a while, whose old answer is still there."""
    site = Deployed(tmp_path, own_var, valid="1s")
    try:
        others = [f"198.18.{n}.1" for n in range(8)]
        for client in (*others, CLIENT):
            assert len(site.through(LIST, client).lines) == 10
        generation = publish(own_var, length=4)
        wait_until(
            lambda: site.through(LIST).headers["X-Mirrorlist-Generation"] == generation, "the new list", 10
        )
        assert [len(site.through(LIST, client).lines) for client in others] == [4] * 8
    finally:
        site.stop()


def test_answers_are_valid_for_less_than_a_minute() -> None:
    """So that, with the second in which the service takes up a change, it is served everywhere within one."""
    valid = re.findall(r"proxy_cache_valid .* ([0-9]+)s;", (ROOT / "nginx" / "mirrorwise.conf").read_text())
    assert [int(seconds) <= 58 for seconds in valid] == [True]


@pytest.mark.slow
def test_what_was_asked_is_answered_while_the_service_is_down(own_var: Path, tmp_path: Path) -> None:
    """From expired answers; the rest is a 503 that says when to come back. Then all is well again, and
    nothing but the service was restarted."""
    site = Deployed(tmp_path, own_var, valid="1s")
    try:
        kept = {client: site.through(LIST, client) for client in ("192.0.2.1", "203.0.113.1", "2001:db8::1")}
        site.gunicorn.stop()
        wait_until(lambda: statuses(site, (LIST, CLIENT)) == ["STALE"], "an expired answer")
        for client, before in kept.items():
            assert compared(site.through(LIST, client)) == compared(before)
        for target in (f"{LIST}&limit=3", "/whoami", "/mirrorlist/9/baseos?arch=x86_64&ip=192.0.2.1"):
            answer = site.through(target)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert answer.headers["Content-Type"] == TEXT
            assert answer.body == b"The mirror service is not available just now.\n"
        site.gunicorn.start()
        wait_until(lambda: site.through("/healthz").status == 200, "gunicorn is back")
        assert site.through(f"{LIST}&limit=3").status == 200
    finally:
        site.stop()


def stopped(server: GunicornServer) -> AbstractContextManager[None]:
    """The service hangs: its processes are there, and do nothing."""
    processes = [server.process.pid, *server.descendants()]

    @contextmanager
    def hanging() -> Iterator[None]:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    return hanging()


@pytest.mark.slow
def test_a_service_that_hangs_delays_no_answer_that_is_kept(own_var: Path, tmp_path: Path) -> None:
    """The first to meet an expired answer waits a second, the others do not wait; who asks for what is not
    kept waits for the service to go on, and is answered then. After that, answers are new again."""
    site = Deployed(tmp_path, own_var, valid="1s")
    classes = [f"198.18.{n}.1" for n in range(20)]
    try:
        kept = [compared(site.through(LIST, client)) for client in classes]
        with ThreadPoolExecutor() as elsewhere, stopped(site.gunicorn):
            cold = elsewhere.submit(site.through, f"{LIST}&limit=3")
            wait_until(
                lambda: site.through(LIST, classes[0]).status == 200 and '"STALE"' in site.log.read_text(),
                "an expired answer",
            )
            started = time.monotonic()
            assert [compared(site.through(LIST, client)) for client in classes] == kept
            took_s = time.monotonic() - started
            assert took_s < 3, "all of them together"
            assert not cold.done()
        assert len(cold.result().lines) == 3
        generation = publish(own_var, length=4)
        wait_until(
            lambda: site.through(LIST).headers["X-Mirrorlist-Generation"] == generation, "the new list", 20
        )
    finally:
        site.stop()


def test_many_ask_the_same_at_once(site: Deployed) -> None:
    """Of fifty who ask what is not kept, few ask the service, and no one waits for half a second, which is
    how often nginx looks whether the answer is there."""
    for attempt in range(5):
        target = f"/mirrorlist/9/appstream?arch=aarch64&limit={11 + attempt}"
        barrier = threading.Barrier(50)

        def ask(target: str = target, barrier: threading.Barrier = barrier) -> float:
            with closing(http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=10)) as connection:
                connection.connect()
                barrier.wait()
                started = time.monotonic()
                ask_on(connection, target, headers={"X-Forwarded-For": CLIENT})
                return time.monotonic() - started

        with ThreadPoolExecutor(50) as clients:
            waited_s = sorted(each.result() for each in [clients.submit(ask) for _ in range(50)])
        outcomes = [line["cache"] for line in site.logged(50)]
        if waited_s[-1] < 0.4:
            break
    assert waited_s[-1] < 0.4
    assert outcomes.count("HIT") > 25


@pytest.mark.slow
def test_a_new_database_is_taken_up(own_var: Path, tmp_path: Path) -> None:
    """The files are written anew, and nginx uses them when it has reloaded, without a request lost."""
    site = Deployed(tmp_path, own_var)
    try:
        client = "198.51.100.1"
        before = site.through(LIST, client).headers["X-Client-Place"]
        nginx = site.nginx
        moved = write_places(tmp_path / "moved.mmdb", {f"{client}/32": "FR/48/2"})
        publish_places(file_store(own_var), moved.read_bytes())
        nginx.write()
        nginx.check()
        assert site.through(LIST, client).headers["X-Client-Place"] == before
        nginx.reload()
        assert site.through(LIST, client).headers["X-Client-Place"] == "FR/48/2"
    finally:
        site.stop()
