"""Requests are recorded alike by nginx and by web processes without it, and no record tells an address."""

from __future__ import annotations

import random
import socket
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from app.history.countme import write_csv
from app.history.database import HistoryDatabase, open_history
from app.history.importing import import_file
from app.history.request_log import Answered, RequestLog
from app.settings import read_settings
from tests.conftest import need_program, wait_until
from tests.history.lines import totals_in
from tests.servers import GunicornServer
from tests.web.asking import LIST, Ask, variables
from tests.web.deployed import Deployed

FEW, MANY = 250, 5000

AGENTS = (
    *("libdnf (AlmaLinux 9.8; generic; Linux.x86_64)", "libdnf (AlmaLinux 10.1; ; Linux.aarch64)"),
    *("libdnf (Fedora Linux 43; workstation; Linux.x86_64)", "rpm-ostree (Fedora 43; coreos; Linux.x86_64)"),
    *("dnf/4.14.0", "urlgrabber/3.10 yum/3.4.3", "ZYpp 17.31.8 (curl 7.79.1) openSUSE", "curl/8.5.0"),
    *("Wget/1.21.3", "Mozilla/5.0 (X11; Linux x86_64)", "python-requests/2.31", "libdnf"),
)
TARGETS = (
    *("/mirrorlist/9/baseos?arch=x86_64", "/mirrorlist/9.8/appstream?arch=aarch64", "/mirrorlist/9/extras"),
    *("/mirrorlist?repo=baseos-9&arch=x86_64", "/mirrorlist?repo=crb-9.8&arch=x86_64&country=de"),
    *("/?release=9&repo=baseos&arch=x86_64", "/metalink/9/baseos?arch=x86_64", "/isolist/9/x86_64"),
    *("/metalink?repo=baseos-9&arch=x86_64", "/download/9/BaseOS/x86_64/os/repodata/repomd.xml"),
    *("/mirrorlist/9/baseos?arch=x86_64&redirect=1", "/mirrorlist//9/baseos/?arch=x86_64"),
    *("/mirrorlist/9/none?arch=x86_64", "/mirrorlist/9/baseos?limit=-3", "/metalink/9/baseos", "/nothing"),
    *("/mirrorlist/8.3/baseos?arch=x86_64", "/mirrorlist/9/baseos?arch=%7886_64", "/whoami", "/healthz"),
)


