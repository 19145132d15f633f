"""Explanations of what a client got in the past, over HTTP and on the command line, and who may ask."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.explain.explanation import Explanation
from app.past.archive import Archive
from app.serving.past import PastGenerations
from app.settings import read_settings
from app.snapshot import schema
from app.store import file_store
from app.worker.loop import Worker
from tests.conftest import ROOT
from tests.servers import Answer, environ
from tests.web.asking import FRANKFURT, LUXEMBOURG, NEW_YORK, TOKYO, Ask, application, asking

CLIENTS = (FRANKFURT, LUXEMBOURG, NEW_YORK, TOKYO, "192.0.2.225", "2001:db8:c0de::7")
LIST = "/mirrorlist/9/baseos?arch=x86_64"
EXPLAIN = "/explain?release=9&repo=baseos&arch=x86_64"
FRA = "mirror.fra1.example.net"
HOUR_S = 3600.0
AS_JSON = {"Accept": "application/json"}
NEVER = "TRUSTED_PROXIES names"


class Past:
    """Four generations of the sample network, three hours to none ago, with what clients got from each."""

    def __init__(self, folder: Path) -> None:
        self.data, self.var = folder / "data", folder / "var"
        shutil.copytree(ROOT / "data", self.data)
        self.environ = environ(self.data, self.var, TRUSTED_PROXIES="127.0.0.1/32,10.0.0.0/8")
        self._settings = read_settings(self.environ)
        self.now = time.time()
        #: When each generation was published, and the list of each client.
        self.served: list[tuple[float, dict[str, bytes]]] = []
        worker = Worker(self._settings, file_store(self.var))
        for hours, change in ((3, self.nothing), (2, self.disabled), (1, self.moved), (0, self.gone)):
            change()
            at_s = self.now - hours * HOUR_S - 60
            worker.step(at_s)
            while hours == 3 and worker.wait(at_s):
                at_s += 1
                worker.step(at_s)
            worker._recorder.close()
            assert "past" not in worker.faults.current
            ask = asking(application(self.var, **self.environ))
            self.served.append((at_s, {ip: listed(ask, ip) for ip in CLIENTS}))
        worker.stop()
        self.ask: Ask = asking(application(self.var, **self.environ))

    def nothing(self) -> None:
        """The network as it is shipped."""

    def disabled(self) -> None:
        path = self.data / "mirrors.d" / f"{FRA}.yml"
        path.write_text(path.read_text() + "disabled: true\n")

    def moved(self) -> None:
        """A geofeed says that the clients of Luxembourg are in Tokyo: another networks database."""
        (self.data / "geofeeds").mkdir()
        (self.data / "geofeeds" / "office.csv").write_text("192.0.2.48/28,JP,JP-13,Tokyo,\n")

    def gone(self) -> None:
        (self.data / "mirrors.d" / f"{FRA}.yml").unlink()

    def at(self, at_s: float, ip: str) -> Explanation:
        return read(self.ask(f"{EXPLAIN}&ip={ip}&at={stamp(at_s)}", headers=AS_JSON))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["explain", *arguments], env=self.environ)


def listed(ask: Ask, ip: str) -> bytes:
    answer = ask(f"{LIST}&ip={ip}")
    assert answer.status == 200
    return answer.body


def stamp(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}"


def read(answer: Answer) -> Explanation:
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Explanation)


def body_of(explanation: Explanation) -> bytes:
    return "".join(f"{entry.url}\n" for entry in explanation.served).encode()


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    yield Past(tmp_path_factory.mktemp("past"))


def test_what_each_client_got(past: Past) -> None:
    """Byte for byte, of the generation of then, with the class that the client had then."""
    lists = [served for _, served in past.served]
    assert lists[0][FRANKFURT] != lists[1][FRANKFURT] and lists[1][LUXEMBOURG] != lists[2][LUXEMBOURG]
    for (at_s, served), until_s in zip(
        past.served, (*(a for a, _ in past.served[1:]), past.now), strict=True
    ):
        for moment_s in (at_s + 1, (at_s + until_s) / 2, until_s - 2):
            for ip, body in served.items():
                explanation = past.at(moment_s, ip)
                assert body_of(explanation) == body
                assert explanation.at == datetime.fromtimestamp(moment_s // 1, UTC)
                assert explanation.notes[0].startswith("This was the answer at ")


def test_with_the_evidence_of_then(past: Past) -> None:
    """A mirror that is switched off was there before, and is unknown when its file is gone."""
    times = [at_s + 5 for at_s, _ in past.served]
    assert FRA in {entry.mirror for entry in past.at(times[0], FRANKFURT).served}
    then = {entry.mirror: entry for entry in past.at(times[1], FRANKFURT).excluded}
    assert then[FRA].evidence == "switched off in its file (disabled: true)"
    waw = past.at(times[1], FRANKFURT)
    stale = {entry.mirror: entry.evidence for entry in waw.excluded}["mirror.waw.example.org"]
    assert stale.startswith("31.2 h old")
    at_last = past.at(times[3], FRANKFURT)
    assert FRA not in {entry.mirror for entry in at_last.served}
    assert FRA not in {entry.mirror for entry in at_last.excluded}
    ago = past.at(times[0] + 600, FRANKFURT)
    assert 600 <= ago.age_s < 610


def test_text_and_page(past: Past) -> None:
    """Both say of which moment they are; the page's form asks for the same moment again."""
    target = f"{EXPLAIN}&ip={FRANKFURT}&at=90m"
    text = " ".join(past.ask(target).body.decode().split())
    assert "This was the answer at " in text and ", of the generation that was published " in text
    page = past.ask(target, headers={"Accept": "text/html"}).body.decode()
    assert '<input type="hidden" name="at" value="90m">' in page and "This was the answer at" in page


