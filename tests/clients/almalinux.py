"""AlmaLinux's real config and mirrors as a data folder, with an origin whose contents are known."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from app.catalogue.catalogue import content_key, expected_arches
from app.model import RepomdVersion, ServiceConfig

VERSIONS = tuple(
    RepomdVersion(
        timestamp=1_790_000_000 - age,
        size=3000 + age,
        seen_at=datetime(2026, 9, 20, 12 - age, tzinfo=UTC),
        sha256=f"{age + 1:064x}",
        sha512=f"{age + 1:0128x}",
    )
    for age in range(3)
)
"""What the origin has had of every repo, newest first."""


def almalinux_data(folder: Path, real_data: Path, config: ServiceConfig) -> None:
    """Fill an empty folder."""
    shutil.copy(real_data / "almalinux" / "config.yml", folder)
    (folder / "mirrors.d").symlink_to(real_data / "almalinux" / "mirrors.d")
    facts = {
        content_key(config, repo, release, arch): VERSIONS
        for release in config.releases
        for repo in config.repos
        for arch in expected_arches(config, repo, release)
    }
    (folder / "state").mkdir()
    (folder / "state" / "repos.json").write_bytes(msgspec.json.encode(facts))
