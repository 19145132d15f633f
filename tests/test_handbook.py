"""The handbook for operators has an answer to all that the service and its alerts can say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
import yaml

from app.web.readiness import OWN_SOURCES
from tests.conftest import ROOT
from tests.documents import first_cells, section

HANDBOOK = ROOT / "data" / "examples" / "HANDBOOK.md"
AT_NIGHT = section(HANDBOOK, "## At three in the morning")
PARAGRAPHS = dict(re.findall(r"^### (.+)\n((?:.|\n)*?)(?=^### |\Z)", AT_NIGHT, re.MULTILINE))
#: What the headings answer to: the beginnings of sentences, and names of alerts.
KEYS = [key.rstrip("… ") for heading in PARAGRAPHS for key in re.findall(r"`([^`]+)`", heading)]


def beginning(node: ast.AST) -> str | None:
    """The text with which an expression begins whatever its values are; None if it is no text."""
    if isinstance(node, ast.JoinedStr):
        return beginning(node.values[0])
    if isinstance(node, ast.FormattedValue):
        return ""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def values_of(name: str, tree: ast.AST) -> Iterator[str]:
    """The values that a loop over a tuple of tuples gives a name."""
    for loop in ast.walk(tree):
        if (
            isinstance(loop, ast.For)
            and isinstance(loop.target, ast.Tuple)
            and isinstance(loop.iter, ast.Tuple)
        ):
            for place, target in enumerate(loop.target.elts):
                if isinstance(target, ast.Name) and target.id == name:
                    rows = [row for row in loop.iter.elts if isinstance(row, ast.Tuple)]
                    yield from filter(None, (beginning(row.elts[place]) for row in rows))


def subjects(room: str, *, attempts: bool) -> set[str]:
    """The subjects that a room notes faults and remarks about, as far as they are the same always. `attempts`
    says whether a step that is attempted is such a subject."""
    found: set[str] = set()
    for file in (ROOT / "app" / room).rglob("*.py"):
        tree = ast.parse(file.read_text())
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
                continue
            kept, method = ast.unparse(call.func.value), call.func.attr
            notes = method in {"set", "report", "replace"} and re.search(r"(faults|remarks)$", kept)
            if not notes and not (attempts and (kept, method) == ("self", "_attempt")):
                continue
            subject = call.args[0]
            if isinstance(subject, ast.Name):
                found |= set(values_of(subject.id, tree))
            elif said := beginning(subject):
                found.add(said)
    return found


def sentences() -> set[str]:
    """How each line of `/readyz` that says what is wrong begins."""
    found = {"no snapshot yet"} | {f"{subject}: " for subject in subjects("serving", attempts=True)}
    tree = ast.parse((ROOT / "app" / "web" / "readiness.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Yield) and node.value and (said := beginning(node.value)):
            found.add(said)
    return found


def test_it_is_known_what_is_said() -> None:
    """The sentences that this file finds in the code are those that a reader finds."""
    assert {"store: ", "geoip: ", "geoip asn: ", "last good copy: ", "guard: "} <= sentences()
    assert any(said.startswith("worker: no sign of life for") for said in sentences())
    assert {"config", "mirrors", "geoip/", "cloud"} <= subjects("worker", attempts=False)


@pytest.mark.parametrize("said", sorted(sentences()))
def test_every_sentence_has_an_answer(said: str) -> None:
    """Whatever line of `/readyz` an operator sees, a heading begins with it."""
    assert [key for key in KEYS if said.startswith(key)], said


def test_every_alert_has_an_answer() -> None:
    """Whatever alert wakes an operator, a heading has its name; no heading is of what is never said."""
    groups = yaml.safe_load((HANDBOOK.parent / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert alerts - set(KEYS) == set()
    assert [
        key for key in KEYS if key not in alerts and not any(said.startswith(key) for said in sentences())
    ] == []


def test_every_source_of_faults_is_explained() -> None:
    """The worker's faults are only counted in `/readyz`, by sources that the handbook explains."""
    sources = {re.split("[/ ]", subject)[0] for subject in subjects("worker", attempts=False)}
    assert sources - set(OWN_SOURCES) - set(first_cells(AT_NIGHT)) == set()


@pytest.mark.parametrize("heading", PARAGRAPHS)
def test_every_answer_is_whole(heading: str) -> None:
    """It says what it means, what to look at, what to do, and what not to do."""
    marks = re.findall(r"\*\*([^*]+)\*\*:", PARAGRAPHS[heading])
    assert marks == ["Means", "Look", "Do", "Do not"]
