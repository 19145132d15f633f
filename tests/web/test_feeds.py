"""The feeds of what changed about mirrors, their badges, and the same on their pages."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import feedparser
import msgspec
import pytest

from app.explain.mirror_report import MirrorReport
from app.history.mirror_history import EVENTS_OF_ALL, EVENTS_OF_MIRROR, MirrorHistories
from app.model import EventKind, RecordedEvent
from app.snapshot.statistics import encode
from app.store import file_store
from app.worker.statistics import Shown, histories_of, statistics_of
from tests.happened import NOON, event, ninety_days
from tests.served import a_year
from tests.web.asking import Ask, application, asking

MIRROR, OTHER, CORP = "mirror.fra1.example.net", "mirror.waw.example.org", "mirror.corp.example.com"
THREE = (OTHER, "mirror.vie.example.org", MIRROR)
FEED, ALL, BADGE = f"/mirrors/{MIRROR}.atom", "/mirrors.atom", f"/mirrors/{MIRROR}/badge.svg"
AS_PAGE = {"Accept": "text/html"}
HOST = {"Host": "mirrors.example.org", "X-Forwarded-Proto": "https"}
BASE = "https://mirrors.example.org"
HOSTILE = "\"'></title><script>alert(1)</script>]]>&lt;\x00\x0b\x1b[31m\ufffe\u202e مرآة"


def happened_to(*events: RecordedEvent, mirror: str = MIRROR) -> MirrorHistories:
    return MirrorHistories(ninety_days((), NOON).since, {}, {mirror: events}, events)


def document(found: MirrorHistories, requests: bool = False) -> bytes:
    names = list(found.events)
    planned = dict.fromkeys(names, 1 / max(1, len(names)))
    service, mirrors = statistics_of(a_year(names, places=10), Shown(10, names, planned), NOON)
    if not requests:
        service, mirrors = msgspec.structs.replace(service, days=()), {}
    return encode(service, mirrors, histories_of(found), found.last)


class Site:
    """A web process, and what its store says of the past."""

    def __init__(self, published: Path, folder: Path) -> None:
        shutil.copytree(published / "store", folder / "store")
        self._store = file_store(folder)
        app = application(folder)
        self.ask: Ask = asking(app)
        self._current = app.extensions["mirrorwise"]

    def publish(self, found: MirrorHistories, requests: bool = False) -> None:
        self._store.publish_statistics(document(found, requests))
        self._current.refresh()
        assert self._current.faults.current == {}

    def feed(self, target: str, **headers: str) -> feedparser.FeedParserDict:
        """What a reader of feeds makes of one, which has to be without fault."""
        answer = self.ask(target, headers={**HOST, **headers})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/atom+xml")
        found = feedparser.parse(answer.body, response_headers={"content-type": "application/atom+xml"})
        assert not found.bozo, found.bozo_exception
        assert found.version == "atom10"
        return found


@pytest.fixture
def site(published: Path, tmp_path: Path) -> Site:
    return Site(published, tmp_path)


DROP = event(
    NOON,
    MIRROR,
    before="ok",
    after="unreachable",
    evidence="no answer within 10 s",
    lists=-124,
    changes_lists=True,
    generation="0123456789abcdef",
)
BACK = event(NOON + timedelta(hours=3), MIRROR, before="unreachable", after="ok", lists=124)


def test_a_drop_is_an_entry(site: Site) -> None:
    """The reader of a mirror's feed learns when it was dropped, why, and what that changed; the links lead to
    the service as the reader knows it."""
    site.publish(happened_to(BACK, DROP))
    found = site.feed(FEED)
    assert (found.feed.title, found.feed.author) == (f"Example Linux: {MIRROR}", "Example Linux")
    assert (found.feed.id, found.feed.updated) == (f"{BASE}{FEED}", "2026-11-27T15:00:00Z")
    links = {link.rel: link.href for link in found.feed.links}
    assert links == {"self": f"{BASE}{FEED}", "alternate": f"{BASE}/mirrors/{MIRROR}"}
    entry = found.entries[1]
    assert entry.title == f"{MIRROR} - Status: from ok to unreachable"
    assert entry.updated == "2026-11-27T12:00:00Z"
    assert entry.summary == "Status: from ok to unreachable. no answer within 10 s. It left 124 lists."
    page = site.ask(f"/mirrors/{MIRROR}", headers=AS_PAGE).body.decode()
    assert entry.link.startswith(f"{BASE}/mirrors/{MIRROR}#event-")
    assert f'id="{entry.link.partition("#")[2]}"' in page


def test_ids_are_stable(site: Site) -> None:
    """An event is the same entry in every feed, whatever the host, and after others have come."""
    site.publish(happened_to(DROP))
    before = site.feed(FEED).entries[0].id
    site.publish(happened_to(BACK, DROP))
    feeds = [site.feed(FEED, Host="other.example.org"), site.feed(ALL)]
    assert [feed.entries[1].id for feed in feeds] == [before, before]
    assert before.startswith("urn:uuid:")
    assert len({entry.id for entry in feeds[0].entries}) == 2


def test_whole_feeds(site: Site) -> None:
    """Feeds of many events are sound, too: those of a mirror, and of all."""
    busy = [
        event(NOON - timedelta(minutes=n), MIRROR, before="ok", after="stale") for n in range(EVENTS_OF_ALL)
    ]
    happened = happened_to(*busy[:EVENTS_OF_MIRROR])
    site.publish(MirrorHistories(happened.since, {}, happened.events, tuple(busy)))
    assert len(site.feed(FEED).entries) == EVENTS_OF_MIRROR
    assert len(site.feed(ALL).entries) == EVENTS_OF_ALL


def test_texts_from_outside(site: Site) -> None:
    """Whatever a mirror answered, its feed and its page are sound: nothing in them is taken for markup."""
    odd = event(NOON, MIRROR, EventKind.ADDRESSES, before=HOSTILE, after=f"{HOSTILE}!", evidence=HOSTILE)
    site.publish(happened_to(odd))
    (entry,) = site.feed(FEED).entries
    assert "<script>alert(1)</script>" in entry.summary
    assert "???[31m??" in entry.summary
    assert b"<script>" not in site.ask(f"/mirrors/{MIRROR}", headers=AS_PAGE).body


@pytest.mark.parametrize("host", ['a"><x', "a.example.org/&<!--", "[::1]:8080", "\x01.example.org"])
def test_odd_hosts(site: Site, host: str) -> None:
    """A Host that is none makes no feed unsound."""
    site.publish(happened_to(DROP))
    answer = site.ask(FEED, headers={"Host": host})
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert not feedparser.parse(answer.body).bozo
        ElementTree.fromstring(answer.body)  # noqa: S314 - our own answer


@pytest.mark.parametrize("target", [FEED, ALL, BADGE])
def test_sent_once(site: Site, target: str) -> None:
    """Who has kept the feed or badge gets a 304 until something has changed, whatever else is published, and
    who takes a compressed answer gets one."""
    site.publish(ninety_days(THREE, NOON))
    first = site.ask(target, headers=HOST)
    kept = {**HOST, "If-None-Match": first.headers["ETag"]}
    assert [site.ask(target, headers=kept).status, site.ask(target, headers=HOST).body] == [304, first.body]
    site.publish(ninety_days(THREE, NOON), requests=True)
    assert site.ask(target, headers=kept).status == 304
    assert site.ask(target, headers={**HOST, "Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    site.publish(happened_to(DROP))
    fresh = site.ask(target, headers=kept)
    assert (fresh.status, fresh.body != first.body) == (200, True)


@pytest.mark.parametrize("target", [FEED, ALL, BADGE])
def test_before_anything_happened(site: Site, target: str) -> None:
    """Without a database, feeds are empty and sound, and the badge says the status alone."""
    answer = site.ask(target, headers=HOST)
    assert answer.status == 200
    if target != BADGE:
        assert site.feed(target).entries == []


@pytest.mark.parametrize("name", ["nowhere.example.org", CORP, f"{MIRROR}.atom"])
@pytest.mark.parametrize("form", ["/mirrors/{}.atom", "/mirrors/{}/badge.svg"])
def test_no_such_mirror(site: Site, name: str, form: str) -> None:
    """A mirror that does not exist or is private has no feed and no badge."""
    site.publish(happened_to(DROP))
    assert site.ask(form.format(name)).status == 404


def test_private_mirrors_are_in_no_feed(site: Site) -> None:
    """A mirror that has become private, or is gone, since the events were compiled is in no feed."""
    secret = event(NOON, CORP, before="ok", after="stale", evidence="secret")
    gone = event(NOON, "gone.example.org", before="ok", after="stale")
    site.publish(MirrorHistories(NOON, {}, {}, (secret, gone, DROP)))
    assert [entry.title for entry in site.feed(ALL).entries] == [f"{MIRROR} - Status: from ok to unreachable"]


def test_names_in_any_case(site: Site) -> None:
    """A feed is found whatever the case of the name, and has the address of the one feed."""
    site.publish(happened_to(DROP))
    assert site.feed(f"/mirrors/{MIRROR.upper()}.atom").feed.id == f"{BASE}{FEED}"


def test_pages_lead_to_feeds(site: Site) -> None:
    """Browsers and readers find the feeds from the pages, whose head names them."""
    site.publish(happened_to(DROP))
    for page, target in (("/mirrors", ALL), (f"/mirrors/{MIRROR}", FEED)):
        body = site.ask(page, headers=AS_PAGE).body.decode()
        assert f'<link rel="alternate" type="application/atom+xml" href="{target}"' in body
        assert f'<a href="{target}">' in body


def test_page_and_json_say_the_same(site: Site) -> None:
    """A mirror's page shows its days, shares and events; its JSON has them all."""
    found = ninety_days(THREE, NOON)
    site.publish(found, requests=True)
    report = msgspec.json.decode(site.ask(f"/mirrors/{MIRROR}").body, type=MirrorReport)
    assert report.history == histories_of(found)[MIRROR]
    assert report.requests is not None
    page = site.ask(f"/mirrors/{MIRROR}", headers=AS_PAGE).body.decode()
    assert "The last 90 days" in page and '<svg class="conditions" role="img"' in page
    assert f"<b>{report.history.availability:.2%}</b> of the time it answered" in page
    assert page.count('<tr id="event-') == len(report.history.events) > 5


