"""zypper: refreshes and finds packages through the service. It takes a metalink for a list of mirrors
and does not compare repomd.xml with it, so that only the service keeps stale mirrors away from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.service import Mirrorwise
from tests.conftest import need_program


def zypper(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [need_program("zypper"), "--root", str(root), "--non-interactive", "--no-gpg-checks", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8", "ZYPP_LOGFILE": str(root / "zypper.log")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "scenario", ["fresh", "dead", *(pytest.param(s, marks=pytest.mark.slow) for s in ("stale", "damaged"))]
)
@pytest.mark.parametrize("kind", ["mirrorlist", "metalink"])
def test_refresh_and_search(tmp_path: Path, service: Mirrorwise, kind: str, scenario: str) -> None:
    """zypper ends with the current package, whether the first mirror is well, down, known to be stale,
    or serves garbage."""
    repos = tmp_path / "etc" / "zypp" / "repos.d"
    repos.mkdir(parents=True)
    (repos / "test.repo").write_text(
        "[test]\nname=test\nenabled=1\ngpgcheck=0\ntype=rpm-md\n"
        f"mirrorlist={service.url}/{kind}/9/{scenario}?arch=x86_64\n"
    )
    zypper(tmp_path, "refresh")
    assert "| 3-1 " in zypper(tmp_path, "search", "--details", "tool")
