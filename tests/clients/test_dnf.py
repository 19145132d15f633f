"""dnf itself: its list from the service, its packages from mirrors of which the first has a fault."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.clients.conftest import GOOD, IPV6, ORIGIN, SECURE, Network
from tests.clients.hosts import Certificate, Host, front
from tests.clients.service import Mirrorwise
from tests.conftest import need_program


class Dnf:
    """dnf with everything it reads and writes in a folder of its own."""

    def __init__(self, folder: Path, source: str, *options: str) -> None:
        """`source` is the repo file's line that says where mirrors are; `options` are further ones."""
        self.folder = folder
        for name in ("cache", "log", "persist", "repos", "root", "vars"):
            (folder / name).mkdir()
        (folder / "dnf.conf").write_text("[main]\ngpgcheck=0\n")
        lines = ["[test]", "name=test", source, "gpgcheck=0", "retries=2", *options, ""]
        (folder / "repos" / "test.repo").write_text("\n".join(lines))

    def run(self, *arguments: str) -> str:
        """What it printed; a failure of dnf is one of the test."""
        paths = {"reposdir": "repos", "cachedir": "cache", "logdir": "log", "persistdir": "persist"}
        done = subprocess.run(
            [need_program("dnf"), "-y", "--quiet", f"--config={self.folder}/dnf.conf"]
            + [f"--installroot={self.folder}/root", "--releasever=9", "--forcearch=x86_64"]
            + [f"--setopt={option}={self.folder}/{name}" for option, name in paths.items()]
            + [f"--setopt=varsdir={self.folder}/vars", "--disableplugin=*"]
            + ["--disablerepo=*", "--enablerepo=test", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def version(self) -> str:
        """The version of "tool" that the metadata has."""
        return self.run("repoquery", "--qf", "%{version}", "tool").strip()

    def download(self) -> list[str]:
        """The packages that "dnf install tool" would install, downloaded and verified."""
        target = self.folder / "packages"
        self.run("install", "--downloadonly", f"--destdir={target}", "tool")
        return sorted(path.name for path in target.glob("*.rpm"))


LISTS = {
    "mirrorlist in the path": "mirrorlist={url}/mirrorlist/$releasever/{repo}?arch=$basearch",
    "mirrorlist without arch": "mirrorlist={url}/mirrorlist/$releasever/{repo}",
    "mirrorlist as MirrorManager's": "mirrorlist={url}/mirrorlist?repo={repo}-$releasever&arch=$basearch",
    "mirrorlist by path": "mirrorlist={url}/mirrorlist?path=$releasever/{repo}/$basearch/os/",
    "mirrorlist as CentOS's": (
        "mirrorlist={url}/?release=$releasever&arch=$basearch&repo={repo}&infra=stock&cc="
    ),
}
METALINKS = {
    "metalink in the path": "metalink={url}/metalink/$releasever/{repo}?arch=$basearch",
    "metalink as MirrorManager's": "metalink={url}/metalink?repo={repo}-$releasever&arch=$basearch",
}
PATH_FORMS = [LISTS["mirrorlist in the path"], METALINKS["metalink in the path"]]


@pytest.mark.parametrize("form", [pytest.param(f, id=name) for name, f in {**LISTS, **METALINKS}.items()])
def test_every_url_form(tmp_path: Path, service: Mirrorwise, form: str) -> None:
    """dnf makes its cache from any of the URL forms, $releasever and $basearch filled in by itself."""
    dnf = Dnf(tmp_path, form.format(url=service.url, repo="fresh"))
    dnf.run("makecache")
    assert dnf.version() == "3"


@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
@pytest.mark.parametrize("scenario", ["dead", "damaged"])
def test_first_mirror_fails(tmp_path: Path, service: Mirrorwise, form: str, scenario: str) -> None:
    """The first mirror is down, or its metadata and packages are garbage: dnf goes on to the next."""
    dnf = Dnf(tmp_path, form.format(url=service.url, repo=scenario))
    assert dnf.version() == "3"
    assert dnf.download() == ["tool-3-1.noarch.rpm"]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["unnoticed", "wrong"])
def test_metalink_refuses_unnoticed_faults(
    tmp_path: Path, service: Mirrorwise, network: Network, scenario: str
) -> None:
    """The first mirror has become stale, or serves something else, since it was probed: its repomd.xml
    is not one of the metalink's, so that dnf takes the next mirror."""
    dnf = Dnf(tmp_path, METALINKS["metalink in the path"].format(url=service.url, repo=scenario))
    assert dnf.version() == "3"
    first = network.hosts[f"a-{scenario}.example.org"]
    assert f"/9.8/{scenario}/x86_64/os/repodata/repomd.xml" in first.asked
    assert dnf.download() == ["tool-3-1.noarch.rpm"]


@pytest.mark.slow
@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_stale_mirror_is_not_listed(tmp_path: Path, service: Mirrorwise, network: Network, form: str) -> None:
    """A mirror whose content the prober found stale is not in the list: nobody asks it for anything."""
    dnf = Dnf(tmp_path, form.format(url=service.url, repo="stale"))
    assert dnf.version() == "3"
    assert network.hosts["a-stale.example.org"].asked == []


@pytest.mark.slow
@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_mirror_one_version_behind(tmp_path: Path, service: Mirrorwise, network: Network, form: str) -> None:
    """A mirror that has what the origin had within the grace period is used, metalink or not: the
    older version is one of the metalink's alternates."""
    network.hosts["a-behind.example.org"].asked.clear()
    dnf = Dnf(tmp_path, form.format(url=service.url, repo="behind"))
    assert dnf.version() == "2"
    assert dnf.download() == ["tool-2-1.noarch.rpm"]
    assert any(path.endswith(".rpm") for path in network.hosts["a-behind.example.org"].asked)


@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_the_origin_behind_dead_mirrors(
    tmp_path: Path, service: Mirrorwise, network: Network, form: str
) -> None:
    """The only mirror in the list is down: dnf goes on to the origin behind it."""
    network.origin.asked.clear()
    url = form.format(url=service.url, repo="dead") + f"&avoid={GOOD}"
    assert Dnf(tmp_path, url).version() == "3"
    assert "/9.8/dead/x86_64/os/repodata/repomd.xml" in network.origin.asked


def test_a_client_that_is_stuck(tmp_path: Path, service: Mirrorwise, network: Network) -> None:
    """A mirror that has become stale unnoticed is first in the list, and dnf takes what it has: `avoid=` in
    the URL leads to the next one."""
    first = network.hosts["a-unnoticed.example.org"]
    first.asked.clear()
    url = LISTS["mirrorlist in the path"].format(url=service.url, repo="unnoticed")
    assert Dnf(tmp_path, f"{url}&avoid=a-unnoticed.example.org&fill=no").version() == "3"
    assert first.asked == []


@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_countme_in_the_url(tmp_path: Path, service: Mirrorwise, form: str) -> None:
    """A countme parameter changes nothing for the client."""
    dnf = Dnf(tmp_path, form.format(url=service.url, repo="fresh") + "&countme=3")
    assert dnf.version() == "3"


@pytest.mark.slow
@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_countme_as_dnf_sends_it(tmp_path: Path, noted: Host, form: str) -> None:
    """dnf adds countme by itself to one request a week, a random one of the first few: all are
    answered, the one with it too."""
    if os.geteuid() != 0:
        pytest.skip("dnf sends countme only when root runs it")
    dnf = Dnf(tmp_path, form.format(url=noted.url.rstrip("/"), repo="fresh"), "countme=1")
    for _ in range(12):
        dnf.run("makecache", "--refresh")
        counted = [parse_qs(urlsplit(target).query).get("countme") for target in noted.asked]
        if any(counted):
            break
    assert counted[-1] in (["1"], ["2"], ["3"], ["4"]), noted.asked
    assert dnf.version() == "3"


@pytest.mark.slow
@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_https_all_the_way(
    tmp_path: Path, service: Mirrorwise, certificate: Certificate, network: Network, form: str
) -> None:
    """The list over https, and the packages from an https mirror, with a certificate authority that
    only the repo file knows."""
    secure = front(service.port, tls=certificate.context)
    try:
        url = secure.url.rstrip("/")
        dnf = Dnf(tmp_path, form.format(url=url, repo=SECURE), f"sslcacert={certificate.authority}")
        assert dnf.version() == "3"
        assert dnf.download() == ["tool-3-1.noarch.rpm"]
    finally:
        secure.stop()
    assert any(path.endswith(".rpm") for path in network.hosts["y-secure.example.org"].asked)


@pytest.mark.slow
@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_ipv6_all_the_way(
    tmp_path: Path, service: Mirrorwise, network: Network, ipv6: str, form: str
) -> None:
    """The list from an address in brackets, the packages from a mirror at one."""
    before = front(service.port, ipv6)
    try:
        dnf = Dnf(tmp_path, form.format(url=before.url.rstrip("/"), repo=IPV6))
        assert dnf.version() == "3"
        assert dnf.download() == ["tool-3-1.noarch.rpm"]
    finally:
        before.stop()
    assert any(path.endswith(".rpm") for path in network.hosts["y-ipv6.example.org"].asked)


@pytest.mark.slow
@pytest.mark.parametrize("form", PATH_FORMS, ids=["mirrorlist", "metalink"])
def test_nobody_eligible(tmp_path: Path, service: Mirrorwise, network: Network, form: str) -> None:
    """With no mirror for the question dnf gets the origin, and not an error that it would retry."""
    dnf = Dnf(tmp_path, form.format(url=service.url, repo=ORIGIN))
    assert dnf.version() == "3"
    assert f"/9.8/{ORIGIN}/x86_64/os/repodata/repomd.xml" in network.origin.asked
