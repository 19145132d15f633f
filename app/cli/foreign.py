"""The commands that begin a data folder with what another mirror service knows: `mirrorwise import`."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.model import Finding, ServiceConfig

if TYPE_CHECKING:
    from app.sources.foreign.draft import WrittenFolder

_PATH = click.Path(path_type=Path)
_DIRECTORY = click.option(
    "--to",
    "directory",
    type=_PATH,
    default="network",
    show_default=True,
    metavar="DIR",
    help="The data folder.",
)


@click.group("import")
def import_() -> None:
    """Begin a data folder with the mirrors of another mirror service.

    No file that is there already is touched. What could not be carried over is named, one a line.

    \b
    Example:
      mirrorwise import mirrormanager mirrorlist_cache.proto --to network
    """


@import_.command()
@click.argument("cache", type=_PATH, metavar="FILE")
@_DIRECTORY
def mirrormanager(cache: Path, directory: Path) -> None:
    """Import what MirrorManager's mirrorlist server answers from: its mirrorlist_cache.proto.

    Each name that clients ask for is tried with the new config, and what differs is named.

    \b
    Example:
      mirrorwise import mirrormanager /var/lib/mirrormanager/mirrorlist_cache.proto --to network
    """
    from app.sources.foreign.draft import write
    from app.sources.foreign.mirrormanager import SERVICE, CachedNetwork

    network = CachedNetwork(cache)
    written = write(network.draft(), directory, SERVICE)
    differences = network.differences(paths_of(written.config))
    _tell(directory, written, differences)


@import_.command()
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@_DIRECTORY
def mirrorbits(files: tuple[Path, ...], directory: Path) -> None:
    """Import mirrors of mirrorbits, in the YAML of `mirrorbits edit`, and its mirrorbits.conf.

    A file may have several mirrors, with a line of --- between them.

    \b
    Example:
      EDITOR=cat mirrorbits edit mirror.example.org > mirror.example.org.yml
      mirrorwise import mirrorbits mirror.example.org.yml /etc/mirrorbits.conf --to network
    """
    from app.cli.init import beginning
    from app.sources.foreign.draft import write
    from app.sources.foreign.mirrorbits import SERVICE, MirrorbitsFiles

    written = write(MirrorbitsFiles(files).draft(beginning("config.yml").decode()), directory, SERVICE)
    _tell(directory, written, ())


def paths_of(config: ServiceConfig) -> Callable[[str, str], str]:
    """Returns what tells the path, below a mirror, for the `repo=` and `arch=` of a request. It raises
    QuestionError for a request that has no answer."""
    from app.request.parameters import ParameterReader
    from app.request.question import Parser

    parser = Parser(config, ParameterReader(config.selection))
    return lambda repo, arch: parser.parse_list({"repo": repo, "arch": arch}).path


def _tell(directory: Path, written: WrittenFolder, differences: Iterable[Finding]) -> None:
    from app.cli.init import next_steps

    lost = [*written.lost, *differences]
    for finding in lost:
        click.echo(f"{finding.file}: {finding.message}")
    click.echo(f"written: {written.mirrors} mirrors and {directory / 'config.yml'}; {len(lost)} notes above")
    click.echo(next_steps(directory))
