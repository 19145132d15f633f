"""Systems are counted as Fedora's own tool, mirrors-countme, counts them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.history.countme import COLUMNS, write_csv
from app.history.importing import import_file
from app.history.request_log import Answered, line_of
from tests.history.lines import sqlite_in

START = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
WEEKS = 3
AGENTS = (
    "libdnf (AlmaLinux 9.8; generic; Linux.x86_64)",
    "libdnf (AlmaLinux 10.1; ; Linux.aarch64)",
    "libdnf (Fedora Linux 43; workstation; Linux.x86_64)",
    "libdnf/0.35.5 (Red Hat Enterprise Linux 8.10; server; Linux.s390x)",
    "rpm-ostree (Fedora 43; coreos; Linux.x86_64)",
    "libdnf (CentOS Stream 10; i3; Linux.ppc64le)",
    "libdnf",
    "dnf/4.14.0",
    "curl/8.5.0",
    "Mozilla/5.0 (X11; Linux x86_64)",
)


class Request:
    """A request in MirrorManager's form, which both tools know."""

    def __init__(self, chance: random.Random, number: int) -> None:
        # Within seconds of the weeks' bounds, and anywhere between them.
        bound = START + timedelta(weeks=chance.randrange(WEEKS + 1))
        near = bound + timedelta(seconds=chance.randrange(-3, 4))
        self.when = chance.choice((near, START + timedelta(seconds=chance.randrange(WEEKS * 7 * 86400))))
        self.host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        self.kind = chance.choice(("mirrorlist", "mirrorlist", "metalink", "isolist", "download"))
        self.method = chance.choice(("GET", "GET", "GET", "HEAD", "POST"))
        self.status = chance.choice((200, 200, 302, 404, 503))
        self.repo, self.arch = (
            chance.choice(("baseos", "appstream", "crb")),
            chance.choice(("x86_64", "s390x")),
        )
        self.asked = chance.choice(("9", "9.8", "10-kitten"))
        self.age = chance.choice(("1", "2", "3", "4", ""))
        self.agent = chance.choice(AGENTS)

    @property
    def query(self) -> str:
        return f"repo={self.repo}-{self.asked}&arch={self.arch}" + (
            f"&countme={self.age}" if self.age else ""
        )

    def in_their_format(self) -> str:
        time = f"{self.when:%d/%b/%Y:%H:%M:%S} +0000"
        target = f"/{self.kind}?{self.query}"
        asked = f"{self.method} {target} HTTP/1.1"
        return f'{self.host} - - [{time}] "{asked}" {self.status} 99 "-" "{self.agent}"\n'

    def in_ours(self) -> str:
        """As the service records it: a method that is not allowed is an error, and has no question."""
        form = {"mirrorlist": "mirrormanager"}.get(self.kind, self.kind)
        tag = f" {self.repo}-{self.asked}" if self.kind in ("mirrorlist", "metalink") else ""
        question = f"{form} 9.8/{self.repo}/{self.arch}{tag}"
        is_answered = self.status in (200, 302) and self.method != "POST"
        headers = [("X-Mirrorlist-Question", question)] if is_answered else []
        status = 405 if self.method == "POST" else self.status
        return line_of(Answered(self.when.timestamp(), status, headers, 4, self.query, self.agent))


def theirs(folder: Path, requests: list[Request]) -> Counter[tuple[str, ...]]:
    """What the tool makes of its log: hits by all other columns."""
    matchers = pytest.importorskip("mirrors_countme.matchers")
    parse = pytest.importorskip("mirrors_countme.parse")
    totals = pytest.importorskip("mirrors_countme.totals")
    writers = pytest.importorskip("mirrors_countme.writers")
    matcher, raw = matchers.CountmeMatcher, str(folder / "raw.db")
    writer = writers.make_writer("sqlite", raw, matcher.itemtuple)
    lines = [request.in_their_format() for request in requests]
    parse.parse_from_iterator([lines], writer=writer, matcher=matcher)
    writer.commit()
    writer._connection.close()
    dump = io.StringIO()
    totals.totals(countme_totals=str(folder / "totals.db"), countme_raw=raw, csv_dump=dump)
    return rows_of(dump.getvalue())


def rows_of(text: str) -> Counter[tuple[str, ...]]:
    rows: Counter[tuple[str, ...]] = Counter()
    reader = csv.DictReader(io.StringIO(text))
    assert tuple(reader.fieldnames or ()) == COLUMNS
    for row in reader:
        if row["sys_age"] in {"1", "2", "3", "4"}:  # the tool has also those that did not want to be counted
            rows[tuple(row[name] for name in COLUMNS if name != "hits")] += int(row["hits"])
    return rows


def ours(folder: Path, requests: list[Request]) -> Counter[tuple[str, ...]]:
    log = folder / "requests.log"
    log.write_text("".join(request.in_ours() for request in requests))
    database = sqlite_in(folder)
    import_file(database, "here", log, lambda _: None)
    text = io.StringIO()
    write_csv(database, text)
    database.close()
    return rows_of(text.getvalue())


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_totals_are_theirs(tmp_path: Path) -> None:
    """The same requests in both logs have the same hits, column by column."""
    chance = random.Random(3)
    requests = [Request(chance, number) for number in range(6000)]
    last = Request(chance, len(requests))
    last.when = START + timedelta(weeks=WEEKS, hours=2)  # so that both know that the last week is over
    last.kind, last.method, last.status = "mirrorlist", "GET", 200
    last.age, last.agent = "1", AGENTS[0]
    requests.append(last)
    expected = theirs(tmp_path, requests)
    assert len(expected) > 200 and expected.total() > 400
    assert {row[0] for row in expected} == {
        f"{START + timedelta(weeks=n):%Y-%m-%d}" for n in range(-1, WEEKS)
    }
    assert ours(tmp_path, requests) == expected


def test_weeks(tmp_path: Path) -> None:
    """A week is from Monday to Sunday, in UTC, and is shown when it is over."""
    lines = []
    for time in ("2026-11-08T23:59:59+00:00", "2026-11-09T00:00:00+00:00", "2026-11-16T05:29:59+05:30"):
        question = "almalinux 9.8/baseos/ baseos-9"
        line = {"time": time, "question": question, "status": 200, "countme": 2}
        lines.append(json.dumps({**line, "software": "libdnf|AlmaLinux|9.8|generic|x86_64"}))
    log = tmp_path / "log"
    log.write_text("\n".join(lines) + "\n")
    database = sqlite_in(tmp_path)
    import_file(database, "here", log, lambda _: None)
    text = io.StringIO()
    write_csv(database, text)
    system = "AlmaLinux,9.8,generic,x86_64,2,baseos-9,"
    assert text.getvalue().splitlines()[1:] == [f"2026-11-02,2026-11-08,1,{system}"]
    log.write_text(log.read_text() + lines[0].replace("2026-11-08T23", "2026-11-16T01") + "\n")
    import_file(database, "here", log, lambda _: None)
    text = io.StringIO()
    write_csv(database, text)
    assert text.getvalue().splitlines()[1:] == [
        f"2026-11-02,2026-11-08,1,{system}",
        f"2026-11-09,2026-11-15,2,{system}",
    ]
    database.close()
