"""One bounded request: redirects, budgets and what is sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
from dataclasses import replace

import pytest
from yarl import URL

from app.probe.addresses import Lookups, Resolver
from app.probe.fetch import Failure, Fault, Fetched, MirrorClient, Network, Request, redirect_refusal
from app.probe.hosts import Hosts, Spent, host_key
from tests.probe import fleet as f
from tests.probe.fleet import Fleet
from tests.probe.hostile import HOSTILE, endless

REDIRECTS = {
    "another path": ("http://a.example.org/x", "http://a.example.org/y", None),
    "https on the same host": ("http://a.example.org/x", "https://a.example.org/x", None),
    "https on another port": ("http://a.example.org/x", "https://a.example.org:8443/x", None),
    "back to http": ("https://a.example.org/x", "http://a.example.org/x", "from https to http"),
    "another host": ("http://a.example.org/x", "http://b.example.org/x", "another host"),
    "a subdomain": ("http://a.example.org/x", "http://www.a.example.org/x", "another host"),
    "another port": ("http://a.example.org/x", "http://a.example.org:8080/x", "another port"),
    "a file": ("http://a.example.org/x", "file:///etc/passwd", "from http to file"),
}


@pytest.mark.parametrize(("url", "location", "refused"), REDIRECTS.values(), ids=REDIRECTS)
def test_redirects_stay_with_the_mirror(url: str, location: str, refused: str | None) -> None:
    """On its own host and port, or up to https there."""
    why = redirect_refusal(URL(url), URL(location))
    assert (why is None) if refused is None else (why is not None and refused in why)


def fetch(fleet: Fleet, hosts: Hosts, *requests: Request) -> list[Fetched | Failure]:
    async def ask() -> list[Fetched | Failure]:
        network = Network(limits=fleet.limits, clock=lambda: fleet.now)
        resolver = Resolver(Lookups(fleet.lookup, 1.0))
        async with MirrorClient(network, resolver, hosts, allow_private=True, agent="agent/1 (+x)") as client:
            return [await client.fetch(request) for request in requests]

    return asyncio.run(ask())


def test_a_request_says_who_asks_and_wants_plain_bytes(fleet: Fleet) -> None:
    """The User-Agent is the prober's; compression is declined; no cookie is ever sent back."""
    headers: list[dict[str, str]] = []

    async def listen(fleet: Fleet, asked: f.Asked) -> None:
        headers.append(asked.headers)
        asked.send(200, b"1", Set_Cookie="a=b")

    fleet.behaviours["a.example.org"] = listen
    request = Request(url=fleet.http("a.example.org") + "TIME", family="ipv4")
    fetch(fleet, Hosts(None), request, request)
    assert [(h["user-agent"], h["accept-encoding"]) for h in headers] == [("agent/1 (+x)", "identity")] * 2
    assert "cookie" not in headers[1]


def test_requests_of_one_mirror_share_a_connection(fleet: Fleet) -> None:
    """Keep-alive: the second request comes over the first one's connection."""
    peers = set()

    async def listen(fleet: Fleet, asked: f.Asked) -> None:
        peers.add(asked.writer.get_extra_info("peername"))
        asked.send(200, b"1")

    fleet.behaviours["a.example.org"] = listen
    request = Request(url=fleet.http("a.example.org") + "TIME", family="ipv4")
    fetch(fleet, Hosts(None), *[request] * 5)
    assert len(peers) == 1


def test_a_host_s_budget_is_kept_until_the_next_hour(fleet: Fleet) -> None:
    """Beyond it nothing is sent, which is the prober's doing and not a failure of the mirror."""
    hosts = Hosts(budget=3)
    request = Request(url=fleet.http("a.example.org") + "TIME", family="ipv4")
    *_, last = fetch(fleet, hosts, *[request] * 4)
    assert isinstance(last, Failure)
    assert last.fault is Fault.NOT_ASKED
    assert "this hour's 3 requests" in last.reason
    assert len(fleet.log) == 3
    fleet.now += dt.timedelta(hours=1)
    assert isinstance(fetch(fleet, hosts, request)[0], Fetched)


