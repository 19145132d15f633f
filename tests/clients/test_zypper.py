"""zypper: refreshes and finds packages through the service. It takes a metalink for a list of mirrors
and does not compare repomd.xml with it, so that only the service keeps stale mirrors away from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest

from tests.clients.conftest import GOOD, Network
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


def zypper_finds(root: Path, source: str) -> str:
    """What zypper says of the package, with a repo file whose line `source` says where mirrors are."""
    repos = root / "etc" / "zypp" / "repos.d"
    repos.mkdir(parents=True)
    (repos / "test.repo").write_text(f"[test]\nname=test\nenabled=1\ngpgcheck=0\ntype=rpm-md\n{source}\n")
    zypper(root, "refresh")
    return zypper(root, "search", "--details", "tool")


def read_by_libzypp(body: bytes) -> list[str]:
    """The URLs that libzypp takes from a list in JSON, by its rules since version 17.37: the first character
    other than a blank tells the format, the array's objects have a text `url` each, anything else in it is
    passed over, and so is rsync."""
    assert body.lstrip(b" \t\n\r")[:1] == b"["
    entries = [entry for entry in msgspec.json.decode(body) if isinstance(entry, dict)]
    urls = [entry["url"] for entry in entries if isinstance(entry.get("url"), str)]
    assert not [url for url in urls if "$" in url]  # it leaves variables as they are
    return [url.partition("repodata/repomd.xml")[0] for url in urls if not url.startswith("rsync:")]


@pytest.mark.parametrize(
    "scenario", ["fresh", "dead", *(pytest.param(s, marks=pytest.mark.slow) for s in ("stale", "damaged"))]
)
@pytest.mark.parametrize("kind", ["mirrorlist", "metalink"])
def test_refresh_and_search(tmp_path: Path, service: Mirrorwise, kind: str, scenario: str) -> None:
    """zypper ends with the current package, whether the first mirror is well, down, known to be stale,
    or serves garbage."""
    found = zypper_finds(tmp_path, f"mirrorlist={service.url}/{kind}/9/{scenario}?arch=$basearch")
    assert "| 3-1 " in found


@pytest.mark.parametrize("parameters", ["", f"&avoid={GOOD}", "&fill=no"], ids=["all", "avoid", "fill"])
def test_the_list_for_newer_versions(
    tmp_path: Path, service: Mirrorwise, network: Network, parameters: str
) -> None:
    """What libzypp 17.37 and newer read of `format=zypp` leads zypper past a dead mirror to the package.
    Debian's zypper, which is older, is given the same URLs as text."""
    with urlopen(f"{service.url}/mirrorlist/9/dead?arch=x86_64&format=zypp{parameters}") as answer:  # noqa: S310
        urls = read_by_libzypp(answer.read())
    assert urls[0].startswith(network.hosts["a-dead.example.org"].url)
    (tmp_path / "mirrors.txt").write_text("".join(f"{url}\n" for url in urls))
    assert "| 3-1 " in zypper_finds(tmp_path, f"mirrorlist=file:{tmp_path}/mirrors.txt")


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        pytest.param(b'[{"url":"https://a.example.org/"}]', ["https://a.example.org/"], id="an array"),
        pytest.param(
            b' \n[{"url":"https://a/","other":1},{"url":2},3,{}]', ["https://a/"], id="what it passes over"
        ),
        pytest.param(b'[{"url":"rsync://a/"}]', [], id="rsync"),
        pytest.param(b'[{"url":"https://a/repodata/repomd.xml"}]', ["https://a/"], id="a file's URL"),
        pytest.param(b"[]", [], id="nothing"),
    ],
)
def test_how_libzypp_reads_arrays(body: bytes, urls: list[str]) -> None:
    """The rules of libzypp 17.37 and newer, as these tests apply them to answers."""
    assert read_by_libzypp(body) == urls


def test_an_object_is_no_list_for_libzypp(service: Mirrorwise) -> None:
    """The JSON for other programs is none that libzypp takes."""
    with urlopen(f"{service.url}/mirrorlist/9/dead?arch=x86_64&format=json") as answer:  # noqa: S310
        body = answer.read()
    with pytest.raises(AssertionError):
        read_by_libzypp(body)
