"""aria2, a downloader that knows metalinks: version 3, and the Link headers of RFC 6249."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import IMAGE, Repos
from tests.clients.service import Mirrorwise
from tests.conftest import need_program

CHECKSUM_ERROR = 32


def aria2(folder: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [need_program("aria2c"), "--no-conf", f"--dir={folder}", "--max-tries=2", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


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


@pytest.mark.parametrize("ending", ["", ".meta4"])
def test_image(tmp_path: Path, service: Mirrorwise, ending: str) -> None:
    """An image and its metalink lead to the image that the origin has, also past mirrors that do not have it
    and dead ones."""
    aria2(tmp_path, "--follow-metalink=mem", f"{service.url}/download/9/isos/x86_64/rare.iso{ending}")
    assert (tmp_path / "rare.iso").read_bytes() == IMAGE


@pytest.mark.parametrize("ending", ["", ".meta4"])
def test_spoilt_image(tmp_path: Path, service: Mirrorwise, ending: str) -> None:
    """An image that is something else on the mirror is refused, by the checksum in the redirect's header as
    by that in the metalink."""
    url = f"{service.url}/download/9/isos/x86_64/spoilt.iso{ending}"
    said = aria2(tmp_path, "--follow-metalink=mem", url, status=CHECKSUM_ERROR)
    assert "Checksum error detected" in said
