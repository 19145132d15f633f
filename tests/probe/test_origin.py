"""The origin's versions of repos: what mirrors are compared with and metalinks promise."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib

from app.catalogue.catalogue import expected_repos
from app.model import Content, RepomdVersion, Status
from app.probe.origin import Origin, RepoVersions
from app.probe.records import Records
from app.sources.folder import DataFolder
from app.sources.probe_state import read_repo_versions
from app.sources.service_config import read_service_config
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Fleet

KEY = "9.8/baseos/x86_64"
PATH = "/9.8/baseos/x86_64/os/repodata/repomd.xml"


def look(fleet: Fleet, origin: Origin | None = None) -> tuple[Origin, tuple[str, ...]]:
    """One look at the origin, by an old prober or a new one: it, and what is new."""
    config, _ = read_service_config(fleet.folder / "config.yml")
    if origin is None:
        records = Records(DataFolder(fleet.folder))
        records.prepare()
        origin = Origin(fleet.network(), records, written(fleet), {}, "test")
    return origin, asyncio.run(origin.refresh(config, reread_after_s=0.0))


def written(fleet: Fleet) -> RepoVersions:
    path = fleet.folder / "state" / "repos.json"
    return read_repo_versions(path) if path.exists() else {}


def test_versions_are_written_with_size_date_and_all_hashes(fleet: Fleet) -> None:
    """One entry per release/repo/arch, at once."""
    _, changed = look(fleet)
    body = fleet.body(PATH) or b""
    assert set(changed) == set(written(fleet)) and len(changed) == 4
    assert written(fleet)[KEY] == (
        RepomdVersion(
            timestamp=1_795_000_000,
            size=len(body),
            seen_at=fleet.now,
            sha256=hashlib.sha256(body).hexdigest(),
            sha512=hashlib.sha512(body).hexdigest(),
            sha1=hashlib.sha1(body, usedforsecurity=False).hexdigest(),
            md5=hashlib.md5(body, usedforsecurity=False).hexdigest(),
        ),
    )


def test_unchanged_files_are_asked_for_conditionally_and_once(fleet: Fleet) -> None:
    """Also by a new prober: validators outlive the process."""
    answers: list[bool] = []

    async def listen(fleet: Fleet, asked: f.Asked) -> None:
        if "/isos/" not in asked.path:
            answers.append("if-none-match" in asked.headers)
        await f.fresh(fleet, asked)

    look(fleet)
    fleet.behaviours[f.ORIGIN] = listen
    _, changed = look(fleet)
    assert changed == ()
    assert sorted(answers) == [False, True, True, True, True]  # the timestamp file, four repos


def test_a_new_version_is_first_and_the_old_one_stays_for_the_grace_period(fleet: Fleet) -> None:
    """Newest first; a day after its replacement an old version is gone."""
    origin, _ = look(fleet)
    fleet.dates.insert(0, 1_795_100_000)
    fleet.now += dt.timedelta(hours=1)
    look(fleet, origin)
    assert [version.timestamp for version in written(fleet)[KEY]] == [1_795_100_000, 1_795_000_000]
    fleet.now += dt.timedelta(hours=25)
    look(fleet, origin)
    assert [version.timestamp for version in written(fleet)[KEY]] == [1_795_100_000]


def test_a_version_counts_only_after_two_equal_reads(fleet: Fleet) -> None:
    """A file that changes between both reads is an origin at work: what was known stays."""
    origin, _ = look(fleet)
    before = written(fleet)

    async def at_work(fleet: Fleet, asked: f.Asked) -> None:
        if asked.path == PATH:
            fleet.tries[PATH] += 1
            asked.send(200, f.repomd(PATH, 1_795_100_000 + fleet.tries[PATH]))
        else:
            await f.fresh(fleet, asked)

    fleet.behaviours[f.ORIGIN] = at_work
    _, changed = look(fleet, origin)
    assert (changed, written(fleet)) == ((), before)
    assert "1 of its repomd.xml files changed while they were read" in origin.faults


def test_what_is_not_well_formed_never_counts(fleet: Fleet) -> None:
    """However often it is read."""
    origin, _ = look(fleet)
    before = written(fleet)
    fleet.behaviours[f.ORIGIN] = f.damaged(lambda body: body[:-5])
    look(fleet, origin)
    assert written(fleet) == before
    assert f"{PATH[1:]} is not a well-formed repomd.xml" in origin.faults


def test_an_origin_that_does_not_answer_changes_nothing(fleet: Fleet, probing: Probing) -> None:
    """RepoVersions stay, and nobody becomes stale because of it: age is judged by its last timestamp."""
    name = fleet.add("a.example.org")
    probing()
    facts = written(fleet)
    fleet.behaviours[f.ORIGIN] = f.hangs_up
    fleet.now += dt.timedelta(days=2)
    probing()
    state = probing.state(name)
    assert written(fleet) == facts
    assert (state.status, state.origin_timestamp) == (Status.OK, fleet.synced_at)
    assert set(state.content.values()) == {Content.CURRENT}


def test_a_mirror_that_is_ahead_of_what_was_read_is_current(fleet: Fleet) -> None:
    """The origin itself is asked once more before anything newer than its known versions is
    called damaged."""
    origin, _ = look(fleet)
    fleet.dates.insert(0, 1_795_100_000)
    config, _ = read_service_config(fleet.folder / "config.yml")
    target = next(target for target in expected_repos(config) if target.key == KEY)
    newest = hashlib.sha256(fleet.body(PATH) or b"").hexdigest()

    async def confirm(digest: str) -> bool | None:
        return await origin.confirms(config, target, digest)

    assert asyncio.run(confirm(newest)) is True
    assert asyncio.run(confirm("f" * 64)) is False
    fleet.behaviours[f.ORIGIN] = f.hangs_up
    fleet.now += dt.timedelta(minutes=2)
    assert asyncio.run(confirm(newest)) is None


def test_many_mirrors_that_claim_to_be_ahead_cost_the_origin_one_look(fleet: Fleet) -> None:
    """A hostile fleet cannot use the prober against the origin."""
    origin, _ = look(fleet)
    config, _ = read_service_config(fleet.folder / "config.yml")
    target = next(target for target in expected_repos(config) if target.key == KEY)
    fleet.log.clear()

    async def confirm() -> list[bool | None]:
        return await asyncio.gather(*(origin.confirms(config, target, "f" * 64) for _ in range(20)))

    assert asyncio.run(confirm()) == [False] * 20
    assert [path for _, path in fleet.requests_to(f.ORIGIN)] == ["/TIME", PATH]


def test_without_an_origin_contents_are_looked_for_but_not_compared(fleet: Fleet, probing: Probing) -> None:
    """Missing and damaged ones are found; what is there stays unknown."""
    config = (fleet.folder / "config.yml").read_text()
    kept = [line for line in config.splitlines() if not line.startswith("origin:")]
    (fleet.folder / "config.yml").write_text("\n".join(kept))
    fleet.now = fleet.synced_at + dt.timedelta(hours=1)
    name = fleet.add("a.example.org", f.without("s390x"))
    probing()
    assert probing.state(name).status is Status.DEGRADED
    assert probing.state(name).content == {
        "9.8/baseos/s390x": Content.MISSING,
        "9.8/appstream/s390x": Content.MISSING,
    }
