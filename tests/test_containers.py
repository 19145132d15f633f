"""The container files: the image is built, and all parts run as compose.yml says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, free_port, wait_until
from tests.machines import Containers, bare_debian, run

FOLDER = ROOT / "data" / "examples" / "container"
PARTS = {"redis", "worker", "web", "probe", "nginx", "history"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((FOLDER / "compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_every_part_is_confined(compose: dict[str, Any]) -> None:
    """None of them runs as root, keeps a capability, can gain one, or can write to anything but its volumes;
    and the health of each can be asked for."""
    assert set(compose["services"]) == PARTS
    for name, part in compose["services"].items():
        assert part["user"] == "10001:10001", name
        assert part["read_only"] is True, name
        assert part["cap_drop"] == ["ALL"], name
        assert part["security_opt"] == ["no-new-privileges:true"], name
        assert part["healthcheck"]["test"], name
        assert "privileged" not in part and "cap_add" not in part, name


def test_every_part_may_do_what_the_readme_says(compose: dict[str, Any]) -> None:
    """The users of Redis have the rights that the README gives them, and no other; those of the handbook
    too."""
    text = re.sub(r"\s+", " ", (ROOT / "README.md").read_text())
    said = {user.lower(): rights for user, rights in re.findall(r"\b(Worker|web): `(~[^`]+)`", text)}
    redis = compose["services"]["redis"]["command"].replace("'", "")
    assert dict(re.findall(r"--user (worker|web) on >\S*\{[^}]*\} (~.*?)(?= --user|$)", redis)) == said
    handbook = (FOLDER.parent / "HANDBOOK.md").read_text()
    assert dict(re.findall(r"^user (worker|web) on >\S+ (.*)$", handbook, re.MULTILINE)) == said


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory, compose: dict[str, Any]) -> Iterator[Containers]:
    """All parts, with the sample network."""
    archive = bare_debian()
    ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port())}
    passwords = {f"{user}_PASSWORD": f"{user}-secret" for user in ("WORKER", "WEB")}
    made = Containers(tmp_path_factory.mktemp("containers"), FOLDER / "compose.yml", **ports, **passwords)
    [base] = set(re.findall(r"^FROM (\S+)", (FOLDER / "Containerfile").read_text(), re.MULTILINE))
    made.podman("import", archive, base)
    build = compose["x-part"]["build"]
    made.build(FOLDER / build["context"], ROOT / build["dockerfile"], compose["x-part"]["image"])
    try:
        made.compose("up", "--no-build", "--detach")
        yield made
    finally:
        made.remove()


@pytest.mark.slow
def test_the_image_is_built_and_all_parts_run(containers: Containers) -> None:
    """Built by the commands of the Containerfile and started by those of compose.yml, the service answers
    through nginx, and every part says that it is well. The prober has no round behind it yet."""
    for part in sorted(PARTS - {"probe"}):
        wait_until(lambda part=part: containers.is_well(part), f"{part} is well", 120)  # type: ignore[misc]
    port, metrics_port = containers.environ["PORT"], containers.environ["METRICS_PORT"]

    def answer(url: str) -> str:
        return run("sh", "-c", f"curl -fsS 'http://127.0.0.1:{url}' || :")

    wait_until(
        lambda: "/9.8/BaseOS/x86_64/os/" in answer(f"{port}/mirrorlist/9/baseos?arch=x86_64"), "a list", 60
    )
    wait_until(
        lambda: "mirrorwise_worker_heartbeat_age_seconds" in answer(f"{metrics_port}/metrics"), "metrics", 60
    )
    logged = '"question":"almalinux 9.8/baseos/x86_64'
    wait_until(
        lambda: logged in containers.inside("nginx", "cat /var/log/nginx/mirrorwise-access.log"),
        "the request is recorded",
        60,
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_can_do_nothing_but_its_work(containers: Containers, part: str) -> None:
    """In its container it is nobody, has no capability, and can change no program."""
    said = containers.inside(
        part, "id -u; grep -E 'Cap|NoNewPrivs' /proc/self/status; touch /opt/x 2>&1 || :"
    )
    uid, *capabilities, touched = said.splitlines()
    assert uid == "10001"
    assert capabilities == [f"Cap{kind}:\t{'0' * 16}" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] + [
        "NoNewPrivs:\t1"
    ]
    assert touched.endswith("Read-only file system")
