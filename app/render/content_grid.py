"""Puts what a mirror has into grids: one for each release, with a row for each repo and a column for each
arch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from app.catalogue.catalogue import parse_question_key
from app.explain.mirror_report import MirrorReport
from app.model import Exclusion

ISOS = "ISOs"


class CellMark(NamedTuple):
    """How a verdict looks in a grid."""

    letter: str
    #: What the letter means.
    words: str
    #: The colour, as the style sheet names it.
    kind: str
    #: The reason for which the mirror is not in the lists of what has this verdict.
    reason: Exclusion | None = None


MARKS: Mapping[str, CellMark] = {
    "current": CellMark("✓", "current", "ok"),
    "previous": CellMark("↻", "an older version that is still accepted", "ok"),
    "stale": CellMark("S", "stale", "bad", Exclusion.STALE),
    "missing": CellMark("M", "missing", "bad", Exclusion.NOT_CARRIED),
    "corrupt": CellMark("D", "damaged", "bad", Exclusion.BROKEN),
    "unknown": CellMark("?", "not looked at yet", "off"),
    "none": CellMark("·", "not meant to be there", "none"),
}
"""The marks by verdict: those of `app.model.Content`, and two for what has none."""


@dataclass(frozen=True)
class ReleaseGrid:
    """What a mirror has of one release."""

    release: str
    arches: tuple[str, ...]
    #: The verdicts of each repo by its name: one for each arch, or a single one for a repo whose path is the
    #: same for all arches.
    rows: Mapping[str, tuple[str, ...]]


def grids(report: MirrorReport) -> list[ReleaseGrid]:
    """Returns the grid of each release of which something is known or expected at a mirror."""
    verdicts: dict[str, dict[str, dict[str, str]]] = {}
    for key, verdict in report.content.items():
        release, repo, arch = parse_question_key(key)
        verdicts.setdefault(release, {}).setdefault(repo or ISOS, {})[arch] = verdict
    for key, has in report.isos.items():
        release, _, arch = key.partition("/")
        verdicts.setdefault(release, {}).setdefault(ISOS, {})[arch] = "current" if has else "missing"
    return [_grid(release, repos) for release, repos in verdicts.items()]


def _grid(release: str, repos: Mapping[str, Mapping[str, str]]) -> ReleaseGrid:
    arches = tuple(dict.fromkeys(arch for verdicts in repos.values() for arch in verdicts if arch))
    rows = {
        repo: (verdicts[""],) if "" in verdicts else tuple(verdicts.get(arch, "none") for arch in arches)
        for repo, verdicts in repos.items()
    }
    return ReleaseGrid(release, arches, rows)


def marks_in(found: Iterable[ReleaseGrid]) -> list[CellMark]:
    """Returns the marks that some grids have, for their legend."""
    there = {verdict for grid in found for row in grid.rows.values() for verdict in row}
    return [mark for verdict, mark in MARKS.items() if verdict in there]


class Lack(NamedTuple):
    """What a mirror that is served lacks, in so far as it has one reason."""

    mark: CellMark
    #: What is lacking, such as "9.8/baseos/x86_64" and "ISOs of 9.8/x86_64".
    keys: tuple[str, ...]


def lacks(report: MirrorReport) -> list[Lack]:
    """Returns what a mirror lacks of what it is meant to have, by the reason for which it is left out of the
    lists of that."""
    missing = [f"{ISOS} of {key}" for key, has in report.isos.items() if not has]
    found = []
    for verdict, mark in MARKS.items():
        keys = [key for key, its in report.content.items() if its == verdict]
        keys += missing if verdict == "missing" else []
        if mark.reason is not None and keys:
            found.append(Lack(mark, tuple(keys)))
    return found
