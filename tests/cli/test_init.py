"""`mirrorwise init`: what a new data folder begins with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from tests.conftest import ROOT
from tests.documents import first_cells, section

CONFIG, MIRROR = "config.yml", "mirrors.d/mirror.example.org.yml"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "new" / "network"
    assert run("init", folder).exit_code == 0
    return folder


def test_what_it_writes_is_sound(folder: Path) -> None:
    """Config and mirror pass the strictest check, and git ignores what programs write."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {CONFIG, MIRROR, ".gitignore"}
    result = run("check", folder, "--strict")
    assert (result.exit_code, result.output) == (0, "0 faults, 0 warnings\n")
    ignored = (folder / ".gitignore").read_text().splitlines()
    assert {"/state/", "/cloud/", "/geoip/"} <= set(ignored)


def test_it_says_what_comes_next(tmp_path: Path) -> None:
    """The files that were written, and commands that can be copied."""
    said = run("init", tmp_path / "n").stdout
    assert said.startswith(f"written: {tmp_path / 'n' / CONFIG}\n")
    assert f"MIRRORWISE_DATA={tmp_path / 'n'} MIRRORWISE_VAR=var/n mirrorwise up" in said
    for path in re.findall(r"(?<=in )(/\S+?)[;.]?(?=\s)", said):
        assert Path(path).exists(), path


@pytest.mark.parametrize("there", [CONFIG, MIRROR, ".gitignore"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    """If one of the files is there, it is named, and none is written."""
    path = tmp_path / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    result = run("init", tmp_path)
    assert result.exit_code == 1
    assert f"{path}: fault: is there already" in result.stderr
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert path.read_text() == "mine"


def test_other_files_may_be_there(tmp_path: Path) -> None:
    """As in a clone that has just been made."""
    (tmp_path / "README.md").write_text("My mirrors\n")
    (tmp_path / ".git").mkdir()
    assert run("init", tmp_path).exit_code == 0


@pytest.mark.parametrize(("name", "heading"), [(CONFIG, "## config.yml"), (MIRROR, "## mirrors.d/*.yml")])
def test_every_key_is_shown(folder: Path, name: str, heading: str) -> None:
    """Each key that the documents name stands in the file, written or behind `#`."""
    text = (folder / name).read_text()
    documented = {key.split(".")[-1] for key in first_cells(section(ROOT / "data" / "README.md", heading))}
    left_out = {"<name>", "release", "repo", "disabled", "address_optional", "ftp", "vault"}  # told in words
    left_out |= {"products", "<product>", "path"}  # for networks of another kind
    missing = {key for key in documented if not re.search(rf"^[# -]*{key}:", text, re.MULTILINE)}
    assert missing <= left_out


@pytest.mark.parametrize("name", [CONFIG, MIRROR])
def test_what_stands_behind_a_hash_is_sound(folder: Path, name: str) -> None:
    """Every optional key can be taken as it is shown: none is misspelt or misplaced."""
    path = folder / name
    text = re.sub(r"^#( *)(?=[a-z_]+:( |$))", r"\1", path.read_text(), flags=re.MULTILINE)
    assert text.count("\n#") < path.read_text().count("\n#")
    path.write_text(text)
    result = run("check", folder)
    assert result.exit_code == 0, result.output
    assert "is not known" not in result.stdout
