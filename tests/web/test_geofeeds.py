"""Geofeeds through the whole service: worker, web and nginx as processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.settings import read_settings
from tests.conftest import free_port, wait_until
from tests.geo.databases import maxmind, write_database
from tests.servers import GunicornServer, NginxOptions, NginxServer, WorkerProcess, environ
from tests.worker.network import Network

LIST = "/mirrorlist/9/baseos?arch=x86_64"
CLIENTS = [f"192.0.2.{host}" for host in range(0, 256, 3)] + [f"2001:db8:{block:x}::1" for block in range(32)]
WITHIN_S = 10.0

pytestmark = pytest.mark.slow


class Service:
    """A worker, a web process and an nginx over one network."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.network = Network(folder)
        self.network.mirror("m.de.example.org", "DE")
        self.network.mirror("m.jp.example.org", "JP")
        records = {"192.0.2.0/24": maxmind("DE", 50.1, 8.6), "2001:db8::/32": maxmind("FR", 48.9, 2.4)}
        city = write_database(folder / "city.mmdb", records, ip_version=6)
        variables = environ(self.network.data, self.network.var, GEOIP_CITY=str(city))
        self.feed = self.network.data / "geofeeds" / "office.csv"
        self.feed.parent.mkdir()
        worker = WorkerProcess(folder, variables)
        stack.callback(worker.stop)
        wait_until(lambda: self.network.store().pointer() is not None, "the first publication", 30)
        self.web = GunicornServer(folder, variables, processes=1)
        stack.callback(self.web.stop)
        self.web.wait_until_serving()
        self.class_port = free_port()
        more = f"""server {{
            listen 127.0.0.1:{self.class_port};
            set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For; return 200 "$mw_class";
        }}"""
        (folder / "nginx").mkdir()
        options = NginxOptions(settings=read_settings(variables), more=more)
        self.nginx = NginxServer(folder / "nginx", self.web.address, options)
        stack.callback(self.nginx.stop)

    def in_web(self, client: str) -> str:
        """The place of a client, as the service finds it from the address."""
        return self.web.ask(LIST, headers={"X-Forwarded-For": client}).headers["X-Client-Place"]

    def in_nginx(self, client: str) -> str:
        """The place of a client, as nginx finds it."""
        found = self.web.ask("/", headers={"X-Forwarded-For": client}, port=self.class_port)
        place, *others = found.body.decode().split("|")
        assert len(others) == 3, "nginx knows no class"
        return place

    def places(self) -> dict[str, str]:
        """The place of each client, which is the same for nginx and the service."""
        self.nginx.write()
        self.nginx.reload()
        found = {client: self.in_web(client) for client in CLIENTS}
        assert {client: self.in_nginx(client) for client in CLIENTS} == found
        return found

    def first_mirror(self, client: str) -> str:
        """The first mirror in a client's list, through nginx."""
        answer = self.web.ask(LIST, headers={"X-Forwarded-For": client}, port=self.nginx.port)
        return answer.lines[0].split("/")[2]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with ExitStack() as stack:
        yield Service(tmp_path, stack)


def test_a_row_moves_exactly_its_clients(service: Service) -> None:
    """Rows move the clients of their prefixes within seconds, in nginx and in the service alike, and nobody
    else; without the file all are back."""
    was = service.places()
    assert set(was.values()) == {"DE/50/8", "FR/48/2"}
    assert service.first_mirror("192.0.2.129") == "m.de.example.org"
    service.feed.write_text(
        "192.0.2.128/25,JP,,Tokyo,\n192.0.2.240/28,,,,\n2001:db8:10::/44,JP,,,\n198.51.100.0/24,JP,,,\n"
    )
    wait_until(lambda: service.in_web("192.0.2.129") == "JP/35/139", "the row counts", WITHIN_S)
    moved = {**was}
    for client in CLIENTS:
        last = client.rpartition(".")[2]
        if last.isdecimal() and int(last) >= 128:
            moved[client] = "" if int(last) >= 240 else "JP/35/139"
        elif client.startswith("2001:db8:1") and len(client.split(":")[2]) == 2:
            moved[client] = "JP"
    assert set(moved.values()) == {"DE/50/8", "FR/48/2", "JP/35/139", "JP", ""}
    assert service.places() == moved
    assert service.first_mirror("192.0.2.129") == "m.jp.example.org"
    said = service.web.ask("/explain?ip=192.0.2.129&release=9&repo=baseos").body.decode()
    assert "JP/35/139 (a square of one degree), from geofeed office.csv, line 1" in " ".join(said.split())
    service.feed.unlink()
    wait_until(lambda: service.in_web("192.0.2.129") == "DE/50/8", "the row is gone", WITHIN_S)
    assert service.places() == was
