"""The example files: alert rules that name metrics which exist, units that systemd understands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from app.cli.commands import main
from app.serving.current import Current
from app.snapshot.status import Heartbeat
from app.web.metrics import exposition
from tests.conftest import ROOT, need_program
from tests.web.asking import application
from tests.worker.network import NOON, Network

EXAMPLES = ROOT / "data" / "examples"
UNITS = sorted(EXAMPLES.glob("*.service")) + sorted(EXAMPLES.glob("*.timer"))


@pytest.fixture
def metrics(tmp_path: Path) -> str:
    """All that there is when everything is there."""
    network = Network(tmp_path)
    network.several(3)
    worker = network.worker()
    worker.step(NOON)
    worker.stop()
    current: Current = application(network.var).extensions["mirrorwise"]
    current.refresh()
    current.heartbeat = Heartbeat(at_s=NOON, faults={"guard": 1})
    current.tally.add(("almalinux", 200, "origin"), 0.1)
    return exposition(current).decode()


def test_alerts_ask_for_what_there_is(metrics: str) -> None:
    """Every metric, and every label that a rule asks for, is in /metrics."""
    rules = yaml.safe_load((EXAMPLES / "alerts.yml").read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert rule.keys() >= {"alert", "expr", "labels", "annotations"}
        for name, labels in re.findall(r"(mirrorwise_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            lines = [line for line in metrics.splitlines() if re.match(rf"{name}[ {{]", line)]
            assert lines, f"{rule['alert']}: {name}"
            for label in re.findall(r"(\w+)[!=~]+", labels):
                assert any(f'{label}="' in line for line in lines), f"{rule['alert']}: {label}"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units(unit: Path, tmp_path: Path) -> None:
    """systemd finds no fault in them, and little that a service could do to the machine."""
    program = need_program("systemd-analyze")
    copy = tmp_path / unit.name
    text = unit.read_text()
    for other in UNITS:
        found = other.read_text().replace("/opt/mirrorwise/bin/mirrorwise", "/bin/true")
        (tmp_path / other.name).write_text(found)
    verified = subprocess.run(
        [program, "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    if unit.suffix == ".service":
        security = subprocess.run(
            [program, "security", "--offline=true", "--threshold=20", copy],
            capture_output=True,
            text=True,
            check=False,
        )
        assert security.returncode == 0, security.stdout  # at most 2.0 of 10
        [command] = re.findall(r"^ExecStart=/opt/mirrorwise/bin/mirrorwise (\w+)", text, re.MULTILINE)
        assert command in main.commands
