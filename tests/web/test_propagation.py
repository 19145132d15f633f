"""How new versions come to the mirrors, over HTTP, and on a mirror's own page."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.explain.mirror_report import MirrorReport
from app.render.propagation import PropagationReport
from app.snapshot.statistics import encode
from app.store import FileStore, file_store
from app.worker.statistics import Shown, statistics_of
from tests.served import a_month, a_year
from tests.web.asking import Ask, application, asking
from tests.web.deployed import Deployed

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
AS_JSON, AS_PAGE = {"Accept": "application/json"}, {"Accept": "text/html"}
MIRROR, CORP, GONE = "mirror.fra1.example.net", "mirror.corp.example.com", "gone.example.org"
REPOS = ("9.8/baseos/x86_64", "9.8/baseos/aarch64", "9.8/appstream/x86_64")


class Site:
    """A web process, and the store that it follows."""

    def __init__(self, published: Path, folder: Path) -> None:
        shutil.copytree(published / "store", folder / "store")
        self.store: FileStore = file_store(folder)
        app = application(folder)
        self.ask: Ask = asking(app)
        self.current = app.extensions["mirrorwise"]

    def publish(self, *mirrors: str) -> None:
        sums = statistics_of(a_year(mirrors, places=10), Shown(10, mirrors, {}), NOW)
        self.store.publish_statistics(encode(*sums, propagation=a_month(mirrors, REPOS, NOW)))
        self.current.refresh()

    def report(self, target: str) -> PropagationReport:
        return msgspec.json.decode(self.ask(target, headers=AS_JSON).body, type=PropagationReport)


@pytest.fixture
def site(published: Path, tmp_path: Path) -> Site:
    return Site(published, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/propagation", "/propagation?release=9&repo=baseos&arch=aarch64"])
def test_kept_by_nginx(published: Path, tmp_path: Path, target: str) -> None:
    """The second client gets what the first one got, from nginx's cache."""
    Site(published, tmp_path).publish(MIRROR)
    deployed = Deployed(tmp_path, tmp_path)
    try:
        first, second = (deployed.through(target, client) for client in ("192.0.2.1", "198.51.100.1"))
        cache = [line["cache"] for line in deployed.logged(2)]
    finally:
        deployed.stop()
    assert (first.status, cache) == (200, ["MISS", "HIT"])
    assert second.body == first.body


def test_none_yet(site: Site) -> None:
    """While no new version was seen, there is nothing to show, and a mirror's page says nothing of it."""
    answer = site.ask("/propagation")
    assert (answer.status, answer.body) == (
        404,
        b"No new version of any repo has been seen at the origin yet.\n",
    )
    assert b"new versions" not in site.ask(f"/mirrors/{MIRROR}", headers=AS_PAGE).body


@pytest.mark.parametrize(
    ("target", "headers", "kind"),
    [
        ("/propagation", AS_PAGE, "text/html; charset=utf-8"),
        ("/propagation", AS_JSON, "application/json"),
        ("/propagation", {}, "application/json"),
        ("/propagation?format=json", AS_PAGE, "application/json"),
        ("/propagation?release=9&repo=baseos&arch=aarch64", AS_PAGE, "text/html; charset=utf-8"),
    ],
)
def test_forms(site: Site, target: str, headers: dict[str, str], kind: str) -> None:
    """People get a page, and programs JSON. Who has it already gets a 304."""
    site.publish(MIRROR)
    answer = site.ask(target, headers=headers)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    again = site.ask(target, headers={**headers, "If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("query", "repos", "shown"),
    [
        ("", 3, "9.8/appstream/x86_64"),
        ("?release=9", 3, "9.8/appstream/x86_64"),
        ("?repo=baseos", 2, "9.8/baseos/aarch64"),
        ("?release=9.8&repo=baseos&arch=x86_64", 1, "9.8/baseos/x86_64"),
        ("?release=10", 0, None),
    ],
)
def test_choice(site: Site, query: str, repos: int, shown: str | None) -> None:
    """What was asked for is in the list of repos, and the one of them that changed last is shown with its
    versions."""
    site.publish(MIRROR)
    report = site.report(f"/propagation{query}")
    assert (len(report.repos), report.shown and report.shown.repo) == (repos, shown)


@pytest.mark.parametrize("query", ["?release=99", "?repo=no-such", "?arch=vax"])
def test_what_does_not_exist(site: Site, query: str) -> None:
    """It is a 404 that says what there is."""
    site.publish(MIRROR)
    assert site.ask(f"/propagation{query}").status == 404


def test_private_mirrors_are_not_shown(site: Site) -> None:
    """A mirror that has become private, or is gone, since this was compiled, is in neither form."""
    site.publish(MIRROR, CORP, GONE)
    for headers in (AS_PAGE, AS_JSON):
        body = site.ask("/propagation", headers=headers).body
        assert MIRROR.encode() in body
        assert CORP.encode() not in body
        assert GONE.encode() not in body


def test_a_mirror_has_its_own_delay(site: Site) -> None:
    """Its page and its JSON say how fast it has new versions."""
    site.publish(MIRROR)
    report = msgspec.json.decode(site.ask(f"/mirrors/{MIRROR}", headers=AS_JSON).body, type=MirrorReport)
    assert report.delay is not None
    assert report.delay.median_s
    page = site.ask(f"/mirrors/{MIRROR}", headers=AS_PAGE).body.decode()
    assert f"In the median of the last {report.delay.versions} new versions, it had them" in page


def test_the_page_says_what_it_shows(site: Site) -> None:
    """Pictures have words and a table, and how exact times can be is said."""
    site.publish(*(f"m{number}.example.org" for number in range(60)))
    page = site.ask("/propagation", headers=AS_PAGE).body.decode()
    assert "Each mirror is asked every 15 min" in page
    assert page.count('<svg class="curves" role="img"') == 1
    assert "Mirrors that had the newest version" in page
