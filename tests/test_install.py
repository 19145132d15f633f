"""The handbook's way to install two nodes, command by command, on bare Debian machines with systemd."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, need_program, wait_until
from tests.documents import section
from tests.machines import Machine, bare_debian, joined, run, shell_blocks

HANDBOOK = ROOT / "data" / "examples" / "HANDBOOK.md"
ADDRESSES = ("10.0.0.1", "10.0.0.2")
LIST = "http://127.0.0.1/mirrorlist/9/baseos?arch=x86_64"


def blocks() -> list[tuple[str, bool]]:
    """The handbook's commands, block by block; and whether a block is for the second node alone."""
    text = section(HANDBOOK, "## Install")
    found = re.findall(r"^(<!-- second node -->\n)?```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(commands, bool(second)) for second, commands in found]


def test_the_blocks_are_those_of_an_installation() -> None:
    """The first block installs programs, the last one asks the running service, and one is for the second
    node alone."""
    commands = blocks()
    assert "apt-get install" in commands[0][0] and "curl" in commands[-1][0]
    assert [second for _, second in commands].count(True) == 1


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Machine]]:
    """Two nodes as the handbook makes them."""
    need_program("systemd-nspawn")
    folder = tmp_path_factory.mktemp("nodes")
    first_block = blocks()[0][0]
    bare = Machine.installed(folder / "bare", bare_debian())
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={bare.root}/root", ROOT)
    bare.install(first_block, folder)
    beforehand(bare, folder)
    names = [f"mw{os.getpid()}-{address.replace('.', '-')}" for address in ADDRESSES]
    machines = [bare.copy(folder / name, name) for name in names]
    with contextmanager(joined)(names, ADDRESSES):
        try:
            for machine in machines:
                machine.boot(folder / f"{machine.name}.log")
            for commands, second in blocks()[1:-1]:
                for machine in machines[1:] if second else machines:
                    machine.run(commands)
            yield machines
        finally:
            for machine in machines:
                machine.kill()
            run("rm", "--recursive", "--force", folder)


def beforehand(machine: Machine, folder: Path) -> None:
    """What the handbook takes for granted: the data are in git (where the machine finds the repository that
    the handbook names), and a GeoIP database is there."""
    work = folder / "data"
    work.mkdir()
    for name in ("config.yml", "mirrors.d"):
        run("cp", "--recursive", ROOT / "data" / name, work)
    (work / ".gitignore").write_text("/state/\n/cloud/\n")
    git = ("git", "-C", work, "-c", "user.name=a", "-c", "user.email=a@example.org")
    run(*git, "init", "--quiet", "--initial-branch=main")
    run(*git, "add", "--all")
    run(*git, "commit", "--quiet", "--message=Begin")
    run("git", "clone", "--quiet", "--bare", work, machine.root / "srv" / "mirrors.git")
    (machine.root / "etc" / "gitconfig").write_text(
        '[url "/srv/mirrors.git"]\n  insteadOf = https://git.example.org/mirrors.git\n'
        "[safe]\n  directory = *\n"
    )
    database = machine.root / "var" / "lib" / "GeoIP" / "city.mmdb"
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "data" / "geoip" / "city.mmdb", database)


@pytest.mark.slow
def test_both_nodes_serve(nodes: list[Machine]) -> None:
    """After the last command both nodes give the same list through nginx, with nginx's class in front of the
    service, and no unit has failed."""
    asking, _ = blocks()[-1]
    for node in nodes:
        said = node.run(asking)
        assert "/9.8/BaseOS/x86_64/os/" in said
        assert "serving generation" in said
        assert node.run("systemctl list-units --failed --no-legend") == ""
    head = f"curl -sI '{LIST}' | grep -E '^X-(Client|Mirrorlist)-'"
    wait_until(lambda: len({node.says(head) for node in nodes}) == 1, "both give the same answer", 60)
    assert "X-Client-Place: DE/50/8" in nodes[0].says(head)


@pytest.mark.slow
def test_commands_have_the_settings_of_the_services(nodes: list[Machine]) -> None:
    """What the handbook says to type first, on any node, shows its state, and explains a list by what is
    published."""
    said = nodes[1].run(shell_blocks(HANDBOOK.read_text())[0])
    assert "serving generation" in said and "mirrorwise-worker.service" in said
    assert "SERVED" in said and "LU/49/6" in said


@pytest.mark.slow
def test_an_edit_arrives_on_both_nodes(nodes: list[Machine]) -> None:
    """What is pushed to the data's repository is served by both nodes after the next pull."""
    mirror = "mirror.fra1.example.net"
    for node in nodes:
        node.run(
            "git clone --quiet /srv/mirrors.git /root/work && cd /root/work"
            f" && echo 'disabled: true' >>mirrors.d/{mirror}.yml"
            " && git -c user.name=a -c user.email=a@example.org commit --quiet --all --message=Away"
            " && git push --quiet && systemctl start mirrorwise-data"
        )
    asked = f"curl -fsS 'http://127.0.0.1/mirrors/{mirror}?format=json'"
    for node in nodes:
        wait_until(lambda node=node: '"status":"disabled"' in node.says(asked), "the edit is served", 30)  # type: ignore[misc]


@pytest.mark.slow
def test_an_upgrade_loses_no_request(nodes: list[Machine]) -> None:
    """While the handbook's commands for an upgrade run, one list after the other is asked for that nginx does
    not have, and each is answered."""
    [upgrade] = shell_blocks(section(HANDBOOK, "## Upgrade"))
    asked = "curl -s -o /dev/null -w '%{http_code}\\n' 'http://127.0.0.1/mirrorlist/9/baseos?ip=192.0.2.49'"
    said = nodes[1].run(
        f"trap 'touch /run/upgraded' EXIT\n"
        f"while [ ! -e /run/upgraded ]; do {asked} || :; done >/run/statuses &\n"
        f"{upgrade}\ntouch /run/upgraded\nwait\nsort /run/statuses | uniq --count"
    )
    *_, counted = said.splitlines()
    assert re.fullmatch(r" *[0-9]{2,} 200", counted), said


@pytest.mark.slow
def test_the_second_node_goes_on_alone(nodes: list[Machine]) -> None:
    """The first node is lost with the primary Redis: the second one gives every list as before, also after a
    restart of all its services."""
    first, second = nodes
    before = second.run(f"curl -fsS '{LIST}'")
    first.kill()
    assert second.run(f"curl -fsS '{LIST}'") == before
    second.run("systemctl restart mirrorwise-web mirrorwise-worker nginx")
    wait_until(lambda: second.says(f"curl -fsS '{LIST}'") == before, "the same list", 30)
