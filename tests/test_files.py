"""Files are replaced in one step: whatever happens in between, readers find a whole file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.files import ABANDONED_S, digest_of_file, own_module, paths, remove_abandoned, replace, replacing
from app.model import digest_of
from tests.conftest import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    path.write_text("old")
    return path


@pytest.mark.parametrize("durable", [False, True])
def test_a_new_file_takes_the_place_of_the_old_one(path: Path, *, durable: bool) -> None:
    """Who holds the old file open goes on reading it; its name leads to the new one, and there is no
    other file."""
    with path.open() as old:
        replace(path, b"new", durable)
        assert old.read() == "old"
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_the_folder_is_made(tmp_path: Path) -> None:
    """A first file needs no folder to be there."""
    replace(tmp_path / "var" / "metrics" / "1.json", b"{}")
    assert (tmp_path / "var" / "metrics" / "1.json").read_bytes() == b"{}"


def written_by_half(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt


def never_written(path: Path) -> None:
    with replacing(path, durable=True):
        pass


def found_wrong(path: Path) -> None:
    with replacing(path, durable=True) as temporary:
        temporary.write_text("new")
        raise ValueError("not what was expected")


def over_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("old")
    replace(path, b"new")


@pytest.mark.parametrize("write", [written_by_half, never_written, found_wrong, over_a_folder])
def test_what_fails_changes_nothing(path: Path, write: Callable[[Path], None]) -> None:
    """An exception at any point leaves what was there, and no temporary file."""
    with pytest.raises((KeyboardInterrupt, OSError, ValueError)):
        write(path)
    assert list(path.parent.iterdir()) == [path]
    assert (path / "inside" if path.is_dir() else path).read_text() == "old"


KILLED = """
import os, signal, sys
from pathlib import Path
from app.files import replacing
with replacing(Path(sys.argv[1]), durable=True) as temporary:
    temporary.write_text("ne")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer(path: Path) -> None:
    """A writer killed in the middle leaves the old file whole. What it wrote so far is hidden from readers
    of the folder, and removed after an hour, when no living writer can still need it."""
    done = subprocess.run([sys.executable, "-c", KILLED, path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert paths(path.parent, ".json", ".tmp") == [path]
    (left_over,) = set(path.parent.iterdir()) - {path}
    written_at = left_over.stat().st_mtime
    remove_abandoned(path.parent, written_at + ABANDONED_S - 1)
    assert left_over.exists()
    remove_abandoned(path.parent, written_at + ABANDONED_S + 1)
    assert list(path.parent.iterdir()) == [path]


def test_only_temporary_files_are_abandoned(tmp_path: Path) -> None:
    """However old they are, files that people or other programs put beside ours stay. A folder that is
    not there is no error."""
    names = {"state.json", "mine.tmp", ".fetched.json"}
    for name in names:
        (tmp_path / name).touch()
    remove_abandoned(tmp_path, (tmp_path / "state.json").stat().st_mtime + 10 * ABANDONED_S)
    assert {path.name for path in tmp_path.iterdir()} == names
    remove_abandoned(tmp_path / "nowhere")


def test_two_writers_at_once(path: Path) -> None:
    """Two processes that replace one file at the same time do not meet in their temporary files."""
    with replacing(path) as one, replacing(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("durable", [False, True])
def test_the_disk_is_waited_for_where_it_matters(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, durable: bool
) -> None:
    """A durable replacement flushes the new file before it is renamed, and then the folder."""
    flushed: list[tuple[str, str]] = []

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        flushed.append((kind, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    replace(path, b"new", durable)
    assert flushed == ([("file", "old"), ("folder", "new")] if durable else [])


def test_one_digest(path: Path) -> None:
    """A file has the digest of its bytes, as sha256sum writes it."""
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_of_file(path) == digest_of(b"abc") == known


def test_our_own_modules_are_run_wherever_one_stands(tmp_path: Path) -> None:
    """A child process runs the code of this process, with its arguments, also where another program called
    `app` lies in the present folder."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('this is another program')\n")
    command = [*own_module("app"), "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.1.0" in done.stdout
