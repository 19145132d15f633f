"""The statistics over HTTP, and a mirror's own numbers on its page."""

from __future__ import annotations

import csv
import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.explain.mirror_report import MirrorReport
from app.render import statistics
from app.snapshot.statistics import Statistics, encode
from app.store import FileStore, file_store
from app.worker.statistics import Shown, statistics_of
from tests.served import a_year
from tests.web.asking import Ask, application, asking

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
AS_JSON, AS_PAGE = {"Accept": "application/json"}, {"Accept": "text/html"}
MIRROR, CORP, GONE = "mirror.fra1.example.net", "mirror.corp.example.com", "gone.example.org"


def encoded(*names: str) -> bytes:
    planned = {name: 1 / len(names) for name in names}
    return encode(*statistics_of(a_year(names, places=100), Shown(10, names, planned), NOW))


class Site:
    """A web process, and the store that it follows."""

    def __init__(self, published: Path, folder: Path) -> None:
        shutil.copytree(published / "store", folder / "store")
        self.store: FileStore = file_store(folder)
        app = application(folder)
        self.ask: Ask = asking(app)
        self.current = app.extensions["mirrorwise"]

    def publish(self, data: bytes) -> None:
        self.store.publish_statistics(data)
        self.current.refresh()


@pytest.fixture
def site(published: Path, tmp_path: Path) -> Site:
    return Site(published, tmp_path)


TARGETS = ("/statistics", "/statistics.json", "/statistics/days.csv")


@pytest.mark.parametrize("target", TARGETS)
def test_none_yet(site: Site, target: str) -> None:
    """While no worker has a database of what was served, there are no statistics."""
    answer = site.ask(target)
    assert (answer.status, answer.body) == (404, b"There are no statistics yet.\n")
    assert site.current.faults.current == {}


@pytest.mark.parametrize("target", TARGETS)
def test_before_anything_is_published(unpublished: Path, target: str) -> None:
    """Then this is as with all that needs a snapshot."""
    assert asking(application(unpublished))(target).status == 503


@pytest.mark.parametrize(
    ("target", "headers", "kind"),
    [
        ("/statistics", AS_PAGE, "text/html; charset=utf-8"),
        ("/statistics", AS_JSON, "application/json"),
        ("/statistics", {}, "application/json"),
        ("/statistics?format=json", AS_PAGE, "application/json"),
        ("/statistics.json", AS_PAGE, "application/json"),
        *((f"/statistics/{name}.csv", AS_PAGE, "text/csv; charset=utf-8") for name in statistics.TABLES),
    ],
)
def test_forms(site: Site, target: str, headers: dict[str, str], kind: str) -> None:
    """People get a page, programs JSON, and each table is a CSV file. Who has it already gets a 304."""
    site.publish(encoded(MIRROR))
    answer = site.ask(target, headers=headers)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    again = site.ask(target, headers={**headers, "If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    if kind == "application/json":
        assert msgspec.json.decode(answer.body, type=Statistics).mirrors[0].mirror == MIRROR


def test_news_are_shown(site: Site) -> None:
    """Newer statistics replace the older ones in each form at once."""
    site.publish(encoded(MIRROR))
    before = {target: site.ask(target, headers=AS_PAGE).body for target in TARGETS}
    newer = msgspec.json.decode(before["/statistics.json"], type=Statistics)
    site.publish(encode(msgspec.structs.replace(newer, days=newer.days[:-1]), {}))
    after = {target: site.ask(target, headers=AS_PAGE).body for target in TARGETS}
    assert all(after[target] != before[target] for target in TARGETS)


@pytest.mark.parametrize("file", ["days", ".csv", "nights.csv", "days.json", "%2e%2e/days.csv"])
def test_no_such_table(site: Site, file: str) -> None:
    """Another name is a 404 that says which tables there are."""
    site.publish(encoded(MIRROR))
    answer = site.ask(f"/statistics/{file}")
    assert (answer.status, b"mirrors.csv" in answer.body) == (404, True)


def test_private_mirrors_are_not_shown(site: Site) -> None:
    """A mirror that has become private, or is gone, since the statistics were compiled, is in none of their
    forms, and has no page."""
    site.publish(encoded(MIRROR, CORP, GONE))
    for target in (*TARGETS, "/statistics/mirrors.csv"):
        body = site.ask(target, headers=AS_PAGE).body
        assert CORP.encode() not in body
        assert GONE.encode() not in body
    rows = list(csv.DictReader(io.StringIO(site.ask("/statistics/mirrors.csv").body.decode())))
    assert [row["mirror"] for row in rows] == [MIRROR]
    assert site.ask(f"/mirrors/{CORP}").status == 404


def test_a_mirror_has_its_own_numbers(site: Site) -> None:
    """Its page and its JSON say what it is sent, from where, and what was planned; without statistics they
    say nothing of that."""
    plain = msgspec.json.decode(site.ask(f"/mirrors/{MIRROR}", headers=AS_JSON).body, type=MirrorReport)
    assert plain.requests is None
    assert b"planned" not in site.ask(f"/mirrors/{MIRROR}", headers=AS_PAGE).body
    site.publish(encoded(MIRROR, "mirror.waw.example.org"))
    report = msgspec.json.decode(site.ask(f"/mirrors/{MIRROR}", headers=AS_JSON).body, type=MirrorReport)
    assert report.requests is not None
    assert (report.requests.mirror, report.requests.planned) == (MIRROR, 0.5)
    page = site.ask(f"/mirrors/{MIRROR}", headers=AS_PAGE).body.decode()
    assert f"{report.requests.requests:,} since {report.requests.since}" in page
    assert "planned is 50.0%" in page
    assert '<svg class="columns"' in page
    assert "Germany (DE)" in page or "Andorra (AD)" in page


def test_damaged_statistics(site: Site) -> None:
    """Those before stay, the fault is named, and lists are followed all the same; so is what comes next."""
    site.publish(encoded(MIRROR))
    before = site.ask("/statistics.json").body
    site.publish(b"damaged")
    assert set(site.current.faults.current) == {"statistics"}
    assert site.ask("/statistics.json").body == before
    site.publish(encoded(MIRROR, "mirror.waw.example.org"))
    assert site.current.faults.current == {}
    assert site.ask("/statistics.json").body != before
