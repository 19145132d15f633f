"""aria2, a downloader that knows metalinks: version 3, and the Link headers of RFC 6249."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import IMAGE, Repos
from tests.clients.service import Mirrorwise
from tests.conftest import need_program


def aria2(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [need_program("aria2c"), "--no-conf", f"--dir={folder}", "--max-tries=2", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scenario", ["fresh", "dead"])
def test_metalink(tmp_path: Path, service: Mirrorwise, repos: Repos, scenario: str) -> None:
    """aria2 follows the metalink to a repomd.xml with the promised hash, also past a dead mirror."""
    aria2(tmp_path, "--follow-metalink=mem", f"{service.url}/metalink/9/{scenario}?arch=x86_64")
    expected = (repos.current / "repodata" / "repomd.xml").read_bytes()
    assert (tmp_path / "repomd.xml").read_bytes() == expected


@pytest.mark.parametrize("path", ["Packages/tool-3-1.noarch.rpm", "repodata/repomd.xml"])
def test_download(tmp_path: Path, service: Mirrorwise, repos: Repos, path: str) -> None:
    """A download is the file itself, whatever the Link headers say of other places and descriptions."""
    aria2(tmp_path, f"{service.url}/download/9/fresh/x86_64/os/{path}")
    assert (tmp_path / Path(path).name).read_bytes() == (repos.current / path).read_bytes()


@pytest.mark.parametrize("name", ["rare.iso", "spoilt.iso"])
def test_image(tmp_path: Path, service: Mirrorwise, name: str) -> None:
    """The metalink of an image leads to the image that the origin has, also where the first mirrors are dead,
    do not have it, or have something else under its name."""
    aria2(tmp_path, "--follow-metalink=mem", f"{service.url}/download/9/isos/x86_64/{name}.meta4")
    assert (tmp_path / name).read_bytes() == IMAGE
