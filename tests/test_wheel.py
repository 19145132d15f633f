"""What is installed is whole: a wheel in an empty environment, away from the clone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, free_port, wait_until
from tests.servers import OURS

pytestmark = pytest.mark.slow

PIP = (sys.executable, "-m", "pip")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this clone, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [*PIP, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True, cwd=folder)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mirrorwise`, installed from the wheel in an environment of its own. Its dependencies are those of
    ours, by a path on which no editable installation is found."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = [*PIP, "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, cwd=folder)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "mirrorwise"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in that has nothing but somebody else's `app`, with none of our variables set."""
    for name in [name for name in os.environ if OURS.fullmatch(name) or name == "PYTHONPATH"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("app").mkdir()
    Path("app/__init__.py").write_text("raise SystemExit('this is another program')\n")
    return tmp_path


def run(program: Path, *arguments: str) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_brings_what_lies_beside_the_code(wheel: Path) -> None:
    """The nginx site, the sample network and all examples, file by file; tests are left out."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    found = [path for folder in ("app", "data", "nginx") for path in (ROOT / folder).rglob("*")]
    files = [path for path in found if path.is_file() and "__pycache__" not in path.parts]
    paths = {str(path.relative_to(ROOT)) for path in files}
    assert len(paths) > 200
    expected = {path if path.startswith("app/") else f"app/{path}" for path in paths}
    assert expected - names == set()
    assert {name.partition("/")[0] for name in names - expected} == {"mirrorwise-0.1.0.dist-info"}


def test_it_runs_the_installed_code(program: Path, here: Path) -> None:
    """Nothing of the clone is in the way."""
    code = "import app; print(app.__file__)"
    found = subprocess.run(
        [program.with_name("python"), "-P", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert Path(found.strip()).is_relative_to(program.parent.parent)
    assert "0.1.0" in run(program, "--version")


@pytest.fixture
def up(program: Path, here: Path) -> Iterator[str]:
    """What `mirrorwise up` says in an empty folder, while it serves."""
    log = here / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "up", "--port", str(free_port())], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, "serving", 60)
        yield log.read_text()
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0, log.read_text()


def test_up_serves_the_sample(up: str, program: Path) -> None:
    """Without data of one's own and without any setting, and every line that it prints gives an answer."""
    [served] = re.findall(r"Mirrorwise is serving (\S+) \(the sample network\)", up)
    assert Path(served).is_relative_to(program.parent.parent)
    urls = re.findall(r"curl '([^']+)'", up)
    assert len(urls) == 3
    for url in urls:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - loopback
            assert response.status == 200
    with urllib.request.urlopen(urls[0], timeout=10) as response:  # noqa: S310 - loopback
        assert len(response.read().splitlines()) == 10


def test_a_network_of_ones_own(program: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init`, `check`, `worker --once` and `nginx` work from it."""
    run(program, "init", "network")
    assert run(program, "check", "network", "--strict") == ""
    monkeypatch.setenv("MIRRORWISE_DATA", "network")
    [city] = program.parent.parent.glob("lib/python*/site-packages/app/data/geoip/city.mmdb")
    monkeypatch.setenv("GEOIP_CITY", str(city))
    run(program, "worker", "--once")
    written = run(program, "nginx", "--out", "site")
    assert "site/mirrorwise.conf" in written
    assert len(list((here / "site").glob("*.conf"))) > len(list((ROOT / "nginx").glob("*.conf")))
