"""Runs `mirrorwise check`, which checks the data folder or a change of it, and the GeoIP databases that the
settings name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import click
import msgspec
from rich.console import Console

from app.cli.revision import files_changed_since
from app.files import is_gone
from app.geo.copies import VerifiedCopies
from app.geo.database import AsnDatabase, CityDatabase
from app.geo.following import FollowedDatabase, follow_asns, follow_cities
from app.model import Finding, GeoError, Severity, SourceError
from app.model.errors import fault, warning
from app.probe.newcomers import probe_newcomers
from app.settings import Settings, read_settings
from app.sources.change import Former, check_change
from app.sources.check import AsnPrefixes, CheckedFolder, check_folder, with_line
from app.sources.folder import DataFolder
from app.sources.report import located

Format = Literal["text", "json", "github"]


@dataclass(frozen=True)
class CheckOptions:
    """The options of `mirrorwise check`."""

    #: A data folder, or files of one; the folder that the environment names if there are none.
    paths: Sequence[Path] = ()
    #: A git revision. Only what has changed since is checked.
    changed_since: str | None = None
    #: Whether the mirrors of the files that have changed are asked.
    probe: bool = False


def run_check(options: CheckOptions, environ: Mapping[str, str]) -> list[Finding]:
    """Checks what the options say. A city database that no setting names need not be there. Raises
    MirrorwiseError, and click's UsageError for paths that do not go together."""
    folder, former = _scope(options, read_settings(environ).data_dir)
    variables = {**environ, "MIRRORWISE_DATA": str(folder)}
    settings = read_settings(variables)
    named = bool(variables.get("GEOIP_CITY", "").strip())
    with TemporaryDirectory(prefix="mirrorwise-check-") as place:
        copies = VerifiedCopies(Path(place))
        cities = follow_cities([path for path in settings.geoip_city if named or not is_gone(path)], copies)
        asns = follow_asns(settings.geoip_asn, copies)
        cities.look()
        asns.look()
        checked, damage = _checked(settings, former, asns.database)
        databases = [*damage, *_of(cities), *_of(asns)]
    if former is not None:  # remarks on databases are old
        databases = [finding for finding in databases if finding.severity is Severity.FAULT]
    found = located(checked.findings, folder)
    if options.probe and former is not None:
        found += _probed(folder, checked, former)
    return [*found, *databases]


def _scope(options: CheckOptions, usual: Path) -> tuple[Path, Former | None]:
    """Finds out which data folder is meant, and which of its files have changed; None for all of them."""
    gone = [path for path in options.paths if is_gone(path)]
    if gone:
        raise SourceError([fault(str(path), "there is no such file or folder") for path in gone])
    files = [path for path in options.paths if not path.is_dir()]
    if not files:
        if len(options.paths) > 1:
            raise click.UsageError("only one folder can be checked at a time")
        folder = options.paths[0] if options.paths else usual
        since = options.changed_since
        return folder, None if since is None else files_changed_since(folder, since)
    if len(files) < len(options.paths):
        raise click.UsageError("give a folder, or files of one folder")
    if options.changed_since is not None:
        raise click.UsageError("give files or --changed-since, not both")
    folders = {_folder_of(file, usual) for file in files}
    if len(folders) > 1:
        raise click.UsageError(f"these files are of several folders: {', '.join(map(str, sorted(folders)))}")
    [folder] = folders
    root = _absolute(folder)
    names = (_absolute(file).relative_to(root).as_posix() for file in files)
    return folder, dict.fromkeys(names)


def _absolute(path: Path) -> Path:
    """The path from the root, without `..`. Links are not followed: a file belongs where it is named."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _folder_of(file: Path, usual: Path) -> Path:
    """The data folder of a file: the nearest folder above it that has a config.yml, or else the usual one."""
    above = _absolute(file).parents
    found = next((folder for folder in above if DataFolder(folder).config.is_file()), None)
    if found is None:
        if _absolute(usual) not in above:
            raise SourceError([fault(str(file), "no folder above this file has a config.yml")])
        return usual
    return found if file.is_absolute() else Path(os.path.relpath(found))


def _checked(
    settings: Settings, former: Former | None, asns: AsnDatabase | None
) -> tuple[CheckedFolder, list[Finding]]:
    """Checks the folder. Returns also what shows only now of the ASN database, when all of it is read."""

    def check(prefixes: AsnPrefixes | None) -> CheckedFolder:
        if former is None:
            return check_folder(settings.data_dir, prefixes)
        return check_change(settings.data_dir, former, prefixes)

    if asns is None:
        return check(None), []
    try:
        return check(asns.prefixes_of), []
    except GeoError as error:
        return check(None), [fault(str(settings.geoip_asn[0]), str(error))]


def _of(followed: FollowedDatabase[CityDatabase] | FollowedDatabase[AsnDatabase]) -> Iterator[Finding]:
    """Yields a fault for each file of a database that cannot be used, and a warning for each that is usable
    but odd."""
    for finding, texts in ((fault, followed.faults), (warning, followed.remarks)):
        yield from (finding(str(path), text.removeprefix(f"{path}: ")) for path, text in texts.items())


def _probed(folder: Path, checked: CheckedFolder, former: Former) -> list[Finding]:
    """Asks the mirrors of the files that have changed, unless their files are at fault. What each answers is
    told on standard error."""
    if checked.config is None:
        return []
    data, mirrors_dir = DataFolder(folder), checked.config.mirrors_dir
    at_fault = {finding.file for finding in checked.findings if finding.severity is Severity.FAULT}
    mirrors = {
        file: mirror
        for file, mirror in checked.mirrors.items()
        if (path := f"{mirrors_dir}/{file}") in former and path not in at_fault
    }
    found = located(probe_newcomers(folder, mirrors, Console(stderr=True)), mirrors_dir)
    return located((with_line(finding, data, mirrors_dir) for finding in found), folder)


# --- what is printed ---------------------------------------------------------------------------------


def printed(findings: Sequence[Finding], form: Format) -> str:
    """The findings as text, a line for each; as a JSON list; or as annotations of GitHub Actions."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(findings)).decode() + "\n"
    line: Callable[[Finding], str] = str if form == "text" else _annotation
    return "".join(f"{line(finding)}\n" for finding in findings)


def _annotation(finding: Finding) -> str:
    """The workflow command that shows a finding beside its line, whose file is named from where one stands
    (https://docs.github.com/actions/reference/workflow-commands-for-github-actions)."""
    command = "error" if finding.severity is Severity.FAULT else "warning"
    where = f"file={_escaped(os.path.relpath(finding.file), ':,')}"
    if finding.line is not None:
        where += f",line={finding.line}"
    return f"::{command} {where}::{_escaped(finding.message)}"


def _escaped(text: str, more: Iterable[str] = "") -> str:
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return text
