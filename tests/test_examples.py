"""The example units, which systemd understands (`test_alerts.py` is about alerts and dashboard)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app.cli.commands import main
from tests.conftest import ROOT, need_program

EXAMPLES = ROOT / "data" / "examples"
UNITS = sorted(EXAMPLES.glob("*.service")) + sorted(EXAMPLES.glob("*.timer"))


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
