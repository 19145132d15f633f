"""What lies in the data folder, looks like an input, and is read by no program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.model import Severity
from app.sources.check import check
from tests.clouds import samples as cloud_samples
from tests.sources.samples import CONFIG, LOCATED

OTHER = LOCATED.replace("mirror.example.org", "other.example.org")
BROKEN = OTHER + "asn: [\n"
STATE = '{"mirror": "other.example.org", "probed_at": "2026-11-20T10:15:00Z", "status": "ok"}'
RANGES = cloud_samples.gcp([("192.0.2.0/24", "us-east1")]).decode()
COUNTS = "place,clients\nDE,5\n"
IN_MIRRORS = "mirror files are read from mirrors.d/ itself, under names that end in .yml or .yaml"
IN_CLOUD = "cloud range files are read from cloud/ itself, under names that end in .json"
IN_STATES = "mirror state files are read from state/mirrors/ itself, under names that end in .json"

UNREAD = {
    "no ending": ("mirrors.d/other.example.org", OTHER, IN_MIRRORS),
    "no ending, and broken": ("mirrors.d/other.example.org", BROKEN, IN_MIRRORS),
    "capitals": ("mirrors.d/other.example.org.YML", OTHER, IN_MIRRORS),
    "a letter lost": ("mirrors.d/other.example.org.ym", OTHER, IN_MIRRORS),
    "letters swapped": ("mirrors.d/other.example.org.ymal", OTHER, IN_MIRRORS),
    "suspended": ("mirrors.d/other.example.org.yml.suspended", OTHER, IN_MIRRORS),
    "an editor's backup": ("mirrors.d/other.example.org.yml~", OTHER, IN_MIRRORS),
    "a person's backup": ("mirrors.d/other.example.org.yml.bak", OTHER, IN_MIRRORS),
    "saved as a text": ("mirrors.d/other.example.org.yml.txt", OTHER, IN_MIRRORS),
    "a copy by number": ("mirrors.d/other.example.org.yml_2", OTHER, IN_MIRRORS),
    "empty, with a wrong ending": ("mirrors.d/other.example.org.yml.new", "", IN_MIRRORS),
    "a folder in the folder": ("mirrors.d/eu/other.example.org.yml", OTHER, IN_MIRRORS),
    "folders in the folder": ("mirrors.d/eu/de/other.example.org.yml", OTHER, IN_MIRRORS),
    "a folder of almost the name": ("mirror.d/other.example.org.yml", OTHER, IN_MIRRORS),
    "a folder of another name": ("mirrors/other.example.org.yml", BROKEN, IN_MIRRORS),
    "beside config.yml": ("other.example.org.yaml", "# new\n---\n" + OTHER, IN_MIRRORS),
    "among the states": ("state/mirrors/other.example.org.yml", OTHER, IN_MIRRORS),
    "a second config": ("config.yaml", CONFIG, "what is read is config.yml"),
    "a config in capitals": ("Config.yml", CONFIG, "what is read is config.yml"),
    "almost the counts": ("place.csv", COUNTS, "what is read is places.csv"),
    "counts with another ending": ("places.txt", COUNTS, "what is read is places.csv"),
    "counts among the states": ("state/places.csv", COUNTS, "what is read is places.csv"),
    "mirmon's file beside config.yml": ("mirmon.state", "x", "what is read is state/mirmon.state"),
    "mirmon's file with an ending": ("state/mirmon.state.txt", "x", "what is read is state/mirmon.state"),
    "almost the origin's facts": ("state/repo.json", "{}", "what is read is state/repos.json"),
    "the round beside config.yml": ("round.json", "{}", "what is read is state/round.json"),
    "ranges saved as a text": ("cloud/gcp.json.txt", RANGES, IN_CLOUD),
    "ranges without an ending": ("cloud/gcp", RANGES, IN_CLOUD),
    "ranges in capitals": ("cloud/gcp.JSON", "{", IN_CLOUD),
    "ranges beside config.yml": ("gcp.json", RANGES, IN_CLOUD),
    "ranges in another folder": ("clouds/gcp.json", RANGES, IN_CLOUD),
    "a state beside its folder": ("state/other.example.org.json", STATE, IN_STATES),
    "a state in another folder": ("state/mirror/other.example.org.json", STATE, IN_STATES),
    "a backup of a state": ("state/mirrors/other.example.org.json.bak", STATE, IN_STATES),
    "a state in other capitals": (
        "state/mirrors/Mirror.example.org.json",
        STATE.replace("other", "Mirror"),
        'the mirror "mirror.example.org" is read from mirror.example.org.json',
    ),
}

HARMLESS = {
    "README.md": "name: of the network\naddress: none\n",
    "LICENSE": "MIT",
    "Makefile": "check:\n\tmirrorwise check .\n",
    ".gitignore": "state/\n",
    ".github/workflows/check.yml": "name: check\naddress: none\n",
    "action.yml": "name: check\nruns: {using: composite}\n",
    "config.yml.example": CONFIG,
    "config.yml~": CONFIG,
    "mirrors.d/README.md": f"# Mirrors\n\nA file for each, such as\n\n```yaml\n{OTHER}```\n",
    "mirrors.d/.gitkeep": "",
    "mirrors.d/.other.example.org.yml.swp": OTHER,
    "mirrors.d/CODEOWNERS": "* @mirrors\n",
    "mirrors.d/schema.xml": "<x/>",
    "examples/mirror.yml": OTHER,
    "docs/cloud/gcp.json": RANGES,
    "scripts/check.py": "name: 1\naddress: 2\n",
    "cloud/README": "from `mirrorwise ranges update`",
    "state/origin.json": "{}",
    "state/probe/mirror.example.org.json": "{}",
    "state/mirrors/gone.example.org.json": STATE.replace("other", "gone"),
    "geoip/asn.mmdb": "",
    "package.json": "{}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound data folder with one mirror."""
    write(tmp_path, "config.yml", CONFIG)
    write(tmp_path, "mirrors.d/mirror.example.org.yml", LOCATED)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def check_output(folder: Path) -> Result:
    """Of `mirrorwise check`."""
    return CliRunner().invoke(main, ["check", str(folder)])


