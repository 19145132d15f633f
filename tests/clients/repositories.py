"""Small real repositories: rpm packages made by rpmbuild, metadata by createrepo_c."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from app.model import RepomdVersion
from tests.conftest import need_program

SPEC = """\
Name: {name}
Version: {version}
Release: 1
Summary: A package for tests
License: MIT
BuildArch: noarch
%description
Nothing but a file.
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {version} > %{{buildroot}}/usr/share/{name}/version
%files
/usr/share/{name}/version
"""


def build_package(folder: Path, name: str, version: str) -> Path:
    """One noarch rpm, in `folder`."""
    program = need_program("rpmbuild")
    spec = folder / f"{name}-{version}.spec"
    spec.write_text(SPEC.format(name=name, version=version))
    subprocess.run(
        [program, "-bb", "--quiet", f"-D_topdir {folder}/build", f"-D_rpmdir {folder}", str(spec)],
        check=True,
        capture_output=True,
    )
    return folder / "noarch" / f"{name}-{version}-1.noarch.rpm"


def make_repo(folder: Path, packages: list[Path], revision: int) -> Path:
    """A repository of these packages; `revision` is its time, in epoch seconds."""
    program = need_program("createrepo_c")
    (folder / "Packages").mkdir(parents=True)
    for package in packages:
        shutil.copy(package, folder / "Packages")
    subprocess.run(
        [program, "--quiet", f"--revision={revision}", "--set-timestamp-to-revision", str(folder)],
        check=True,
        capture_output=True,
    )
    return folder


def repomd_version(repo: Path, seen_at: datetime) -> RepomdVersion:
    """What a prober would note of a repository's repomd.xml."""
    body = (repo / "repodata" / "repomd.xml").read_bytes()
    stamps = re.findall(rb"<timestamp>(\d+)</timestamp>", body)
    return RepomdVersion(
        timestamp=max(map(int, stamps)),
        size=len(body),
        seen_at=seen_at,
        sha256=hashlib.sha256(body).hexdigest(),
        sha512=hashlib.sha512(body).hexdigest(),
        sha1=hashlib.sha1(body, usedforsecurity=False).hexdigest(),
        md5=hashlib.md5(body, usedforsecurity=False).hexdigest(),
    )