@pytest.mark.parametrize("requests", [False, True])
def test_statistics_page_without_requests(site: Site, requests: bool) -> None:
    """Where nothing is counted, there are no statistics, though events are known."""
    site.publish(happened_to(DROP), requests)
    for target in ("/statistics", "/statistics.json", "/statistics/days.csv"):
        answer = site.ask(target)
        assert answer.status == (200 if requests else 404)
    assert site.ask("/", headers=AS_PAGE).status == 200


# --- badges ----------------------------------------------------------------------------------------


def test_badge(site: Site) -> None:
    """A badge says whose it is, the status, and the availability of 30 days, to all who see it or have it
    read to them. It may be kept for some minutes, and runs nothing."""
    site.publish(ninety_days(THREE, NOON))
    answer = site.ask(BADGE)
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert len(answer.body) < 1500
    svg = ElementTree.fromstring(answer.body)  # noqa: S314 - our own answer
    report = msgspec.json.decode(site.ask(f"/mirrors/{MIRROR}").body, type=MirrorReport)
    assert report.history is not None and report.history.availability_30_days is not None
    share = f"{report.history.availability_30_days:.2%}"
    title = f"Example Linux: {MIRROR} is {report.status}, and answered in {share} of the last 30 days"
    assert svg.get("role") == "img" and svg.get("aria-label") == title
    assert [part.text for part in svg if part.tag.endswith("title")] == [title]
    assert [part.text for part in svg.iter() if part.tag.endswith("text")] == [
        "Example Linux",
        f"{report.status} {share}",
    ]
