"""The example alert rules and the dashboard: each alert fires by the trouble that it is for and by no other,
as Prometheus' own promtool judges it, and they ask for nothing that is not in /metrics."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from app.model import Content, Status
from app.serving.current import Current
from app.serving.tally import Counted, TallyFiles
from app.web.metrics import exposition
from tests.conftest import ROOT, need_program, wait_until
from tests.geo.databases import write_places
from tests.probe import fleet as probed
from tests.servers import Command, GunicornServer, WorkerProcess, environ
from tests.serving.site import publish_places
from tests.web.asking import application, asking
from tests.worker.network import CONFIG, Network

EXAMPLES = ROOT / "data" / "examples"
RULES = EXAMPLES / "alerts.yml"
DASHBOARD = EXAMPLES / "dashboard.json"
LIST = "/mirrorlist/9/baseos?arch=x86_64"
MINUTES = 240
"""For so long everything stays as it was scraped, and counts go on: longer than any alert waits."""


def rules() -> list[dict[str, str]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, str]] = group["rules"]
    return found


# --- Prometheus ---------------------------------------------------------------------------------------------


def samples(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def series(before: str, after: str | None) -> list[dict[str, str]]:
    """Hours of scrapes of one node, as promtool takes them: what counts goes on from one scrape to the
    other, and all else stays. A node that is not there gives None."""

    def written(name: str, labels: Mapping[str, str], start: float, step: float = 0) -> dict[str, str]:
        pairs = {**labels, "job": "mirrorwise", "instance": "node"}
        named = ",".join(f"{label}={json.dumps(value)}" for label, value in pairs.items())
        return {"series": f"{name}{{{named}}}", "values": f"{start:.9f}+{step:.9f}x{MINUTES}"}

    first = {(sample.name, str(sample.labels)): sample.value for sample in samples(before)}
    found = [written("up", {}, after is not None)]
    for sample in samples(after or ""):
        counts = sample.name.endswith(("_total", "_bucket", "_count", "_sum"))
        start = first.get((sample.name, str(sample.labels)), 0.0) if counts else sample.value
        start = min(start, sample.value)  # a worker that was started anew counts anew
        found.append(written(sample.name, sample.labels, start, (sample.value - start) / MINUTES))
    return found


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([need_program("promtool"), *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def firing(folder: Path, before: str, after: str | None) -> set[str]:
    """The alerts that fire in the end. promtool is asked for none, and tells what there is instead."""
    none = 'label_replace(vector(1), "alertname", "none", "", "")'
    asked = {
        "expr": f'group by (alertname) (ALERTS{{alertstate="firing"}}) or {none}',
        "eval_time": f"{MINUTES}m",
        "exp_samples": [],
    }
    test = {
        "rule_files": [str(RULES)],
        "tests": [{"interval": "1m", "input_series": series(before, after), "promql_expr_test": [asked]}],
    }
    path = folder / "test.yml"
    path.write_text(json.dumps(test))  # which is YAML, and written in no time
    said = promtool("test", "rules", path)
    found = set(re.findall(r'alertname="(\w+)"', said))
    assert "none" in found, said  # or promtool has another opinion of what it was asked
    return found - {"none"}


# --- a service, and what happens to it ----------------------------------------------------------------------


class Node:
    """A network of mirrors that is well, with its worker and a web process, at this moment."""

    def __init__(self, folder: Path) -> None:
        self.now = time.time()
        self.folder = folder
        self.network = Network(folder)
        self.names = self.network.several(10)
        self.network.probed(self.names, at_s=self.now)
        self.round()
        self.worker = self.network.worker()
        self.worker.step(self.now)
        self.database()
        self.app = application(self.network.var)
        self.current: Current = self.app.extensions["mirrorwise"]

    def database(self, built_ago_s: float = 0) -> None:
        """The worker has compiled the places of a GeoIP database of this age."""
        built_at_s = int(self.now - built_ago_s)
        content = write_places(self.folder / "places.mmdb", {"127.0.0.0/8": "DE/50/8"}, built_at_s)
        publish_places(self.network.store(), content.read_bytes())

    def round(self, ended_ago_s: float = 60, took_s: float = 100) -> None:
        """The prober, which goes round every 15 minutes, ended a round."""
        self.network.round(self.now - ended_ago_s, interval_s=900, took_s=took_s)

    def restart(self, ago_s: float = 0) -> None:
        """The worker is started anew, publishes, and web follows."""
        self.worker.stop()
        self.worker = self.network.worker()
        self.worker.step(self.now - ago_s)
        self.look()

    def look(self) -> None:
        self.current._heartbeat_at = float("-inf")  # one is read every five seconds
        self.current.refresh()

    def ask(self, target: str = LIST) -> int:
        return asking(self.app)(target).status

    def scraped(self) -> str:
        return exposition(self.current).decode()


def nothing(node: Node) -> None:
    assert node.ask() == 200


def slow_answers(node: Node) -> None:
    for _ in range(100):
        node.current.tally.add(("almalinux", 200, "geography"), 0.5)


def nothing_to_serve(node: Node) -> None:
    serving, node.current.serving = node.current.serving, None
    assert node.ask() == 503
    node.current.serving = serving


def only_the_origin(node: Node) -> None:
    for _ in range(10):
        assert node.ask(f"{LIST}&protocol=rsync") == 200


def mirrors_down(node: Node) -> None:
    for name in node.names[:4]:
        node.network.state(name, Status.UNREACHABLE, at_s=node.now)
    node.restart()


def a_repo_that_no_mirror_has(node: Node) -> None:
    node.network.config.write_text(
        CONFIG.replace("origin:", "  - {name: crb, path: CRB/$basearch/os/}\norigin:")
    )
    for name in node.names:
        path = node.network.states / f"{name}.json"
        state = msgspec.json.decode(path.read_bytes())
        state |= {"status": "degraded", "content": {"9.8/crb/x86_64": Content.MISSING}}
        path.write_bytes(msgspec.json.encode(state))
    node.restart()


def prober_without_network(node: Node) -> None:
    for name in node.names:
        node.network.state(name, Status.UNREACHABLE, at_s=node.now)
    node.restart()


def prober_dead(node: Node) -> None:
    node.round(ended_ago_s=3600)
    node.restart()


def prober_never_there(node: Node) -> None:
    (node.network.data / "state" / "round.json").unlink()
    shutil.rmtree(node.network.var / "store")
    node.restart()


def prober_too_slow(node: Node) -> None:
    node.round(took_s=899)
    node.restart()


def worker_dead(node: Node) -> None:
    """Of the prober nothing is known any more either, which is not its fault."""
    node.round(ended_ago_s=3600)
    node.restart(ago_s=3600)


def store_lost(node: Node) -> None:
    shutil.rmtree(node.network.var / "store")
    node.look()


def process_stuck(node: Node) -> None:
    other = TallyFiles(node.network.var / "metrics", node.current.tallies._server)
    other.write(Counted(pid=os.getppid(), generation="former"))


def nothing_changes(node: Node) -> None:
    node.network.mirror("new.example.org", more="probe: false\n")
    node.restart(ago_s=2 * 86400)
    node.restart()


def broken_file(node: Node) -> None:
    node.network.mirror("new.example.org").write_text("name: [")
    node.restart()


def old_database(node: Node) -> None:
    node.database(built_ago_s=90 * 86400)
    node.look()


def damaged_database(node: Node) -> None:
    """Beneath the open copy, which was verified."""
    path = node.current._places.path
    assert path is not None
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(b"DE/50/8"))
        file.write(b"\xff")
    assert node.ask() == 200


TROUBLES: dict[str, tuple[Callable[[Node], None], ...]] = {
    "MirrorwiseServerErrors": (nothing_to_serve,),
    "MirrorwiseSlow": (slow_answers,),
    "MirrorwiseClientsGetNoMirrors": (only_the_origin,),
    "MirrorwiseMirrorsLost": (mirrors_down,),
    "MirrorwiseListEmpty": (a_repo_that_no_mirror_has,),
    "MirrorwiseProberStopped": (prober_dead, prober_never_there),
    "MirrorwiseProberSlow": (prober_too_slow,),
    "MirrorwiseGuardHolds": (prober_without_network,),
    "MirrorwiseWorkerSilent": (worker_dead,),
    "MirrorwiseStoreTrouble": (store_lost,),
    "MirrorwiseProcessStuck": (process_stuck,),
    "MirrorwiseSnapshotOld": (nothing_changes,),
    "MirrorwiseInputFaults": (broken_file,),
    "MirrorwiseGeoipOld": (old_database,),
    "MirrorwiseGeoipDamaged": (damaged_database,),
}
DOWN = "MirrorwiseDown"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alert", "trouble"),
    [
        pytest.param(alert, trouble, id=f"{alert.removeprefix('Mirrorwise')}: {trouble.__name__}")
        for alert, troubles in TROUBLES.items()
        for trouble in troubles
    ],
)
def test_an_alert_fires_by_its_trouble(node: Node, alert: str, trouble: Callable[[Node], None]) -> None:
    """And none of the others does."""
    before = node.scraped()
    trouble(node)
    assert firing(node.folder, before, node.scraped()) == {alert}


def test_no_alert_fires_while_all_is_well(node: Node) -> None:
    """For hours, with clients that get their lists."""
    before = node.scraped()
    nothing(node)
    assert firing(node.folder, before, node.scraped()) == set()


def test_a_node_that_is_down(node: Node) -> None:
    """One alert says so: what it would have told of worker and prober is not known."""
    assert firing(node.folder, node.scraped(), None) == {DOWN}


def test_every_alert_has_its_trouble() -> None:
    """A new rule is tried here, too; promtool finds no fault in any."""
    assert [rule["alert"] for rule in rules() if rule["alert"] not in (*TROUBLES, DOWN)] == []
    assert all(rule.keys() >= {"expr", "labels", "annotations"} for rule in rules())
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", "--lint-fatal", RULES)


# --- what they ask for --------------------------------------------------------------------------------------


def panels(found: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    """All panels of a dashboard, those in rows too."""
    inner = found.get("panels", [])
    assert isinstance(inner, list)
    for panel in inner:
        yield panel
        yield from panels(panel)


def dashboard_queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [
        query["expr"]
        for panel in panels(dashboard)
        for query in panel.get("targets", [])  # type: ignore[attr-defined]  # a list, in Grafana's format
    ]
    assert len(queries) > 10
    variables = {"$__rate_interval": "5m", "$__range": "1h", "$instance": ".*"}
    for name, value in variables.items():
        queries = [query.replace(name, value) for query in queries]
    return queries


def test_all_that_is_asked_for_exists(node: Node) -> None:
    """Every metric, and every label that an alert or the dashboard asks for, is in /metrics."""
    node.ask()
    found: dict[str, set[str]] = {"up": {"job", "instance"}}
    for sample in samples(node.scraped()):
        found.setdefault(sample.name, set()).update(sample.labels, ("job", "instance"))
    queries = [rule["expr"] for rule in rules()] + dashboard_queries()
    asked = [part for query in queries for part in re.findall(r"(mirrorwise_\w+|up)(?:\{([^}]*)\})?", query)]
    for name, labels in asked:
        assert name in found, name
        assert set(re.findall(r"(\w+)[!=~]+", labels)) <= found[name], f"{name}{{{labels}}}"
    assert len({name for name, _ in asked}) > 20


def test_the_dashboard_s_queries_are_sound(tmp_path: Path) -> None:
    """As Prometheus reads them; and no panel is without a title or a unit."""
    recording = [{"record": f"a:{number}", "expr": query} for number, query in enumerate(dashboard_queries())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recording}]}))
    assert "SUCCESS" in promtool("check", "rules", path)
    for panel in panels(json.loads(DASHBOARD.read_text())):
        assert panel["title"] and panel.get("description", "") != panel["title"]


# --- a prober that dies -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_dead_prober_is_reported(tmp_path: Path) -> None:
    """With real processes: prober, worker and web. Within four intervals of its death /readyz says so, and so
    does the alert; before, neither does."""
    interval_s = 8
    with probed.running(probed.Fleet(folder=tmp_path / "data")) as fleet:
        fleet.folder.mkdir()
        fleet.write_config(requests_per_hour=10_000)
        config = yaml.safe_load((fleet.folder / "config.yml").read_text())
        origin = f"http://127.0.0.1:{fleet.port}/"
        (fleet.folder / "config.yml").write_text(yaml.safe_dump({**config, "origin": origin}))
        fleet.synced_at = datetime.now(UTC)
        fleet.add("a.example.org", address={"http": origin})
        variables = environ(fleet.folder, tmp_path / "var", GEOIP_CITY="")
        prober = Command(tmp_path / "probe.log", ["probe", "--every", f"{interval_s}s"], variables)
        processes: list[Command] = [prober, WorkerProcess(tmp_path, variables)]
        try:
            web = GunicornServer(tmp_path, variables, processes=1)
            processes.append(web)

            def said() -> str:
                return web.ask("/readyz").body.decode()

            def known() -> str:
                return web.ask("/metrics").body.decode()

            wait_until(lambda: "mirrorwise_prober_round_age_seconds" in known(), "a round is known", 30)
            well = known()
            assert "prober:" not in said()
            prober.signal(signal.SIGKILL)
            died = time.monotonic()
            wait_until(lambda: "prober: the last round ended " in said(), "it is said", 4 * interval_s)
            assert time.monotonic() - died > interval_s
            assert "MirrorwiseProberStopped" in firing(tmp_path, well, known())
            assert "MirrorwiseProberStopped" not in firing(tmp_path, well, well)
        finally:
            for process in processes:
                process.stop()
