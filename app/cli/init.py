"""Begins a data folder, for `mirrorwise init`."""

from __future__ import annotations

from pathlib import Path

from app.files import replace, shipped_folder
from app.sources.folder import DataFolder, require_absent

_BEGINNING = Path(__file__).with_name("beginning")
_MIRROR = "mirror.example.org.yml"


def begin(directory: Path) -> list[Path]:
    """Writes the files of a new data folder. Returns their paths. Raises SourceError if one of them is there
    already; then nothing is written."""
    folder = DataFolder(directory)
    files = {
        folder.config: "config.yml",
        folder.mirrors(None) / _MIRROR: _MIRROR,
        directory / ".gitignore": "gitignore",
    }
    require_absent(files)
    for path, name in files.items():
        replace(path, beginning(name))
    return list(files)


def beginning(name: str) -> bytes:
    """Returns one of the files that a data folder begins with."""
    return (_BEGINNING / name).read_bytes()


def next_steps(directory: Path) -> str:
    """What to do with a new data folder."""
    return (
        f"Put your own into them, then try:\n"
        f"  mirrorwise check {directory}\n"
        f"  MIRRORWISE_DATA={directory} MIRRORWISE_VAR=var/{directory.name} mirrorwise up\n"
        f"Every key is explained in {shipped_folder('data') / 'README.md'}; units for systemd, alert rules "
        f"and more are in {shipped_folder('data') / 'examples'}."
    )