def test_a_host_is_asked_two_things_at_a_time(fleet: Fleet) -> None:
    """Also when several mirrors share it."""
    running = most = 0

    async def listen(fleet: Fleet, asked: f.Asked) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        asked.send(200, b"1")

    fleet.behaviours["a.example.org"] = listen

    async def ask() -> None:
        hosts = Hosts(None)
        resolver = Resolver(Lookups(fleet.lookup, 1.0))
        clients = [MirrorClient(Network(limits=f.LIMITS), resolver, hosts, True, "t") for _ in range(3)]
        request = Request(url=fleet.http("a.example.org") + "TIME", family="ipv4")
        await asyncio.gather(*(client.fetch(request) for client in clients for _ in range(4)))
        for client in clients:
            await client.__aexit__(None, None, None)

    asyncio.run(ask())
    assert (len(fleet.log), most) == (12, 2)


def test_what_an_earlier_run_spent_counts() -> None:
    """The larger of both records of an hour stands; older hours do not."""
    now = dt.datetime(2026, 11, 20, 10, 30, tzinfo=dt.UTC)
    hour = int(now.timestamp()) // 3600
    hosts = Hosts(budget=10)
    hosts.remember({"a": Spent(hour=hour, requests=10), "b": Spent(hour=hour - 1, requests=10)})
    assert hosts.exhausted("a", now)
    assert not hosts.exhausted("b", now)


def test_usual_ports_of_a_host_count_together() -> None:
    """http, https and rsync are one machine; another port may be another one."""
    urls = (
        "http://A.example.org/",
        "https://a.example.org/x",
        "rsync://a.example.org/m",
        "http://a.example.org:8080/",
    )
    assert [host_key(URL(url)) for url in urls] == ["a.example.org"] * 3 + ["a.example.org:8080"]


ENDLESS = ("continues", "headers", "header-line", "body", "tiny-chunks", "chunk-extension", "trailers")


@pytest.mark.parametrize("kind", ENDLESS)
def test_no_part_of_an_answer_is_endless(fleet: Fleet, kind: str) -> None:
    """Interim answers, headers, chunks, their extensions and trailers have an end like the body, as soon as
    there are too many of them."""
    fleet.behaviours["a.example.org"] = HOSTILE[kind]
    (answer,) = fetch(fleet, Hosts(None), Request(url=fleet.http("a.example.org") + "TIME", family="ipv4"))
    assert isinstance(answer, Failure)
    assert answer.reason in ("its answer is larger than 100,000 bytes", "what it answers is not HTTP")


def test_a_long_page_that_says_no_is_a_no(fleet: Fleet) -> None:
    """Of an error, the status counts, however much comes with it."""
    page = b"HTTP/1.1 404 X\r\nContent-Length: 90000000\r\n\r\n"
    fleet.behaviours["a.example.org"] = endless(page, b"no" * 4000)
    fleet.limits = replace(fleet.limits, answer_bytes=300_000)
    (answer,) = fetch(fleet, Hosts(None), Request(url=fleet.http("a.example.org") + "TIME", family="ipv4"))
    assert isinstance(answer, Fetched)
    assert answer.status == 404


def test_redirects_share_the_time_of_one_request(fleet: Fleet) -> None:
    """A mirror that leads on and on, slowly, is given up when the time is over."""

    async def lead_on(fleet: Fleet, asked: f.Asked) -> None:
        await asyncio.sleep(0.1)
        asked.send(302, Location=asked.path + "x")

    fleet.behaviours["a.example.org"] = lead_on
    fleet.limits = replace(fleet.limits, total_s=0.25)
    (answer,) = fetch(fleet, Hosts(None), Request(url=fleet.http("a.example.org") + "TIME", family="ipv4"))
    assert answer == Failure(fault=Fault.SILENT, reason="no answer within 0.25 s")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
def test_what_this_machine_lacks_says_nothing_about_the_mirror(
    fleet: Fleet, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open files, ports: such an error is no failure of the host that could not be asked."""

    async def no_connection(*_: object, **__: object) -> None:
        raise OSError(number, "there is none left")

    monkeypatch.setattr("aiohappyeyeballs.start_connection", no_connection)
    (answer,) = fetch(fleet, Hosts(None), Request(url=fleet.http("a.example.org") + "TIME", family="ipv4"))
    assert isinstance(answer, Failure)
    assert answer.fault is Fault.NOT_ASKED