def test_on_the_command_line(past: Past) -> None:
    """The same, without the service and without the store."""
    done = past.run(LUXEMBOURG, "--release", "9", "--arch", "x86_64", "--at", "150m", "--json")
    assert done.exit_code == 0, done.output
    explanation = msgspec.json.decode(done.stdout, type=Explanation)
    assert body_of(explanation) == past.served[0][1][LUXEMBOURG]
    text = past.run(LUXEMBOURG, "--release", "9", "--arch", "x86_64", "--at", stamp(past.served[2][0] + 1))
    assert "JP/35/139" in text.stdout


@pytest.mark.parametrize(
    ("at", "status", "says"),
    [
        pytest.param("yesterday", 400, "at='yesterday' cannot be used: write '2026-11-20 14:00'", id="none"),
        pytest.param("2100-01-01", 400, "that is yet to come", id="the future"),
        pytest.param("2001-01-01", 404, "nothing is kept of 2001-01-01 00:00 UTC", id="before all"),
    ],
)
def test_moments_of_which_nothing_is_kept(past: Past, at: str, status: int, says: str) -> None:
    """What is wrong, and since when there is something; the command line says the same."""
    answer = past.ask(f"{EXPLAIN}&ip={FRANKFURT}&at={at}")
    assert (answer.status, says in answer.body.decode()) == (status, True)
    done = past.run(FRANKFURT, "--at", at)
    assert done.exit_code == (2 if status == 400 else 1)
    assert says.partition(": ")[2 if status == 400 else 0].split("'")[0] in done.stderr


def test_a_machine_that_keeps_nothing(tmp_path: Path) -> None:
    """A web node without a worker says so."""
    done = CliRunner().invoke(
        main, ["explain", FRANKFURT, "--at", "1h"], env=environ(ROOT / "data", tmp_path)
    )
    assert done.exit_code == 1 and "workers keep it on their own machine" in done.stderr


def test_a_generation_that_is_not_kept_any_more(past: Past, tmp_path: Path) -> None:
    """The nearest before it is explained instead, which the answer says."""
    shutil.copytree(past.var / "past", tmp_path / "past")
    archive = Archive.of(tmp_path)
    for path in archive.generations.glob(f"{archive.at(past.served[1][0] + 1).kept.name}.*"):
        path.unlink()
    shutil.copytree(past.var / "store", tmp_path / "store")
    ask = asking(application(tmp_path, **{**past.environ, "MIRRORWISE_VAR": str(tmp_path)}))
    explanation = read(ask(f"{EXPLAIN}&ip={FRANKFURT}&at=90m", headers=AS_JSON))
    assert body_of(explanation) == past.served[0][1][FRANKFURT]
    assert explanation.notes[0].startswith("What was published at ")
    assert "is not kept. This is the answer of the nearest generation before it" in explanation.notes[0]


def test_a_generation_of_another_version(past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with its schema, and no other generation stands in for it."""
    monkeypatch.setattr(schema, "SCHEMA", schema.SCHEMA + 1)
    done = past.run(FRANKFURT, "--at", "90m")
    assert done.exit_code == 1
    assert f"has schema {schema.SCHEMA - 1}, of another version; this program reads" in done.stderr


def test_what_is_open_is_bounded(past: Past) -> None:
    """However many moments are asked for, two generations are held in memory, and what the same ones need is
    opened once."""
    opened = PastGenerations(Archive.of(past.var))
    found = [opened.at(at_s + 1).serving for at_s, _ in past.served]
    again = opened.at(past.served[3][0] + 2).serving
    assert again.lists is found[3].lists and again.places is found[0].places
    assert opened.at(past.served[2][0] + 2).serving.lists is found[2].lists
    assert opened.at(past.served[0][0] + 2).serving.lists is not found[0].lists


@pytest.mark.parametrize(
    ("peer", "headers", "may"),
    [
        pytest.param("127.0.0.1", {}, True, id="on the machine"),
        pytest.param("", {}, True, id="on the unix socket"),
        pytest.param("10.1.2.3", {}, True, id="in a trusted network"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "10.1.2.3"}, True, id="there, through nginx"),
        pytest.param("", {"X-Forwarded-For": "127.0.0.1"}, True, id="on the machine, through nginx"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": FRANKFURT}, False, id="a client of nginx"),
        pytest.param("", {"X-Forwarded-For": f"10.1.2.3, {FRANKFURT}"}, False, id="a claim of a client"),
        pytest.param("", {"X-Forwarded-For": "unknown"}, False, id="no address"),
        pytest.param("127.0.0.1", {"Forwarded": "for=unknown"}, False, id="a proxy that hides its clients"),
        pytest.param("10.1.2.3", {"X-Forwarded-Proto": "https"}, False, id="another one"),
        pytest.param("192.0.2.1", {}, False, id="from elsewhere"),
        pytest.param("192.0.2.1", {"X-Forwarded-For": "10.1.2.3"}, False, id="a claim from elsewhere"),
    ],
)
def test_who_may_ask(past: Past, peer: str, headers: dict[str, str], may: bool) -> None:
    """Clients on the machine and in trusted networks, as far as that is certain."""
    answer = past.ask(f"{EXPLAIN}&ip={FRANKFURT}&at=90m", headers=headers, source=peer)
    assert answer.status == (200 if may else 403)
    if not may:
        assert NEVER in answer.body.decode()
        assert past.ask(f"{EXPLAIN}&ip={FRANKFURT}", headers=headers, source=peer).status == 200
