"""Following logs: each line counts once, whatever happens to the log, the collector or the database."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import select

from app.history import database as opening
from app.history import follow as following
from app.history.collector import LogCollector
from app.history.database import HistoryDatabase
from app.history.follow import FollowedLog
from app.history.importing import import_file
from app.history.log_file import rotated
from app.history.retention import Retention
from app.history.tables import positions
from app.model import HistoryError
from tests.conftest import free_port, wait_until
from tests.history.lines import Lines, added, make_lines, sqlite_in, totals_in
from tests.servers import Command, environ


class Site:
    """A log, its database, and a collector of this process."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "access.log"
        self.folder = folder
        self.database = sqlite_in(folder)
        self.written: list[Lines] = []
        self.followed = FollowedLog(self.database, "here", self.log)

    def restart(self) -> None:
        """What a collector does that begins anew, as after kill -9."""
        self.followed.forget()
        self.followed = FollowedLog(self.database, "here", self.log)

    def write(self, count: int = 20, path: Path | None = None) -> Lines:
        lines = make_lines(count, len(self.written))
        self.written.append(lines)
        with (path or self.log).open("ab") as file:
            file.write(lines.content)
        return lines

    def rotate(self) -> Path:
        """Renames as logrotate does: .1 becomes .2, and so on."""
        for path in reversed(rotated_plain(self.log)):
            number = int(path.suffix[1:])
            path.replace(path.with_suffix(f".{number + 1}"))
        return self.log.replace(self.log.with_name("access.log.1"))

    def look(self) -> None:
        for _ in self.followed.look():
            pass

    def check(self) -> None:
        """Each line has been counted once."""
        assert totals_in(self.database) == added(lines.totals for lines in self.written)


def rotated_plain(log: Path) -> list[Path]:
    return sorted(log.parent.glob(f"{log.name}.[0-9]"), key=lambda path: int(path.suffix[1:]))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.followed.forget()
    site.database.close()


def test_what_is_written_is_counted(site: Site) -> None:
    """From the beginning of the file on, and then what is new, whole lines alone."""
    site.look()
    site.write()
    site.look()
    lines = site.write()
    half = site.log.read_bytes()
    site.log.write_bytes(half[:-30])
    site.look()
    site.look()
    with site.log.open("ab") as file:
        file.write(half[-30:])
    site.look()
    site.check()
    assert lines.totals


def test_rotation_while_it_runs(site: Site) -> None:
    """What nginx still writes to the former file is counted too, for a while."""
    site.write()
    site.look()
    site.write()
    former = site.rotate()
    site.write(path=former)
    site.look()
    site.write()
    site.write(path=former)
    site.look()
    site.rotate()
    site.write()
    site.rotate()
    site.write()
    site.look()
    site.check()


