"""`mirrorwise import`: a data folder to start from, and what it serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.settings import read_settings
from app.store import file_store
from app.worker.loop import Worker
from app.worker.running import run_once
from tests.conftest import ROOT
from tests.servers import environ
from tests.sources.foreign.caches import Host, Site, fedora
from tests.sources.foreign.test_mirrorbits import MIRROR
from tests.web.asking import application_of, asking


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module", params=[20])
def site(request: pytest.FixtureRequest) -> Site:
    return fedora(request.param)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, site: Site) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("imported")
    cache = site.write(folder / "mirrorlist_cache.proto")
    return folder / "network", run("import", "mirrormanager", cache, "--to", folder / "network")


def mirrors(site: Site) -> list[Host]:
    """The hosts that have more than an archive."""
    return [host for host in site.hosts.values() if {"fedora", "epel"} & host.urls.keys()]


def test_what_is_written_is_sound(imported: tuple[Path, Result], site: Site) -> None:
    """`mirrorwise check` finds no fault in it."""
    folder, result = imported
    assert result.exit_code == 0, result.output
    assert f"written: {len(mirrors(site))} mirrors" in result.output
    assert f"mirrorwise check {folder}" in result.output
    checked = run("check", folder)
    assert checked.exit_code == 0, checked.output


@pytest.mark.slow
@pytest.mark.parametrize("site", [400], indirect=True)
def test_what_was_imported_is_served(imported: tuple[Path, Result], site: Site, tmp_path: Path) -> None:
    """Each name and arch of the cache is answered with the directories of the hosts that MirrorManager would
    give, and of no others."""
    folder, _ = imported
    variables = environ(folder, tmp_path, GEOIP_CITY=str(ROOT / "data" / "geoip" / "city.mmdb"))
    settings = read_settings(variables)
    assert run_once(Worker(settings, file_store(tmp_path)))
    ask = asking(application_of(settings, tmp_path))
    for category, known in site.repositories.items():
        for (name, arch), below in known.items():
            answer = ask(f"/mirrorlist?repo={name}&arch={arch}&limit=50&country=global")
            if name in site.disabled:
                assert answer.status == 404
                continue
            directories = {
                f"{url}/{below}/"
                for host in mirrors(site)
                for url in host.urls.get(category, ())
                if not host.private and not host.allowed
            }
            listed = answer.body.decode().split()
            assert answer.status == 200, answer.body
            assert set(listed) <= directories
            assert len(listed) == min(
                50, len({url.partition("://")[2] for url in directories if url[:4] == "http"})
            )


def test_mirrorbits(tmp_path: Path) -> None:
    """Its mirrors, in a config like that of `mirrorwise init`."""
    path = tmp_path / "mirror.yml"
    path.write_text(MIRROR)
    result = run("import", "mirrorbits", path, "--to", tmp_path / "network")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "network" / "mirrors.d" / "mirror.example.org.yml").exists()
    assert run("check", tmp_path / "network").exit_code == 0


@pytest.mark.parametrize("service", ["mirrormanager", "mirrorbits"])
def test_a_file_that_is_not_there(tmp_path: Path, service: str) -> None:
    """It is named, and nothing is written."""
    result = run("import", service, tmp_path / "none", "--to", tmp_path / "network")
    assert result.exit_code == 1 and "none" in result.stderr
    assert not (tmp_path / "network").exists()