def addresses(count: int) -> list[str]:
    """Addresses of clients: many in the places and networks of the sample network, each in a /24 or /48
    of its own where that is possible."""
    chance = random.Random(7)
    known = (
        [f"192.0.2.{n}" for n in (1, 49, 65, 225)] + [f"198.51.100.{n}" for n in (1, 77)] + ["203.0.113.88"]
    )
    known += ["2001:db8:49:30::1", "2001:db8:49:6151::1", "2001:db8:88::99"]
    others = [str(IPv4Address(chance.randrange(0x20000000, 0xDF000000))) for _ in range(count // 2)]
    sixes = [str(IPv6Address((0x2A00 << 112) + chance.randrange(1 << 112))) for _ in range(count // 2)]
    return known + others + sixes


def requests(count: int) -> Iterator[tuple[str, str, str, str]]:
    """Method, target, client and User-Agent of each request."""
    chance, clients = random.Random(1), addresses(60)
    for _ in range(count):
        target, client = chance.choice(TARGETS), chance.choice(clients)
        if chance.random() < 0.5:
            target += ("&" if "?" in target else "?") + f"countme={chance.randrange(7)}"
        if chance.random() < 0.03:
            target = f"{LIST}&ip={client}"
        yield ("HEAD" if chance.random() < 0.05 else "GET", target, client, chance.choice(AGENTS))


def send(address: str, count: int) -> Counter[int]:
    """Sends the requests over one connection, each with its client in X-Forwarded-For. Returns how often
    there was each status."""
    statuses: Counter[int] = Counter()
    host, _, port = address.rpartition(":")
    unix = host == "unix"
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as wire:
        wire.settimeout(20)
        wire.connect(port if unix else (host, int(port)))
        received = wire.makefile("rb")
        for method, target, client, agent in requests(count):
            head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\n"
            wire.sendall(f"{head}X-Forwarded-For: {client}\r\n\r\n".encode())
            status = int(received.readline().split()[1])
            length = 0
            while (line := received.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            received.read(length if method == "GET" else 0)
            statuses[status] += 1
    return statuses


def lines_in(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def counted(folder: Path, log: Path) -> HistoryDatabase:
    database = open_history(read_settings({"MIRRORWISE_VAR": str(folder)}))
    assert import_file(database, "here", log, lambda _: None).skipped == 0
    return database


@pytest.fixture(scope="module", params=[FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def recorded(
    request: pytest.FixtureRequest, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, int]:
    """A folder with all that is left of so many requests, sent through nginx and to web alone."""
    need_program("nginx")
    count, folder = request.param, tmp_path_factory.mktemp("recorded")
    for name in ("with", "without"):
        (folder / name).mkdir()
        (folder / name / "store").symlink_to(published / "store")
    site = Deployed(folder / "with", folder / "with")
    log = folder / "without" / "requests.log"
    alone = GunicornServer(
        folder / "without", {**variables(folder / "without"), "REQUEST_LOG": str(log)}, processes=1
    )
    try:
        alone.ask(f"{LIST}&countme=4")  # after what was asked at the start
        wait_until(lambda: log.exists() and b'"countme":4' in log.read_bytes(), "web has written its log")
        before = lines_in(log)
        through = send(f"127.0.0.1:{site.nginx.port}", count)
        assert send(alone.address, count) == through
        assert through[200] > count / 2 and {302, 400, 404} <= through.keys() and 429 not in through
        wait_until(lambda: lines_in(site.log) >= count, "nginx has written its log")
        wait_until(lambda: lines_in(log) >= before + count, "web has written its log")
        (folder / "metrics").write_bytes(alone.ask("/metrics").body + alone.ask("/mirrors").body)
    finally:
        alone.stop()
        site.stop()
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[before : before + count]))  # the rest is of this test's own waiting
    return folder, count


@pytest.mark.slow
def test_nginx_and_web_count_alike(recorded: tuple[Path, int]) -> None:
    """The same requests have the same totals; only nginx has a cache."""
    folder, count = recorded
    log = folder / "with" / "nginx" / "mirrorwise-access.log"
    databases = [
        counted(folder / "with", log),
        counted(folder / "without", folder / "without" / "requests.log"),
    ]
    totals = [totals_in(database) for database in databases]
    assert [whole["hours"].total() for whole in totals] == [count, count]
    for whole in totals:
        without_cache: Counter[tuple[Any, ...]] = Counter()
        for (_, form, status, _, family, reason), number in whole["hours"].items():
            without_cache[form, status, family, reason] += number
        whole["hours"] = without_cache
    assert totals[0] == totals[1]
    assert all(totals[0][name] for name in totals[0] if name != "place_months")
    forms = {form for form, *_ in totals[0]["hours"]}
    assert forms == {"", "almalinux", "mirrormanager", "centos", "metalink", "isolist", "download"}
    for database in databases:
        database.close()


def written_as(address: str) -> list[bytes]:
    """All that would tell an address, its /24 or its /48: as text, as bytes, and as a number."""
    ip = ip_address(address)
    packed = ip.packed
    if isinstance(ip, IPv4Address):
        network = packed[:3]
        texts = [address, ".".join(address.split(".")[:3]) + ".", "-".join(address.split(".")[:3])]
        texts += [packed.hex(), network.hex() + "00", str(int(ip)), str(int.from_bytes(network) << 8)]
        return [*(text.encode() for text in texts), packed, packed[::-1], network + b"\0"]
    groups = ip.exploded.split(":")
    texts = [
        address,
        ip.exploded,
        ":".join(groups[:3]),
        ":".join(f"{int(group, 16):x}" for group in groups[:3]),
    ]
    texts += [packed.hex(), packed[:6].hex(), str(int(ip))]
    return [*(text.encode() for text in texts), packed, packed[:6]]


def found_in(folder: Path, secrets: Sequence[bytes], except_in: Sequence[str]) -> list[str]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix not in except_in:
            content = path.read_bytes().lower()
            found += [f"{path.name}: {secret!r}" for secret in secrets if secret.lower() in content]
    return found


def test_nothing_tells_an_address(recorded: tuple[Path, int]) -> None:
    """Neither logs nor database, cache, pages or metrics have an address that was used, its /24 or /48."""
    folder, _ = recorded
    for name, log in (("with", "nginx/mirrorwise-access.log"), ("without", "requests.log")):
        database = counted(folder / name, folder / name / log)
        with (folder / name / "countme.csv").open("w") as file:
            write_csv(database, file)
        database.close()
    # What mirrors declare of their own networks is published.
    used = [address for address in addresses(60) if not address.startswith(("192.0.2.", "2001:db8:49:"))]
    used = [address for address in used if not address.startswith(("198.51.100.", "203.0.113."))]
    secrets = [secret for address in used for secret in written_as(address)]
    looked_at = [path.name for path in folder.rglob("*") if path.is_file()]
    assert {"history.sqlite", "requests.log", "mirrorwise-access.log", "metrics", "web.log"} <= {*looked_at}
    assert found_in(folder, secrets, except_in=(".mmdb",)) == []
    (folder / "planted").write_bytes(ip_address(used[-1]).packed)
    assert found_in(folder, secrets, except_in=(".mmdb",)) != []
    (folder / "planted").unlink()
    documented = [secret for address in ("203.0.113.88", "2001:db8:88::99") for secret in written_as(address)]
    logs = [*folder.rglob("*.log"), *folder.rglob("history.sqlite*")]
    assert [(log.name, secret) for log in logs for secret in documented if secret in log.read_bytes()] == []


SMUGGLED = (
    f"GET {LIST}&countme={{}} HTTP/1.1",
    "GET /mirrorlist/9/{} HTTP/1.1",
    "GET /mirrorlist/{}/baseos HTTP/1.1",
    "GET /mirrorlist?repo=baseos-{}&arch=x86_64 HTTP/1.1",
    "GET /download/9/BaseOS/x86_64/os/Packages/{}.rpm HTTP/1.1",
    f"GET {LIST}&arch={{}} HTTP/1.1",
    f"GET {LIST}&ip={{}} HTTP/1.1",
    "GET /{} HTTP/1.1",
)


@pytest.mark.slow
def test_no_request_smuggles_an_address(published: Path, tmp_path: Path) -> None:
    """Whatever a client writes into path, query or User-Agent, neither log has it."""
    (tmp_path / "store").symlink_to(published / "store")
    log = tmp_path / "requests.log"
    site = Deployed(tmp_path, tmp_path)
    alone = GunicornServer(tmp_path, {**variables(tmp_path), "REQUEST_LOG": str(log)}, processes=1)
    secrets = [secret for address in ("203.0.113.88", "2001:db8:88::99") for secret in written_as(address)]
    sent = 0
    try:
        for port in (site.nginx.port, alone.port):
            for line in SMUGGLED:
                for address in ("203.0.113.88", "2001:db8:88::99"):
                    agent = f"libdnf (A {address}; {address}; Linux.{address})"
                    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
                        head = f"{line.format(address)}\r\nHost: a\r\nUser-Agent: {agent}\r\n"
                        wire.sendall(f"{head}Connection: close\r\n\r\n".encode())
                        assert wire.recv(100)
                    sent += 1
        wait_until(lambda: lines_in(site.log) + lines_in(log) >= sent, "both logs")
    finally:
        alone.stop()
        site.stop()
    for path in (site.log, log):
        assert [secret for secret in secrets if secret in path.read_bytes().lower()] == []


# --- the log of web processes ----------------------------------------------------------------------------


@pytest.mark.slow
def test_what_came_through_nginx_is_recorded_there(published: Path, tmp_path: Path) -> None:
    """A web process behind nginx and without it at the same time: each request is in one log."""
    (tmp_path / "store").symlink_to(published / "store")
    log = tmp_path / "requests.log"
    web = GunicornServer(tmp_path, {**variables(tmp_path), "REQUEST_LOG": str(log)}, processes=1)
    try:
        wait_until(lambda: lines_in(log) > 0, "what was asked at the start")
        for headers in ({"X-Request-Recorded": "1"}, {}):
            for source in ("127.0.0.1", "127.0.0.42"):
                web.ask(f"{LIST}&countme=3", headers=headers, source=source)
        wait_until(lambda: log.read_bytes().count(b'"countme":3') >= 3, "three of them")
    finally:
        web.stop()
    assert log.read_bytes().count(b'"countme":3') == 3  # one was nginx's; anybody can write the header


def test_the_log_is_rotated(tmp_path: Path) -> None:
    """At its size, by whichever process sees it; another program may rename it as well."""
    log = tmp_path / "requests.log"
    writers = [RequestLog(log, limit_bytes=2000) for _ in range(2)]
    one = Answered(0.0, 200, [], 4, "", "")
    for number in range(20):
        writers[number % 2].add(one)
        writers[number % 2].flush()
    former = log.with_name("requests.log.1")
    assert lines_in(log) > 0 and 2000 <= former.stat().st_size < 2400
    log.replace(tmp_path / "away")
    writers[0].add(one)
    writers[0].flush()
    assert lines_in(log) == 1


def test_a_disk_that_takes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records are lost, which is said once; they are written again when the disk takes them."""
    (tmp_path / "folder").touch()
    records = RequestLog(tmp_path / "folder" / "requests.log")
    for _ in range(3):
        records.add(Answered(0.0, 200, [], 4, "", ""))
        records.flush()
    assert caplog.text.count("requests are not recorded") == 1
    (tmp_path / "folder").unlink()
    records.add(Answered(0.0, 200, [], 4, "", ""))
    records.flush()
    assert lines_in(tmp_path / "folder" / "requests.log") == 1


def test_the_question_in_the_header(ask: Ask) -> None:
    """An answer with mirrors says what was asked, in every URL form; an answer about another address, or
    without mirrors, does not."""
    said = {
        "/mirrorlist/9/baseos?arch=x86_64": "almalinux 9.8/baseos/x86_64 baseos-9",
        "/mirrorlist/9.8/BaseOS": "almalinux 9.8/baseos/ baseos-9.8",
        "/mirrorlist?repo=baseos-9&arch=x86_64": "mirrormanager 9.8/baseos/x86_64 baseos-9",
        "/?release=9&repo=baseos&arch=x86_64": "centos 9.8/baseos/x86_64 baseos-9",
        "/isolist/9/x86_64": "isolist 9.8//x86_64",
        "/download/9/BaseOS/x86_64/os/x.rpm": "download 9.8/baseos/x86_64",
        "/mirrorlist/9/baseos?arch=x86_64&ip=192.0.2.1": None,
        "/mirrorlist/9/none": None,
        "/whoami": None,
    }
    for _ in range(2):  # also from memory
        assert {target: ask(target).headers["X-Mirrorlist-Question"] for target in said} == said


def test_sqlite_is_the_database(tmp_path: Path) -> None:
    """By default it is a file in the service's folder, which any program can read."""
    database = counted(tmp_path, _with_a_line(tmp_path / "a.log"))
    database.close()
    with sqlite3.connect(tmp_path / "history.sqlite") as connection:
        assert connection.execute("SELECT sum(requests) FROM hours").fetchone() == (1,)
    connection.close()


def _with_a_line(path: Path) -> Path:
    records = RequestLog(path)
    records.add(Answered(1795788000.0, 200, [], 4, "", ""))
    records.flush()
    return path
