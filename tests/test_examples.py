"""The example units, which systemd understands (`test_alerts.py` is about alerts and dashboard)."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.commands import main
from tests.conftest import ROOT, need_program

EXAMPLES = ROOT / "data" / "examples"
UNITS = [unit for kind in ("service", "socket", "timer") for unit in sorted(EXAMPLES.glob(f"*.{kind}"))]
PROGRAM = "/opt/mirrorwise/bin/mirrorwise"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units(unit: Path, tmp_path: Path) -> None:
    """systemd finds no fault in them, and little that a service could do to the machine."""
    program = need_program("systemd-analyze")
    copy = tmp_path / unit.name
    text = unit.read_text()
    for other in UNITS:
        found = other.read_text().replace(PROGRAM, "/bin/true")
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
        commands = re.findall(rf"^ExecStart={PROGRAM} (\w+)", text, re.MULTILINE)
        assert commands and set(commands) <= set(main.commands)


def test_units_and_readme_agree_on_sockets() -> None:
    """The service names the sockets that systemd holds for it, and nginx and the README that of nginx."""
    held = re.findall(r"^ListenStream=(.+)$", (EXAMPLES / "mirrorwise-web.socket").read_text(), re.MULTILINE)
    [command] = re.findall(
        r"^ExecStart=.* web (.+)$", (EXAMPLES / "mirrorwise-web.service").read_text(), re.MULTILINE
    )
    assert command == f"--bind unix:{held[0]} --metrics {held[1]}"
    for text in ((EXAMPLES / "mirrorwise-nginx.service").read_text(), (ROOT / "README.md").read_text()):
        assert re.findall(r"--upstream (unix:\S+)", text) == [f"unix:{held[0]}"]


# --- the data from git -----------------------------------------------------------------------------------


class Clones:
    """A repository of mirrors, and the clones of `mirrorwise-data.service`, which `pull` does the work of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upstream = folder / "upstream"
        shutil.copytree(ROOT / "data" / "mirrors.d", self.upstream / "mirrors.d")
        shutil.copy(ROOT / "data" / "config.yml", self.upstream)
        (self.upstream / ".gitignore").write_text("/state/\n/cloud/\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()
        for source, name in ((self.upstream, "incoming"), (folder / "incoming", "data")):
            subprocess.run(["git", "clone", "--quiet", source, folder / name], check=True)

    def git(self, *arguments: str) -> None:
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = [need_program("git"), "-C", str(self.upstream), *author, *arguments]
        subprocess.run(command, check=True)

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--message=A change")

    def write(self, name: str, text: str) -> None:
        (self.upstream / "mirrors.d" / name).write_text(text)
        self.commit()

    def pull(self) -> tuple[bool, str]:
        """Runs the unit's commands, as systemd does: one after the other, until one fails. Returns whether
        none did, and what they said."""
        text = (EXAMPLES / "mirrorwise-data.service").read_text().replace("/srv/mirrorwise", str(self.folder))
        said = ""
        for line in re.findall(r"^ExecStart=(.+)", text, re.MULTILINE):
            command = shlex.split(line.replace(PROGRAM, f"{sys.executable} -m app"))
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            said += done.stdout + done.stderr
            if done.returncode:
                return False, said
        return True, said


@pytest.mark.slow
def test_data_from_git(tmp_path: Path) -> None:
    """What was merged is taken up. What has a fault is not, nor is anything with it, until it is mended; what
    programs have written to the data folder stays."""
    clones = Clones(tmp_path)
    live = tmp_path / "data"
    (live / "state").mkdir()
    (live / "state" / "round.json").write_text("{}")
    good = (ROOT / "data" / "mirrors.d" / "mirror.lux.example.org.yml").read_text()
    clones.write("new.example.org.yml", good.replace("mirror.lux.example.org", "new.example.org"))
    assert clones.pull()[0]
    assert (live / "mirrors.d" / "new.example.org.yml").exists()
    clones.write("bad.example.org.yml", "name: bad.example.org\naddress: 7\n")
    clones.write("other.example.org.yml", good.replace("mirror.lux.example.org", "other.example.org"))
    ran, said = clones.pull()
    assert not ran and "bad.example.org.yml" in said
    assert not (live / "mirrors.d" / "other.example.org.yml").exists()
    clones.write("bad.example.org.yml", good.replace("mirror.lux.example.org", "bad.example.org"))
    assert clones.pull()[0]
    for name in ("bad", "other"):
        assert (live / "mirrors.d" / f"{name}.example.org.yml").exists()
    assert (live / "state" / "round.json").read_text() == "{}"
