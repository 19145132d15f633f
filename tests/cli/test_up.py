"""`mirrorwise up`, and what every part asks of its settings before it starts."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sqlite3
import urllib.request
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.cli.commands import settings_of_a_service
from app.cli.port import PortError, holder_of, listening
from app.cli.samples import what_to_try
from app.cli.up import OtherNetworkError, check_folders, environ_of_up
from app.files import shipped_folder
from app.geo.copies import VerifiedCopies
from app.model import SettingsError
from app.settings import read_settings
from app.store import file_store
from app.worker.loop import Worker
from app.worker.losses import Force
from app.worker.running import run_once
from tests.cli.test_commands import run_process
from tests.conftest import ROOT, free_port, wait_until
from tests.servers import Command, ask, environ
from tests.web.asking import application, asking
from tests.worker.network import CITY, CONFIG, Network

# --- the port -----------------------------------------------------------------------------------------


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """`up` names the process that has it and the option that helps, before it starts anything."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_process(environ(ROOT / "data", tmp_path / "var"), "up", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"port {port} is taken by ")
    assert done.stderr.endswith(f" (process {os.getpid()}); use --port\n")
    assert not (tmp_path / "var").exists()


def test_a_port_of_an_unknown_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process is another user's, its name is left out."""
    monkeypatch.setattr("app.cli.port.holder_of", lambda port: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError) as raised, listening(port):
            pass
    assert str(raised.value) == f"port {port} is taken; use --port"


def test_the_holder_of_a_port() -> None:
    """Only a socket that listens holds a port, over IPv6 as well; a free one has no holder."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert f"(process {os.getpid()})" in str(holder_of(server.getsockname()[1]))
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert f"(process {os.getpid()})" in str(holder_of(server.getsockname()[1]))
    assert holder_of(free_port()) is None


# --- settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["worker", "web", "up"])
@pytest.mark.parametrize("name", ["GEOIP_CITY", "GEOIP_ASN"])
def test_a_named_database_that_is_not_there(tmp_path: Path, command: str, name: str) -> None:
    """It stops the start, and is named: without it all clients would silently get the same list."""
    lost = tmp_path / "lost.mmdb"
    variables = environ(ROOT / "data", tmp_path / "var", **{name: f"{CITY},{lost}"})
    done = run_process(variables, command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{name}: {lost}: there is no such file")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "var").exists()


def test_a_database_that_was_there_once(tmp_path: Path) -> None:
    """A restart goes on with the last good copy of a database that is gone; and the one that no setting names
    need not be there at all."""
    city = tmp_path / "city.mmdb"
    city.write_bytes(CITY.read_bytes())
    variables = environ(tmp_path, tmp_path / "var", GEOIP_CITY=str(city))
    copies = VerifiedCopies(tmp_path / "var" / "geoip")
    copies.remember(city, copies.copy(city))
    city.unlink()
    assert settings_of_a_service(variables).geoip_city == (city,)
    assert settings_of_a_service(environ(tmp_path, tmp_path / "other")).geoip_city
    with pytest.raises(SettingsError, match="no good copy from before"):
        settings_of_a_service({**variables, "MIRRORWISE_VAR": str(tmp_path / "other")})


@pytest.mark.slow
def test_an_empty_number_of_processes_counts_as_unset(tmp_path: Path) -> None:
    """As every empty variable does, also where gunicorn reads it."""
    port = free_port()
    variables = environ(ROOT / "data", tmp_path / "var", WEB_CONCURRENCY="")
    command = Command(tmp_path / "log", ["web", "--bind", f"127.0.0.1:{port}"], variables)
    try:
        ended = command.process.poll
        wait_until(lambda: "Listening at" in command.said() or ended() is not None, "listening")
        assert command.process.poll() is None, command.said()
        assert "mirrorwise.server: Listening at" in command.said()
    finally:
        command.stop()


# --- whose data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "here", "folder"),
    [
        pytest.param({}, [], str(shipped_folder("data")), id="none: the sample"),
        pytest.param({}, ["data"], None, id="the folder data"),
        pytest.param({"MIRRORWISE_DATA": "mine"}, ["data"], "mine", id="those that are named"),
        pytest.param({"MIRRORWISE_DATA": " "}, [], str(shipped_folder("data")), id="an empty name"),
    ],
)
def test_whose_data_are_served(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
    here: list[str],
    folder: str | None,
) -> None:
    """The sample network is served only where there is nothing else; never Redis's, and on the port given."""
    monkeypatch.chdir(tmp_path)
    for name in here:
        Path(name).mkdir()
    ours = environ_of_up({**variables, "REDIS_URL": "redis://127.0.0.1/0", "PORT": "1"}, 4711)
    assert ours.get("MIRRORWISE_DATA") == folder
    assert "REDIS_URL" not in ours and ours["PORT"] == "4711"


def test_a_folder_without_config(tmp_path: Path) -> None:
    """It is named at once, with what begins one."""
    done = run_process(environ(tmp_path, tmp_path / "var"), "up", "--port", str(free_port()))
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}: fault: there is no config.yml; `mirrorwise init` begins one\n"


def test_the_folder_of_another_network(tmp_path: Path) -> None:
    """What another network has published is neither served nor guarded: `up` says which folder it is in. One
    mirror in common is enough to be the same network."""
    network = Network(tmp_path)
    network.several(2)
    variables = environ(network.data, network.var)
    assert run_once(Worker(read_settings(variables), file_store(network.var)), force=Force.NO)
    check_folders(read_settings(variables))
    network.remove("m00.example.org")
    check_folders(read_settings(variables))
    other = {**variables, "MIRRORWISE_DATA": str(ROOT / "data")}
    with pytest.raises(OtherNetworkError) as raised:
        check_folders(read_settings(other))
    assert str(raised.value).startswith(f"{network.var} holds what was published of another network")
    check_folders(read_settings({**other, "MIRRORWISE_VAR": str(tmp_path / "v")}))


