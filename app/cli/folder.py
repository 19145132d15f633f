"""The commands for the people who keep a data folder: `mirrorwise check` and `mirrorwise init`."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import click

from app.model import Severity

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, type=_PATH, metavar="[DIR | FILE...]")
@click.option("--changed-since", metavar="REVISION", help="Only what has changed since, by git.")
@click.option("--probe", is_flag=True, help="Ask the mirrors of these files, or of those that changed.")
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True
)
def check(
    paths: tuple[Path, ...],
    changed_since: str | None,
    probe: bool,
    strict: bool,
    form: Literal["text", "json", "github"],
) -> None:
    """Validate a data folder, and name the files in it that no program reads; for a pull request's CI.

    Of files, or of what has changed, every finding is shown, and of other files the faults that come of it.
    With GEOIP_CITY and GEOIP_ASN, these databases are checked as well, and also how many addresses the
    AS numbers of mirrors reach.

    \b
    Examples:
      mirrorwise check data
      mirrorwise check --probe data/mirrors.d/mirror.example.org.yml
      mirrorwise check --changed-since origin/main --strict --format github
    """
    from app.cli.check import CheckOptions, printed, run_check

    if probe and changed_since is None and all(path.is_dir() for path in paths):
        raise click.UsageError("--probe asks the mirrors of some files; name them, or give --changed-since")
    findings = run_check(CheckOptions(paths, changed_since, probe), os.environ)
    click.echo(printed(findings, form), nl=False)
    faults = sum(finding.severity is Severity.FAULT for finding in findings)
    click.echo(f"{faults} faults, {len(findings) - faults} warnings", err=True)
    sys.exit(1 if faults or (strict and findings) else 0)


@click.command()
@click.argument("directory", type=_PATH, metavar="DIR")
def init(directory: Path) -> None:
    """Begin a data folder: a commented config, an example mirror, and what git should ignore.

    No file that is there already is touched.

    \b
    Example:
      mirrorwise init network
    """
    from app.cli.init import begin, next_steps

    for path in begin(directory):
        click.echo(f"written: {path}")
    click.echo(next_steps(directory))
