"""Every command over folders and files that are not what they should be: no traceback, whatever it is."""

from __future__ import annotations

import ctypes
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.probe import Pace
from app.worker.running import run_once
from tests.conftest import ROOT, free_port
from tests.geo.databases import maxmind, write_database
from tests.servers import environ
from tests.worker.network import CONFIG, MIRROR, Network

COMMANDS = {
    "worker": "worker --once",
    "check": "check",
    "explain": "explain 192.0.2.49",
    "probe": "probe",
    "probe one": "probe m00.example.org",
    "simulate": "simulate",
    "nginx": "nginx --out {out} --reload true",
    "ranges": "ranges update",
}
FOLDERS = ["data", "data/mirrors.d", "data/state", "data/state/mirrors", "data/state/probe", "data/cloud"]
FOLDERS += ["data/geofeeds", "data/geoip", "var", "var/store", "var/geoip", "var/scans", "var/cloud"]
FOLDERS += ["var/geofeeds", "var/metrics", "out"]
FILES = ["data/config.yml", "data/mirrors.d/m00.example.org.yml", "data/state/mirrors/m00.example.org.json"]
FILES += [
    "data/state/round.json",
    "data/state/repos.json",
    "data/state/origin.json",
    "data/state/mirmon.state",
]
FILES += [
    "data/places.csv",
    "data/cloud/aws.json",
    "data/geofeeds/office.csv",
    "data/geoip/city.mmdb",
    "out/local-http.conf",
    "out/loaded",
]


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def a_file(path: Path) -> None:
    remove(path)
    path.write_text("no folder, and nothing of use")


def a_folder(path: Path) -> None:
    remove(path)
    path.mkdir()


def a_loop_of_links(path: Path) -> None:
    remove(path)
    path.symlink_to(path.name)


def a_link_to_nothing(path: Path) -> None:
    remove(path)
    path.symlink_to("nowhere")


def closed(path: Path) -> None:
    if path.exists():
        path.chmod(0)


def read_only(path: Path) -> None:
    if path.exists():
        path.chmod(0o500)


@contextmanager
def permissions_hold() -> Iterator[None]:
    """Root, too, may not read what is closed (without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH)."""
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    effective, sets[0] = sets[0], sets[0] & ~0b110
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published network with all kinds of inputs. Nothing listens where its mirrors and origin are."""
    folder = tmp_path_factory.mktemp("template")
    network = Network(folder)
    nowhere = f"http://127.0.0.1:{free_port()}/"
    origin = CONFIG.replace("https://repo.example.org/", nowhere)
    network.config.write_text(f"{origin}probe: {{allow_private_addresses: true}}\n")
    for name in ("m00.example.org", "m01.example.org"):
        text = MIRROR.format(name=name, country="DE").replace(f"https://{name}/", f"{nowhere}{name}/")
        (network.mirrors / f"{name}.yml").write_text(text.replace("https:", "http:"))
    network.probed(["m00.example.org", "m01.example.org"])
    shutil.copytree(ROOT / "data" / "cloud", network.data / "cloud")
    (network.data / "places.csv").write_text("place,clients\nDE/50/8,40\n")
    (network.data / "geofeeds").mkdir()
    (network.data / "geofeeds" / "office.csv").write_text("192.0.2.0/25,FR,,Paris,\n")
    (network.data / "geoip").mkdir()
    city = write_database(network.data / "geoip" / "city.mmdb", {"192.0.2.0/24": maxmind("DE", 50.1, 8.6)})
    assert run_once(network.worker(cities=(city,)))
    (folder / "out").mkdir()
    return folder


@pytest.fixture
def hasty_prober(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.probe.service.Pace", lambda **_: Pace(retry_after_s=0.0, reread_after_s=0.0))


def ends_well(folder: Path, command: str) -> str:
    """Runs a command over a network. Returns what is wrong: a traceback, or an exit code without a reason."""
    arguments = [word.format(out=folder / "out") for word in command.split()]
    variables = environ(folder / "data", folder / "var", https_proxy="http://127.0.0.1:9", LOG_LEVEL="info")
    result = CliRunner().invoke(main, arguments, env=variables)
    if not isinstance(result.exception, SystemExit | None):
        return repr(result.exception)
    if "Traceback" in result.output:
        return result.output[result.output.index("Traceback") :]
    return "" if result.exit_code == 0 or result.output.strip() else f"{result.exit_code}, and not a word"


HARMS = (remove, a_file, a_folder, a_loop_of_links, a_link_to_nothing, closed, read_only)
CASES = [
    pytest.param(name, harm, [*FOLDERS, *FILES], id=f"{name}: {harm.__name__}", marks=pytest.mark.slow)
    for name in COMMANDS
    for harm in HARMS
]
CASES += [
    pytest.param("check", closed, ["data/mirrors.d", "data/state"], id="check: closed folders"),
    pytest.param("probe one", a_file, ["data/state", "data/state/probe"], id="probe: files for folders"),
    pytest.param("nginx", a_folder, ["out/loaded", "out/local-http.conf"], id="nginx: folders for files"),
]


@pytest.mark.parametrize(("command", "harm", "places"), CASES)
@pytest.mark.usefixtures("hasty_prober")
def test_no_traceback(
    template: Path, tmp_path: Path, command: str, harm: Callable[[Path], None], places: list[str]
) -> None:
    """Whatever a folder or a file is instead of itself, a command ends with a sentence or does its work."""
    found = {}
    with permissions_hold():
        for number, place in enumerate(places):
            folder = tmp_path / str(number)
            shutil.copytree(template, folder, symlinks=True)
            harm(folder / place)
            found[place] = ends_well(folder, COMMANDS[command])
            if harm in (closed, read_only) and (folder / place).exists():
                (folder / place).chmod(0o700)  # pytest tidies up
    assert {place: problem for place, problem in found.items() if problem} == {}


def test_check_goes_on_beside_what_is_closed(template: Path, tmp_path: Path) -> None:
    """A folder that cannot be read is one fault, and everything else is checked all the same."""
    folder = tmp_path / "network"
    shutil.copytree(template, folder)
    (folder / "data" / "mirrors.d" / "m00.example.org.yml").write_text("name: [")
    (folder / "data" / "places.csv").write_text("where,who\nDE,many\n")
    state = folder / "data" / "state"
    state.chmod(0)
    with permissions_hold():
        result = CliRunner().invoke(main, ["check", str(folder / "data")])
    state.chmod(0o700)
    faults = re.findall(r"([^/\n]+?)(?::\d+)?: fault: ", result.output)
    assert set(faults) >= {"m00.example.org.yml", "places.csv", "state"}
