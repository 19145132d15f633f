"""Asks git which files of a data folder have changed since a revision, and what was in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from app.model import MirrorwiseError


class RevisionError(MirrorwiseError):
    """git cannot tell what has changed."""


def files_changed_since(folder: Path, revision: str) -> dict[str, bytes | None]:
    """The files of a folder that have changed since a revision, or since the commit at which this branch left
    it, also those that are not committed yet. Returns their former contents by their paths in the folder;
    None where there was no file. Raises RevisionError."""
    if revision.startswith("-"):
        raise RevisionError(f"{revision}: this is no git revision")
    try:
        wanted = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip().decode()
    except RevisionError as error:
        raise RevisionError(str(error) or f"git knows no revision {revision}") from error
    try:
        base = _git(folder, "merge-base", wanted, "HEAD").strip().decode()
    except RevisionError as error:
        raise RevisionError(
            str(error)
            or f"git finds no commit that HEAD and {revision} have in common; does this clone have the "
            "whole history (fetch-depth: 0)?"
        ) from error
    changed = _git(folder, "diff", "--name-only", "--no-renames", "--relative", "-z", base, "--", ".")
    added = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    there = set(_names(_git(folder, "ls-tree", "-r", "--name-only", "-z", base, "--", ".")))
    names = dict.fromkeys([*_names(changed), *_names(added)])
    return {name: _git(folder, "show", f"{base}:./{name}") if name in there else None for name in names}


def _names(output: bytes) -> list[str]:
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def _git(folder: Path, *arguments: str) -> bytes:
    """Runs git in a folder. Raises RevisionError with what git said, if anything."""
    try:
        done = subprocess.run(  # noqa: S603 - a program with arguments, no shell
            ["git", "-C", folder, *arguments],  # noqa: S607 - wherever it is installed
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise RevisionError(f"git cannot be run: {error.strerror or error}") from error
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().removeprefix("fatal: ")
        raise RevisionError(said and f"{folder}: {said}")
    return done.stdout
