"""Makes lines of a log, with the sums that they add up to, which are found here without the program."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.history import tables
from app.history.database import HistoryDatabase
from app.settings import read_settings

Totals = dict[str, Counter[tuple[Any, ...]]]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday
QUESTIONS = (
    ("almalinux", "9.8", "baseos", "x86_64", "baseos-9"),
    ("almalinux", "9.8", "appstream", "aarch64", "appstream-9.8"),
    ("mirrormanager", "10-kitten", "baseos", "", "baseos-10-kitten"),
    ("metalink", "8.10", "extras", "s390x", "extras-8"),
    ("centos", "9.8", "crb", "x86_64", "crb-9"),
    ("isolist", "9.8", "", "x86_64", ""),
    ("download", "9.8", "baseos", "x86_64", ""),
)
SYSTEMS = (
    "libdnf|AlmaLinux|9.8|server|x86_64",
    "libdnf|AlmaLinux|9.4||aarch64",
    "libdnf|Rocky Linux|8.10|generic|x86_64",
    "rpm-ostree|Fedora Linux|41|coreos|x86_64",
)
WORDS = ("dnf", "yum", "libzypp", "curl", "wget", "browser", "other", "libdnf")
REGIONS = ("", "", "", "aws:eu-central-1", "azure", "gcp:us-east1")
REASONS = ("geography", "geography", "geography", "region", "netblock")
STATUSES = (200, 200, 200, 200, 302, 404, 503)
JUNK = (
    b"",
    b"{",
    b"not JSON",
    b'{"time":"2026-11-21"}',
    b'{"time":"2026-11-21T00:00:00Z"}',
    b"[]",
    b"\0" * 99,
)


@dataclass
class Lines:
    """Lines of a log, and what they add up to."""

    lines: list[bytes] = field(default_factory=list)
    totals: Totals = field(default_factory=lambda: {table.name: Counter() for table in tables.SUMS})
    skipped: int = 0

    @property
    def content(self) -> bytes:
        return b"".join(line + b"\n" for line in self.lines)


def make_lines(count: int, seed: int = 1, days: int = 4, junk: bool = True) -> Lines:
    """Makes lines of random requests in the days after `NOON`, with some junk between them."""
    chance, made = random.Random(seed), Lines()
    places = ["", "~EU", "DE", *(f"US/{n}/-{n + 60}" for n in range(25, 48)), "NO/59/10", "BR/-23/-46"]
    mirrors = [f"mirror{n}.example.org" for n in range(30)]
    zones = (timedelta(0), timedelta(hours=5, minutes=30), timedelta(hours=-8))
    for _ in range(count):
        if junk and chance.random() < 0.01:
            made.lines.append(chance.choice(JUNK))
            made.skipped += 1
            continue
        when = NOON + timedelta(seconds=chance.randrange(days * 86400))
        question = chance.choice(QUESTIONS) if chance.random() < 0.95 else None
        form, release, repo, arch, tag = question or ("", "", "", "", "")
        software = chance.choice(SYSTEMS if chance.random() < 0.7 else WORDS)
        place, region = chance.choice(places), chance.choice(REGIONS)
        mirror = chance.choice(mirrors) if question else ""
        status, family = chance.choice(STATUSES), chance.choice((4, 6))
        cache, reason = chance.choice(("HIT", "MISS", "")), chance.choice(REASONS) if mirror else ""
        age = chance.choice((0, 0, 0, 1, 2, 3, 4))
        local = when.astimezone(tz=_zone(chance.choice(zones)))
        line = {
            "time": local.isoformat(),
            "question": f"{form} {release}/{repo}/{arch}{' ' + tag if tag else ''}" if question else "",
            **{"place": place, "region": region, "family": family, "mirror": mirror, "reason": reason},
            **{"status": status, "cache": cache, "countme": age, "software": software},
            **{"bytes": chance.randrange(9999), "seconds": 0.001},
        }
        made.lines.append(json.dumps(line, separators=(",", ":")).encode())
        day, totals = f"{when:%Y-%m-%d}", made.totals
        totals["hours"][f"{when:%Y-%m-%dT%H}", form, status, cache, family, reason] += 1
        if question is None or status not in (200, 302):
            continue
        country = "" if place.startswith("~") else place[:2]
        totals["repo_days"][day, release, repo, arch] += 1
        totals["country_days"][day, country] += 1
        totals["place_days"][day, place, reason] += 1
        totals["mirror_days"][day, mirror, country] += 1
        parts = software.split("|")
        totals["software_days"][(day, *parts, *[""] * (5 - len(parts)))] += 1
        if region:
            totals["region_days"][(day, *(region.split(":") if ":" in region else (region, "")))] += 1
        if age and tag:
            monday = f"{when - timedelta(days=when.weekday()):%Y-%m-%d}"
            totals["system_weeks"][(monday, *(parts[1:] or [""] * 4), age, tag, arch)] += 1
    return made


def _zone(offset: timedelta) -> Any:
    from datetime import timezone

    return timezone(offset)


def added(several: Iterable[Totals]) -> Totals:
    """The totals of several logs together."""
    whole: Totals = {table.name: Counter() for table in tables.SUMS}
    for totals in several:
        for name, counts in totals.items():
            whole[name] += counts
    return whole


def totals_in(database: HistoryDatabase) -> Totals:
    """All that the tables of sums hold."""
    with database.reading() as connection:
        return {
            table.name: Counter({tuple(row[:-1]): row[-1] for row in connection.execute(select(table))})
            for table in tables.SUMS
        }


def sqlite_in(folder: Path) -> HistoryDatabase:
    """A database of its own, in a file in this folder."""
    from app.history.database import open_history

    return open_history(read_settings({"MIRRORWISE_VAR": str(folder)}))