# --- what can be tried --------------------------------------------------------------------------------


def tried(network: Network, config: str) -> list[str]:
    network.config.write_text(config)
    return what_to_try(read_settings(environ(network.data, network.var)))


@pytest.mark.slow
def test_requests_that_can_be_tried(tmp_path: Path) -> None:
    """What is printed for the sample are lists of its mirrors: for all, and for a client that its database
    can place."""
    settings = read_settings(environ(ROOT / "data", tmp_path / "var"))
    assert run_once(Worker(settings, file_store(settings.var_dir)), force=Force.NO)
    ask = asking(application(settings.var_dir))
    targets = what_to_try(settings)
    assert [target.partition("?")[0] for target in targets] == ["/mirrorlist/10/baseos"] * 2 + ["/whoami"]
    answers = [ask(target) for target in targets]
    assert [answer.status for answer in answers] == [200] * 3
    for answer in answers[:2]:
        assert len(answer.body.splitlines()) == 10
    assert answers[1].headers["X-Client-Place"] not in ("", None)
    assert "ip=127." not in targets[1]


@pytest.mark.parametrize(
    ("change", "target"),
    [
        pytest.param(("x_", "y_"), "/mirrorlist/9/baseos?arch=aarch64", id="aarch64 only"),
        pytest.param(("$basearch/", ""), "/mirrorlist/9/baseos", id="no arch in the path"),
        pytest.param(("duplicated_", "# "), "/mirrorlist/9.8/baseos?arch=x86_64", id="no alias"),
        pytest.param(("baseos", "core"), "/mirrorlist/9/core?arch=x86_64", id="another repo"),
    ],
)
def test_they_exist_in_any_data(tmp_path: Path, change: tuple[str, str], target: str) -> None:
    """Release, repo and arch are the config's; without a city database there is no line for an address."""
    network = Network(tmp_path)
    config = CONFIG.replace(*change) if change[0] != "x_" else CONFIG.replace("x86_64, ", "")
    assert tried(network, config) == [target, "/whoami"]


def test_nothing_is_certain_of_a_broken_config(tmp_path: Path) -> None:
    """Then an older one is served, and only what needs none is proposed."""
    assert tried(Network(tmp_path), "config_version: 2\n") == ["/whoami"]


# --- all of it ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_up_with_a_new_folder(tmp_path: Path) -> None:
    """What `init` writes is served as it stands, without GeoIP and without a prober; the folder is named."""
    network = tmp_path / "network"
    assert CliRunner().invoke(main, ["init", str(network)]).exit_code == 0
    port = free_port()
    command = Command(
        tmp_path / "log", ["up", "--port", str(port)], environ(network, tmp_path / "var", WEB_CONCURRENCY="1")
    )
    try:
        wait_until(lambda: "Ctrl-C" in command.said() or command.process.poll() is not None, "serving", 60)
        said = command.said()
        assert f"Mirrorwise is serving {network}. Try:" in said
        assert f"curl 'http://127.0.0.1:{port}/mirrorlist/10/baseos?arch=x86_64'" in said
        assert f"or see http://127.0.0.1:{port}/ in a browser" in said
        assert "gunicorn.error" not in said
        urllib.request.urlopen(
            f"http://127.0.0.1:{port}/mirrorlist/10/baseos?arch=x86_64", timeout=10
        ).close()
        wait_until(lambda: requests_counted(tmp_path / "var") > 0, "the list is counted")
    finally:
        command.stop()


def requests_counted(var: Path) -> int:
    """How many lists have been counted there."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{var}/history.sqlite?mode=ro", uri=True)) as connection,
    ):
        return int(connection.execute("SELECT coalesce(sum(requests), 0) FROM repo_days").fetchone()[0])
    return 0


@pytest.mark.slow
def test_what_is_asked_is_shown(tmp_path: Path) -> None:
    """Requests are counted, compiled and published within seconds of a first start, and are on the page of
    statistics with their country and the mirror that came first, on whose own page they are, too."""
    port = free_port()
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    variables = environ(ROOT / "data", tmp_path / "var", WEB_CONCURRENCY="1")
    command = Command(tmp_path / "log", ["up", "--port", str(port)], variables)
    try:
        wait_until(lambda: "Ctrl-C" in command.said() or command.process.poll() is not None, "serving", 60)
        lists = [ask(server, "/mirrorlist/9/baseos?arch=x86_64") for _ in range(25)]
        first = lists[0].headers["X-Mirrorlist-Mirror"]

        def mirrors() -> dict[str, int]:
            answer = ask(server, "/statistics.json")
            found = json.loads(answer.body)["mirrors"] if answer.status == 200 else []
            return {one["mirror"]: one["requests"] for one in found}

        wait_until(lambda: mirrors().get(first) == 25, "the requests are shown", 50)
        page = ask(server, "/statistics", headers={"Accept": "text/html"}).body.decode()
        assert "<td><bdi>Germany (DE)" in page
        assert "<td><bdi>x86_64" in page
        own = json.loads(ask(server, f"/mirrors/{first}").body)
        assert (own["requests"]["requests"], own["requests"]["countries"][0]["name"]) == (25, "DE")
    finally:
        server.close()
        command.stop()
