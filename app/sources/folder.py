"""Knows the paths in the data folder. No other module knows the names of its files and folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from app.model import ServiceConfig, SourceError
from app.model.errors import fault

MIRROR_ENDINGS = (".yml", ".yaml")
STATE_ENDINGS = (".json",)
GEOFEED_ENDINGS = (".csv",)


class DataFolder:
    """A data folder. Files in it whose names begin with a dot belong to an editor or a program, and are not
    read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.yml"
        self.counts = root / "places.csv"
        self.cloud = root / "cloud"
        self.geofeeds = root / "geofeeds"
        self.state = root / "state"
        self.mirror_states = self.state / "mirrors"
        self.prober_notes = self.state / "probe"
        self.repos = self.state / "repos.json"
        self.images = self.state / "isos.json"
        self.round = self.state / "round.json"
        self.origin_notes = self.state / "origin.json"
        self.mirmon = self.state / "mirmon.state"
        #: The state files that are about all mirrors together.
        self.single_states = (self.round, self.repos, self.images, self.mirmon)

    def mirrors(self, config: ServiceConfig | None) -> Path:
        """Returns the folder of the mirror files, which the config names. Without a config, it is the usual
        one, `mirrors.d`."""
        return self.root / (config.mirrors_dir if config else "mirrors.d")

    def name_of(self, path: Path) -> str:
        """Returns the name by which findings call a path in the data folder, such as "mirrors.d/a.yml" for
        the file of a mirror."""
        return path.relative_to(self.root).as_posix()


def require_absent(paths: Iterable[Path]) -> None:
    """Raises SourceError if anything is at one of these paths, where a new data folder is to be written."""
    there = [path for path in paths if path.exists() or path.is_symlink()]
    if there:
        raise SourceError([fault(str(path), "is there already, and nothing was written") for path in there])
