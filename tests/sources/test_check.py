"""The check of a whole data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.model import Severity
from app.sources.check import check
from tests.sources.samples import CONFIG, LOCATED

GOOD_STATE = '{"mirror": "mirror.example.org", "probed_at": "2026-11-20T10:15:00Z", "status": "ok"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound data folder with one mirror."""
    (tmp_path / "config.yml").write_text(CONFIG)
    (tmp_path / "mirrors.d").mkdir()
    (tmp_path / "mirrors.d" / "mirror.example.org.yml").write_text(LOCATED)
    (tmp_path / "state" / "mirrors").mkdir(parents=True)
    (tmp_path / "state" / "mirrors" / "mirror.example.org.json").write_text(GOOD_STATE)
    (tmp_path / "state" / "round.json").write_text('{"completed_at": "2026-11-20T10:15:00Z"}')
    (tmp_path / "state" / "repos.json").write_text("{}")
    (tmp_path / "state" / "mirmon.state").write_text("http://mirror.example.org/alma/ 1 ok 1 s 1-s 1\n")
    return tmp_path


def test_a_sound_folder_has_no_findings(folder: Path) -> None:
    """Config, mirrors and probers' files are all in order."""
    assert check(folder) == []


def test_findings_are_sorted_and_name_the_file_from_where_one_stands(folder: Path) -> None:
    """By file and line, so that an editor or a CI can jump there; .yaml files count."""
    (folder / "config.yml").write_text(CONFIG + "colour: blue\n")
    (folder / "mirrors.d" / "b.yaml").write_text(f"{LOCATED}asn: x\n".replace("mirror.ex", "b.ex"))
    (folder / "mirrors.d" / "a.yml").write_text("")
    (folder / "mirrors.d" / ".#a.yml").write_text("an editor's")
    assert [(finding.file, finding.line, finding.severity) for finding in check(folder)] == [
        (f"{folder}/config.yml", 21, Severity.WARNING),
        (f"{folder}/mirrors.d/a.yml", 1, Severity.FAULT),
        (f"{folder}/mirrors.d/b.yaml", 1, Severity.WARNING),
        (f"{folder}/mirrors.d/b.yaml", 5, Severity.FAULT),
    ]


def test_a_city_that_is_not_found_is_a_warning_with_its_line(folder: Path) -> None:
    """Unless there are coordinates, which make the city's name a mere description."""
    path = folder / "mirrors.d" / "mirror.example.org.yml"
    text = LOCATED.replace("{country: DE, city: Berlin}", "\n  country: DE\n  city: Berlinnn")
    path.write_text(text)
    [finding] = check(folder)
    assert (finding.severity, finding.line) == (Severity.WARNING, 6)
    assert '"Berlinnn"' in finding.message
    path.write_text(f"{text}latitude: 52.5\nlongitude: 13.4\n")
    assert check(folder) == []


def test_faults_across_files_have_a_line(folder: Path) -> None:
    """A second mirror of the same name and URL is named where it says so."""
    (folder / "mirrors.d" / "second.yml").write_text("---\n" + LOCATED)
    found = [(finding.line, finding.severity) for finding in check(folder)]
    assert found == [(2, Severity.FAULT), (2, Severity.WARNING), (3, Severity.WARNING)]


def test_a_broken_config_is_all_there_is_to_say(folder: Path) -> None:
    """Mirrors cannot be judged without it."""
    (folder / "config.yml").write_text("config_version: 3\n")
    (folder / "mirrors.d" / "mirror.example.org.yml").write_text("")
    findings = check(folder)
    assert findings
    assert {finding.file for finding in findings} == {f"{folder}/config.yml"}


@pytest.mark.parametrize(
    "name", ["state/mirrors/mirror.example.org.json", "state/round.json", "state/repos.json"]
)
def test_a_damaged_state_file_is_a_fault(folder: Path, name: str) -> None:
    """It is named with its folder."""
    (folder / name).write_text("{")
    [finding] = check(folder)
    assert (finding.file, finding.severity) == (f"{folder}/{name}", Severity.FAULT)


def test_mirmons_file_is_checked(folder: Path) -> None:
    """Lines that nobody could use are warnings."""
    (folder / "state" / "mirmon.state").write_text("nonsense\n")
    [finding] = check(folder)
    assert (finding.file, finding.line) == (f"{folder}/state/mirmon.state", 1)


def test_a_folder_without_mirrors_is_a_fault(folder: Path) -> None:
    """It would serve nobody; most likely it is the wrong folder."""
    (folder / "mirrors.d" / "mirror.example.org.yml").unlink()
    [fault] = [finding for finding in check(folder) if finding.severity is Severity.FAULT]
    assert str(fault) == f"{folder}/mirrors.d: fault: there is no usable mirror file in this folder"


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    """There is no config."""
    [finding] = check(tmp_path)
    assert str(finding) == f"{tmp_path}/config.yml: fault: the file cannot be read: No such file or directory"