def test_a_former_file_is_done_after_a_while(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is closed, with what is left in it: a last line without an end counts if it is a record."""
    site.write()
    site.look()
    former = site.rotate()
    last = make_lines(1, 77, junk=False)
    site.written.append(last)
    with former.open("ab") as file:
        file.write(last.lines[0])
    site.write()
    site.look()
    monkeypatch.setattr(following, "RETIRED_AFTER_S", -1.0)
    site.look()
    assert [counted.file.path for counted in site.followed._files or ()] == [site.log]
    site.look()
    site.check()


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_rotation_while_it_does_not_run(site: Site, times: int, ending: str) -> None:
    """Files are found again under their new names, also compressed, and those that it never saw too."""
    site.write()
    site.look()
    for _ in range(times):
        site.write()
        site.rotate()
    for path in rotated_plain(site.log):
        compress(path, ending)
    site.write()
    site.restart()
    site.look()
    site.check()
    site.restart()
    site.look()
    site.check()


def compress(path: Path, ending: str) -> None:
    """As gzip and zstd do: the time of the file stays."""
    if not ending:
        return
    content, found = path.read_bytes(), path.stat()
    compressed = gzip.compress(content) if ending == ".gz" else zstandard.compress(content)
    new = path.with_name(path.name + ending)
    new.write_bytes(compressed)
    os.utime(new, (found.st_atime, found.st_mtime))
    path.unlink()


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("has_copy", [True, False])
@pytest.mark.parametrize("new", [0, 5, 200])
def test_truncation(site: Site, is_running: bool, has_copy: bool, new: int) -> None:
    """A file that was emptied is read from its beginning, also if it has become longer than it was; what had
    not been read is in the copy, if one was made."""
    site.write(50)
    site.look()
    if has_copy:
        site.write(50)
        (site.folder / "access.log.1").write_bytes(site.log.read_bytes())
    os.truncate(site.log, 0)
    if new:
        site.write(new)
    if not is_running:
        site.restart()
    site.look()
    site.look()
    site.write()
    site.look()
    site.check()


def test_old_files_are_left_alone_at_first(site: Site) -> None:
    """What was rotated away before anything was followed is for `import`."""
    site.write(path=site.folder / "access.log.1")
    os.utime(site.folder / "access.log.1", (1, 1))
    site.written.clear()
    site.write()
    site.look()
    site.check()
    site.restart()
    site.write()
    site.look()
    site.check()


def test_a_file_that_is_gone(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """It was deleted while nothing ran: what was in it is lost, which is said once."""
    site.write()
    site.look()
    site.log.unlink()
    site.write()
    site.restart()
    site.look()
    site.restart()
    site.look()
    site.check()
    assert caplog.text.count("is gone") == 1


def test_lines_that_are_no_records(site: Site) -> None:
    """They are counted and skipped, however long they are."""
    good = make_lines(10, junk=False)
    site.written.append(good)
    content = b"".join(b"x" * 9000 + b"\n" + line + b"\n\xff\x00\n" for line in good.lines)
    site.log.write_bytes(content + b"y" * (3 << 20) + b"\n")
    with site.log.open("ab") as file:
        file.write(site.write(5, path=site.folder / "aside").content)
    sums = list(site.followed.look())
    assert sum(part.records for part in sums) == 10 + len(site.written[1].lines) - site.written[1].skipped
    assert sum(part.skipped for part in sums) >= 21
    site.check()


def test_import(site: Site, tmp_path: Path) -> None:
    """Old files, plain or compressed, count once: a second time, under another name, and what was followed
    before."""
    old = [tmp_path / "old" / name for name in ("a.log", "b.log.gz", "c.log.zst")]
    (tmp_path / "old").mkdir()
    for path in old:
        plain = path.with_suffix("") if path.suffix != ".log" else path
        site.write(300, path=plain)
        compress(plain, path.suffix if path.suffix != ".log" else "")
    site.write()
    site.look()
    site.write()

    def imported(path: Path) -> int:
        return import_file(site.database, "here", path, lambda _: None).records

    assert all(imported(path) for path in old)
    site.followed.forget()
    assert imported(site.log) > 0
    site.check()
    assert [imported(path) for path in (*old, site.log)] == [0] * 4
    again = tmp_path / "again.gz"
    again.write_bytes(gzip.compress(old[0].read_bytes()))
    assert imported(again) == 0
    site.restart()
    site.write()
    site.look()
    site.rotate()
    site.write(path=site.folder / "access.log.1")
    site.write()
    site.restart()
    site.look()
    site.check()


def test_damaged_files(site: Site, tmp_path: Path) -> None:
    """A compressed file that is cut short is an error that names it; what was whole has been counted, and is
    not counted again."""
    lines = make_lines(6000, 5)
    whole = gzip.compress(lines.content, 1)
    path = tmp_path / "cut.gz"
    path.write_bytes(whole[:-500])
    for _ in range(2):
        with pytest.raises(HistoryError, match=r"cut\.gz: is damaged or incomplete"):
            import_file(site.database, "here", path, lambda _: None)
    path.write_bytes(whole)
    import_file(site.database, "here", path, lambda _: None)
    site.written.append(lines)
    site.check()


def test_two_processes_do_not_count_the_same_file(site: Site) -> None:
    """The second one says so, and counts nothing."""
    site.write()
    site.look()
    other = FollowedLog(site.database, "here", site.log)
    site.write()
    with pytest.raises(HistoryError, match="another process counts it"):
        list(other.look())
    with pytest.raises(HistoryError, match="another process counts it"):
        import_file(site.database, "here", site.log, lambda _: None)
    site.look()
    site.check()


# --- the process -----------------------------------------------------------------------------------------


class Follower(Command):
    """A process of `mirrorwise history follow`."""

    def __init__(self, folder: Path, log: Path, *options: str, **more: str) -> None:
        variables = environ(folder, folder, **more)
        super().__init__(folder / "follow.out", ["history", "follow", str(log), *options], variables)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def memory_mb(self) -> float:
        """The most memory that it has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def has_all(database: HistoryDatabase, expected: object) -> bool:
    try:
        return totals_in(database) == expected
    except HistoryError:
        return False


def has_position(database: HistoryDatabase) -> bool:
    try:
        with database.reading() as connection:
            return connection.execute(select(positions)).first() is not None
    except HistoryError:
        return False


def run_through_trouble(folder: Path, count: int, chunk: int) -> tuple[float, float]:
    """Writes so many lines through three rotations and one truncation, and kills the collector five times.
    Returns for how many seconds collectors have run, and how much memory the last one took."""
    log, made = folder / "access.log", make_lines(count)
    site = Site(folder)
    site.followed.forget()
    log.touch()
    lines, expected, started = iter(made.lines), added([made.totals]), time.monotonic()
    follower = Follower(folder, log)
    at = 0
    wait_until(lambda: has_position(site.database), "the first collector has begun", 30)
    while True:
        some = list(islice(lines, chunk))
        if not some:
            break
        with log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in some))
        at += 1
        if at in (2, 4, 6, 8, 10):
            time.sleep(0.05 * at)  # somewhere within what it does
            follower.kill()
            follower.start()
        if at in (3, 5, 9):
            site.rotate()
        if at == 7:  # as copytruncate does
            for path in reversed(rotated_plain(log)):
                path.replace(path.with_suffix(f".{int(path.suffix[1:]) + 1}"))
            (folder / "access.log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)
    try:
        wait_until(lambda: has_all(site.database, expected), "every line counted once", 120)
    finally:
        took_s, memory_mb = time.monotonic() - started, follower.memory_mb
        follower.stop()
    assert totals_in(site.database) == expected
    site.database.close()
    return took_s, memory_mb


@pytest.mark.slow
def test_a_little_trouble(tmp_path: Path) -> None:
    """One kill, one rotation: the process goes on where its transaction ended."""
    log = tmp_path / "access.log"
    site = Site(tmp_path)
    site.write(2000)
    follower = Follower(tmp_path, log)
    wait_until(lambda: has_all(site.database, site.written[0].totals), "the first lines", 20)
    site.write(2000)
    follower.kill()
    site.rotate()
    site.write(2000)
    follower.start()
    expected = added(lines.totals for lines in site.written)
    wait_until(lambda: has_all(site.database, expected), "all lines", 20)
    assert follower.signal(signal.SIGTERM) == 0, follower.said()
    site.database.close()


@pytest.mark.slow
def test_much_trouble(tmp_path: Path) -> None:
    """Three rotations, one truncation, five kill -9: every total is exact."""
    run_through_trouble(tmp_path, 200_000, 18_000)


def test_the_database_is_locked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another program, for longer than it waits: it says so, and counts when that is over."""
    site.write()
    site.look()
    other = sqlite3.connect(site.folder / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    site.write()
    monkeypatch.setattr(opening, "PATIENCE_S", 0.2)
    impatient = sqlite_in(site.folder)
    collector = LogCollector(impatient, "here", [site.log], Retention())
    site.followed.forget()
    looked = threading.Thread(target=collector.look, args=(threading.Event(),))
    looked.start()
    looked.join()
    assert "database is locked" in " ".join(collector.faults.current.values())
    other.execute("ROLLBACK")
    other.close()
    assert collector.look(threading.Event())
    site.check()
    assert collector.faults.current == {}
    for followed in collector._logs:
        followed.forget()
    impatient.close()


@pytest.mark.slow
def test_metrics(tmp_path: Path) -> None:
    """Lines, errors, and what is not counted yet."""
    log, port = tmp_path / "access.log", free_port()
    lines = make_lines(500)
    log.write_bytes(lines.content)
    follower = Follower(tmp_path, log, "--metrics", f"127.0.0.1:{port}")

    def metrics() -> dict[str, float]:
        command = ["curl", "-fsS", f"http://127.0.0.1:{port}/metrics"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        rows = [line.rpartition(" ") for line in done.stdout.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in rows}

    records = 'mirrorwise_history_lines_total{kind="record"}'
    wait_until(lambda: metrics().get(records) == len(lines.lines) - lines.skipped, "all lines", 20)
    found = metrics()
    assert found['mirrorwise_history_lines_total{kind="skipped"}'] == lines.skipped
    assert found["mirrorwise_history_unread_bytes"] == 0
    assert found["mirrorwise_history_errors_total"] == 0
    wait_until(
        lambda: time.time() - metrics()["mirrorwise_history_up_to_date_timestamp_seconds"] < 30, "up to date"
    )
    follower.stop()


def test_files_that_rotation_makes(tmp_path: Path) -> None:
    """Under whatever scheme; the oldest first; no file that is just being compressed, and no other log."""
    names = ["access.log", "access.log.1", "access.log.1.gz", "access.log-20261126.gz", "access.log.3.zst"]
    names += ["access.log.lock", "error.log.1", "xaccess.log.1", "access.logs"]
    for age, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    found = [path.name for path in rotated(tmp_path / "access.log")]
    assert found == ["access.log.3.zst", "access.log-20261126.gz", "access.log.1"]


def test_lines_are_as_nginx_writes_them() -> None:
    """What these tests count has the keys of the log format, in its order."""
    conf = Path(__file__).parents[2] / "nginx" / "mirrorwise-log.conf"
    form = "".join(part for part in conf.read_text().split("'") if part.startswith(('{"', '"')))
    keys = [word for word in form.replace("{", ",").split(',"') if word.endswith('"') or '":' in word]
    [line] = make_lines(1, junk=False).lines
    assert [word.partition('"')[0] for word in keys if word] == list(json.loads(line))
