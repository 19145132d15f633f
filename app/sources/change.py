"""Checks a change of a data folder, for the CI of pull requests: only what the change is to blame for.

That is whatever is wrong in the changed files, and the faults in others that were not there before: a
config that renames a repo may break mirrors that no one has touched. To know what was there before, the
folder as it was is laid out beside: its changed files with their former contents, and links to all others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import msgspec

from app.model import Finding, Severity
from app.model.errors import MAX_NAME
from app.model.words import escaped
from app.sources.check import AsnPrefixes, CheckedFolder, check_folder
from app.sources.unread import MAX_DEPTH

Former = Mapping[str, bytes | None]
"""The former contents of the files that have changed, by their paths in the data folder. None: the file is
new."""


def check_change(data_dir: Path, former: Former, asn_prefixes: AsnPrefixes | None = None) -> CheckedFolder:
    """Checks a data folder of which these files have changed. If the service config has a fault, there are
    its findings, whoever is to blame, because nothing else can be judged."""
    with TemporaryDirectory(prefix="mirrorwise-before-") as place:
        _lay_out(data_dir, Path(place), former)
        before = check_folder(Path(place), asn_prefixes)
    now = check_folder(data_dir, asn_prefixes, before.mirrors)
    if now.config is None:
        return now
    known = {(finding.file, finding.message) for finding in before.findings}
    files = {escaped(name, MAX_NAME) for name in former}  # as findings name them
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}

    def is_to_blame(finding: Finding) -> bool:
        if finding.file in files:
            return True
        new = (finding.file, finding.message) not in known
        return new and (finding.severity is Severity.FAULT or finding.file in folders)

    return msgspec.structs.replace(now, findings=list(filter(is_to_blame, now.findings)))


def _lay_out(data_dir: Path, target: Path, former: Former) -> None:
    """Lays out a data folder as it was before some files changed. A folder may have been a file then."""
    for name, content in former.items():
        if content is not None:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(content)
    for parent, folders, files in os.walk(data_dir, followlinks=True):
        here = Path(parent).relative_to(data_dir)
        if len(here.parts) >= MAX_DEPTH:  # a link may lead round in a circle
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]
        if (target / here).is_file():
            folders.clear()
            continue
        (target / here).mkdir(exist_ok=True)
        for name in files:
            if (here / name).as_posix() not in former:
                (target / here / name).symlink_to((data_dir / here / name).absolute())
