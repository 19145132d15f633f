"""Renders the page that shows how new versions of repos come to the mirrors."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from app.catalogue.catalogue import parse_question_key
from app.model import ServiceConfig, about
from app.render import facts
from app.render.html import Frame, Page, page
from app.render.pictures import Curve
from app.request.mirror_filter import MirrorFilter, arches_of
from app.snapshot.propagation import AFTER_H, Propagation, RepoPropagation, VersionCounts

SHOWN_REPOS = 30
SHOWN_MIRRORS = 20
SHOWN_HOURS = (1, 4, 24)
"""The hours that the table of all repos has, of those that are counted."""


class PropagationReport(Propagation, frozen=True, kw_only=True):
    """How new versions came to the mirrors, as a request gets it."""

    shown: Annotated[
        RepoPropagation | None,
        about("The repo that was asked for; of several, the one that changed last. Null if none did."),
    ]


def propagation_page(
    frame: Frame, config: ServiceConfig, report: PropagationReport, chosen: MirrorFilter
) -> Page:
    """Renders the page. It is the same for all clients, so it does not show its own URL."""
    known = [one for one in report.mirrors if one.median_s is not None]
    return page(
        frame,
        "propagation.html",
        "/propagation",
        report=report,
        chosen=chosen,
        options={
            "release": list(config.releases),
            "repo": list(dict.fromkeys(repo.name for repo in config.repos if not repo.vault)),
            "arch": arches_of(config),
        },
        after_h=AFTER_H,
        hours=SHOWN_HOURS,
        repos=report.repos[:SHOWN_REPOS],
        fastest=known[:SHOWN_MIRRORS],
        slowest=known[SHOWN_MIRRORS:][: -SHOWN_MIRRORS - 1 : -1],
        bound=bound(report),
        named=named,
        part=part,
        url=url,
        lines=lines(report),
        heads=tuple((f"{after} h", "km") for after in SHOWN_HOURS),
    )


def bound(report: Propagation) -> str:
    """Returns in a sentence how exact the times are."""
    if report.interval_s is None:
        return "A mirror is asked from time to time: it had a version at the latest when that was seen there."
    every = facts.age(report.interval_s)
    return f"Each mirror is asked every {every}, so it may have had a version so much earlier."


def named(key: str) -> str:
    """Returns a repo's key in words, such as "9.8 baseos x86_64"."""
    return " ".join(filter(None, parse_question_key(key)))


def part(one: VersionCounts, after_h: int) -> str:
    """Returns the part of the mirrors that had a version after so many hours; empty if these have not
    passed."""
    place = AFTER_H.index(after_h)
    return facts.percent(one.had[place] / max(1, one.mirrors)) if place < len(one.had) else ""


def lines(report: PropagationReport) -> list[Curve]:
    """Returns the lines of the picture, the strongest last: parts of the mirrors that had a version after the
    hours that have passed."""
    versions = report.shown.versions if report.shown else ()
    drawn = [Curve("older", [had / max(1, one.mirrors) for had in one.had]) for one in versions]
    newest = [Curve("newest", one.heights) for one in drawn[:1]]
    return [*drawn[1:], Curve("usual", report.had), *newest]


def url(key: str) -> str:
    """Returns the path and query of the page about a repo."""
    names = zip(("release", "repo", "arch"), parse_question_key(key), strict=True)
    return f"/propagation?{urlencode({name: value for name, value in names if value})}"