@pytest.mark.parametrize(("name", "text", "expected"), UNREAD.values(), ids=UNREAD)
def test_what_no_program_reads_is_named(folder: Path, name: str, text: str, expected: str) -> None:
    """One warning, at the file, that says what would be read."""
    write(folder, name, text)
    [finding] = check(folder)
    assert (finding.severity, finding.file) == (Severity.WARNING, str(folder / name))
    assert expected in finding.message


def test_check_names_all_of_them_at_once(folder: Path) -> None:
    """The command says each on a line of its own, and they break no pull request."""
    names = {name for name, _, _ in UNREAD.values()} - {"state/repo.json", "places.txt", "state/places.csv"}
    for name, text, _ in UNREAD.values():
        write(folder, name, text)
    done = check_output(folder)
    assert done.exit_code == 0, done.stdout
    assert {name for name in names if f"{folder}/{name}: warning: " not in done.stdout} == set()


@pytest.mark.parametrize("name", HARMLESS)
def test_other_files_may_lie_there(folder: Path, name: str) -> None:
    """Notes, licences, samples, hidden files, backups of what is there, and what the prober keeps."""
    write(folder, name, HARMLESS[name])
    assert check(folder) == []


def test_a_folder_is_named_once(folder: Path) -> None:
    """With how many files there are, not with each."""
    for number in range(30):
        write(folder, f"mirrors.d/eu/m{number:02}.yml", OTHER)
    [finding] = check(folder)
    assert finding.file == f"{folder}/mirrors.d/eu"
    assert finding.message.startswith('30 files in this folder, such as "m00.yml", look like mirror files')


def test_without_a_config_its_likely_file_is_named(folder: Path) -> None:
    """The fault says what is missing, the warning where it may be."""
    (folder / "config.yml").rename(folder / "config.yaml")
    done = check_output(folder)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        f"{folder}/config.yaml: warning: no program reads this file; what is read is config.yml",
        f"{folder}/config.yml: fault: the file cannot be read: No such file or directory",
    ]


def test_links_are_known_by_what_they_lead_to(folder: Path) -> None:
    """A folder of mirrors may be a link, as deployments from git make it, and so may files. A mirror file
    that is a link to nothing is at fault; elsewhere such a link is no input."""
    (folder / "mirrors.d").rename(folder / "checkout")
    (folder / "mirrors.d").symlink_to("checkout")
    (folder / "config.yml").rename(folder / "config.prod.yml")
    (folder / "config.yml").symlink_to("config.prod.yml")
    assert check(folder) == []
    (folder / "checkout" / "gone.yml").symlink_to("nowhere")
    (folder / "notes.txt").symlink_to("nowhere")
    write(folder, "checkout/other.example.org", OTHER)
    found = {(finding.file, finding.message.partition(";")[0]) for finding in check(folder)}
    problem = "the file cannot be read: No such file or directory"
    assert found == {
        (f"{folder}/mirrors.d/gone.yml", problem),
        (f"{folder}/mirrors.d/other.example.org", "no program reads this file"),
    }


def test_a_pipe_or_a_closed_folder_holds_nothing_up(folder: Path) -> None:
    """Whatever lies there, the check ends."""
    os.mkfifo(folder / "mirrors.d" / "pipe.yml.bak")
    write(folder, "closed/other.yml", OTHER)
    (folder / "closed").chmod(0)
    try:
        assert [finding.file for finding in check(folder)][-1] == f"{folder}/mirrors.d/pipe.yml.bak"
    finally:
        (folder / "closed").chmod(0o700)
