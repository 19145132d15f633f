"""The newest clients that Debian has: dnf, dnf5, zypper and librepo, in a folder of their own. .ci/run makes
the folder, and MIRRORWISE_NEWER_CLIENTS names it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Network
from tests.clients.crawler import SCRIPT
from tests.clients.service import Mirrorwise

SOURCES = [
    pytest.param("mirrorlist={url}/mirrorlist/9/{repo}?arch=x86_64", id="mirrorlist"),
    pytest.param("metalink={url}/metalink/9/{repo}?arch=x86_64", id="metalink"),
]


class NewerClients:
    """The programs of a Debian, which run with its folder as their root. `shared` is a folder for files of
    the test, named as these programs see it."""

    def __init__(self, root: Path, shared: Path) -> None:
        self.root = root
        self.shared = shared

    def run(self, *command: str, given: str = "") -> str:
        done = subprocess.run(
            ["chroot", str(self.root), *command],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "LC_ALL": "C.UTF-8",
                "ZYPP_LOGFILE": "/zl",
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, name: str, text: str) -> None:
        path = self.root / str(self.shared / name).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def newer(tmp_path: Path) -> Iterator[NewerClients]:
    root = os.environ.get("MIRRORWISE_NEWER_CLIENTS")
    if root is None:
        pytest.skip("MIRRORWISE_NEWER_CLIENTS names no folder with newer clients")
    if os.getuid() != 0:
        pytest.skip("only root can run programs with another root")
    debian = NewerClients(Path(root), Path("/mirrorwise") / tmp_path.name)
    yield debian
    shutil.rmtree(debian.root / str(debian.shared).lstrip("/"), ignore_errors=True)


@pytest.mark.slow
def test_librepo(newer: NewerClients, service: Mirrorwise) -> None:
    """librepo takes from a list and from a metalink what the service means to give, in this order."""
    asked = [
        [f"{service.url}/{kind}/9/fresh?arch=x86_64", kind, False] for kind in ("mirrorlist", "metalink")
    ]
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    found = [
        json.loads(line) for line in newer.run("python3", "-c", SCRIPT.read_text(), given=lines).splitlines()
    ]
    assert [one["error"] for one in found] == [None, None]
    assert found[0]["mirrors"] == found[1]["mirrors"]
    assert len(found[0]["mirrors"]) == 3
    assert found[1]["metalink"]["filename"] == "repomd.xml"


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["fresh", "dead"])
@pytest.mark.parametrize("kind", ["mirrorlist", "metalink"])
def test_zypper(newer: NewerClients, service: Mirrorwise, network: Network, kind: str, scenario: str) -> None:
    """zypper finds the current package, also where the first mirror is down, if its repo file names the
    origin as well. Without a `baseurl`, libzypp 17.38 reads metadata from the first URL of a list alone."""
    lines = [
        *("[test]", "name=test", "enabled=1", "gpgcheck=0", "type=rpm-md"),
        f"baseurl={network.origin.url}9.8/{scenario}/x86_64/os/",
        f"mirrorlist={service.url}/{kind}/9/{scenario}?arch=x86_64",
    ]
    newer.write("zypp/etc/zypp/repos.d/test.repo", "\n".join(lines) + "\n")
    zypper = ("zypper", "--root", str(newer.shared / "zypp"), "--non-interactive", "--no-gpg-checks")
    newer.run(*zypper, "refresh")
    assert "| 3-1 " in newer.run(*zypper, "search", "--details", "tool")


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["fresh", "dead"])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("program", ["dnf", "dnf5"])
def test_dnf(newer: NewerClients, service: Mirrorwise, program: str, source: str, scenario: str) -> None:
    """dnf and dnf5 find the current package, also where the first mirror is down."""
    line = source.format(url=service.url, repo=scenario)
    newer.write("dnf/repos/test.repo", f"[test]\nname=test\n{line}\ngpgcheck=0\nretries=2\n")
    newer.write("dnf/dnf.conf", "[main]\ngpgcheck=0\n")
    newer.write("dnf/log/.keep", "")
    folder = newer.shared / "dnf"
    paths = {"reposdir": "repos", "cachedir": "cache", "logdir": "log", "varsdir": "vars"}
    found = newer.run(
        *(program, "-y", "--quiet", f"--config={folder}/dnf.conf", f"--installroot={folder}/root"),
        *("--releasever=9", "--forcearch=x86_64", "--setopt=plugins=0"),
        *(f"--setopt={option}={folder}/{name}" for option, name in paths.items()),
        *("repoquery", "--qf", "%{version}\n", "tool"),
    )
    assert found.strip() == "3"
