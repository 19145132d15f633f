"""The documents of the project say what is there, and all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.explain.advice import ADVICE
from app.model.fates import Exclusion
from app.settings import read_settings
from tests.conftest import ROOT
from tests.documents import first_cells, section

PLACES = (".", ".github", "app", "data", "data/examples", "nginx", "tests", "tests/benchmarks")
DOCUMENTS = [path for place in PLACES for path in sorted((ROOT / place).glob("*.md"))]


def test_every_reason_is_explained_to_mirror_admins() -> None:
    """A mirror admin finds each reason for which a mirror is left out, in the order of the program, and with
    the sentences that the mirror's page has."""
    chapter = section(ROOT / "README.md", "## For mirror admins")
    table = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", chapter, re.MULTILINE)
    assert table == [(reason.value, *ADVICE[reason]) for reason in Exclusion]


def test_every_setting_is_in_the_table() -> None:
    """The variables that are read are those of the README's table."""
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: object = None) -> str:
            read.add(name)
            return ""

    read_settings(Environment())
    assert set(first_cells(section(ROOT / "README.md", "## Settings"))) == read


def test_every_file_for_nginx_is_explained() -> None:
    """nginx/README.md says what each of the site's files is for."""
    files = {path.name for path in (ROOT / "nginx").glob("*.conf")}
    assert set(first_cells(section(ROOT / "nginx" / "README.md", "## The files"))) == files


def test_every_folder_of_the_data_folder_is_explained() -> None:
    """data/README.md names whatever lies in data/."""
    named = " ".join(first_cells(section(ROOT / "data" / "README.md", "# The data folder")))
    there = {path.name for path in (ROOT / "data").iterdir()} - {"README.md", "__pycache__"}
    assert {name for name in there if not re.search(rf"\b{re.escape(name)}\b", named)} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every link to a file of the project, and to a heading in it, finds it."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def anchors(document: Path) -> set[str]:
    """Of a document's headings, as the usual hosts of repositories make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
