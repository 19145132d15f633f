"""The repo files of distributions: what their URLs ask for, and where it is on a mirror.

Each entry is one section of a file, with the variables that dnf replaces. The files are those of the packages
fedora-repos 41 to 43, epel-release 9 and 10, rocky-repos 9 and 10, centos-stream-repos 9 and 10,
almalinux-repos 8 to 10 and almalinux-kitten-repos 10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Section(NamedTuple):
    """A section of a repo file."""

    #: The target of its `metalink=` or `mirrorlist=`.
    target: str
    #: The repo's directory below the product's base URL.
    path: str


class RepoFiles(NamedTuple):
    """The repo files of one product, for releases that have the same ones."""

    product: str
    sections: list[Section]
    #: The variables of each system that uses them: dnf's own, and those in its /etc/dnf/vars. A variable that
    #: a system does not have stays as it is.
    systems: list[dict[str, str]]
    #: What stands in paths for `$release`, by `$releasever`, where that is something else.
    releases: Mapping[str, str] = {}


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replaces variables as dnf does, and leaves unknown ones as they are."""
    for name in sorted(variables, key=len, reverse=True):
        text = text.replace(f"${{{name}}}", variables[name]).replace(f"${name}", variables[name])
    return text


def asked(files: RepoFiles) -> Iterator[tuple[str, str]]:
    """Yields each target as each system asks it, with the path of the directory that is meant."""
    for system in files.systems:
        release = files.releases.get(system["releasever"], system["releasever"])
        for section in files.sections:
            yield (
                expanded(section.target, system),
                expanded(section.path, {"basearch": system["basearch"], "release": release}),
            )


def _kinds(target: str, path: str, debug: str, source: str) -> list[Section]:
    """The sections of a repo, its debug symbols and its sources; `{}` in the target is for the kind."""
    return [
        Section(target.format(""), path),
        Section(target.format("-debug"), debug),
        Section(target.format("-source"), source),
    ]


def _systems(releases: str, arches: str = "x86_64 aarch64", **variables: str) -> list[dict[str, str]]:
    return [
        {"releasever": release, "basearch": arch, **variables}
        for release in releases.split()
        for arch in arches.split()
    ]


# --- Fedora and EPEL -------------------------------------------------------------------------------

_METALINK = "/metalink?repo={}&arch=$basearch"
_EVERYTHING = "$release/Everything"
FEDORA = RepoFiles(
    "fedora",
    [
        *_kinds(
            _METALINK.format("fedora{}-$releasever"),
            f"releases/{_EVERYTHING}/$basearch/os/",
            f"releases/{_EVERYTHING}/$basearch/debug/tree/",
            f"releases/{_EVERYTHING}/source/tree/",
        ),
        *_kinds(
            _METALINK.format("updates-released{}-f$releasever"),
            f"updates/{_EVERYTHING}/$basearch/",
            f"updates/{_EVERYTHING}/$basearch/debug/",
            f"updates/{_EVERYTHING}/source/tree/",
        ),
        *_kinds(
            _METALINK.format("updates-testing{}-f$releasever"),
            f"updates/testing/{_EVERYTHING}/$basearch/",
            f"updates/testing/{_EVERYTHING}/$basearch/debug/",
            f"updates/testing/{_EVERYTHING}/source/tree/",
        ),
    ],
    _systems("41 42 43"),
)
RAWHIDE = RepoFiles(
    "fedora",
    _kinds(
        _METALINK.format("rawhide{}"),
        f"development/{_EVERYTHING}/$basearch/os/",
        f"development/{_EVERYTHING}/$basearch/debug/tree/",
        f"development/{_EVERYTHING}/source/tree/",
    ),
    _systems("rawhide"),
)
OPENH264 = RepoFiles(
    "openh264",
    [
        Section(_METALINK.format("fedora-cisco-openh264-$releasever"), "$release/$basearch/os/"),
        Section(
            _METALINK.format("fedora-cisco-openh264-debug-$releasever"), "$release/$basearch/debug/tree/"
        ),
    ],
    _systems("41 42 43 rawhide"),
)
EPEL_OPENH264 = RepoFiles(
    "openh264",
    [Section(_METALINK.format("epel-cisco-openh264-$releasever"), "$release/$basearch/os/")],
    _systems("9 10"),
)
_EPEL_9 = "/metalink?repo={}&arch=$basearch&infra=$infra&content=$contentdir"


def _epel(target: str, path: str) -> list[Section]:
    return _kinds(
        target,
        f"{path}{_EVERYTHING}/$basearch/",
        f"{path}{_EVERYTHING}/$basearch/debug/",
        f"{path}{_EVERYTHING}/source/tree/",
    )


EPEL_9 = RepoFiles(
    "epel",
    [
        *_epel(_EPEL_9.format("epel{}-$releasever"), ""),
        *_epel(_EPEL_9.format("testing{}-epel$releasever"), "testing/"),
        *_epel(_EPEL_9.format("epel-next{}-$releasever"), "next/"),
        *_epel(_EPEL_9.format("epel-testing-next{}-$releasever"), "testing/next/"),
    ],
    [*_systems("9"), *_systems("9", infra="stock", contentdir="centos")],
)
_MINOR = "releasever_minor:+-z"
"""dnf since 4.18 replaces it by "-z" on a system that has a minor version. Older ones leave it."""
_EPEL_10 = [
    *_epel(_METALINK.format(f"epel${{{{{_MINOR}}}}}{{}}-$releasever"), ""),
    *_epel(_METALINK.format(f"epel${{{{{_MINOR}}}}}-testing{{}}-$releasever"), "testing/"),
]
EPEL_10 = RepoFiles("epel", _EPEL_10, [*_systems("10"), *_systems("10", **{_MINOR: ""})])
EPEL_10_MINOR = RepoFiles(
    "epel",
    _EPEL_10,
    _systems("10 10.1 10.2", **{_MINOR: "-z"}),
    {"10": "10z", "10.1": "10.1z", "10.2": "10.2z"},
)

# --- Rocky Linux -----------------------------------------------------------------------------------

_ROCKY_TARGET = "/mirrorlist?arch={}&repo={}-$releasever{}$rltype"
_ROCKY_REPOS = "BaseOS AppStream CRB HighAvailability ResilientStorage RT NFV SAP SAPHANA extras devel"


def _rocky(repo: str, directory: str) -> list[Section]:
    return [
        Section(_ROCKY_TARGET.format("$basearch", repo, ""), f"$release/{directory}/$basearch/os/"),
        Section(
            _ROCKY_TARGET.format("$basearch", repo, "-debug"), f"$release/{directory}/$basearch/debug/tree/"
        ),
        Section(_ROCKY_TARGET.format("source", repo, "-source"), f"$release/{directory}/source/tree/"),
    ]


ROCKY = RepoFiles(
    "rocky",
    [section for repo in _ROCKY_REPOS.split() for section in _rocky(repo, repo)]
    + _rocky("rockyplus", "plus"),
    [*_systems("9 10"), *_systems("9", rltype="")],
    {"9": "9.8", "10": "10.2"},
)

# --- CentOS Stream ---------------------------------------------------------------------------------

_CENTOS_TARGET = "/metalink?repo=centos-{}-$stream&arch={}&protocol=https,http"


def _centos(repo: str) -> list[Section]:
    name = repo.lower()
    return [
        Section(_CENTOS_TARGET.format(name, "$basearch"), f"$release/{repo}/$basearch/os/"),
        Section(
            _CENTOS_TARGET.format(f"{name}-debug", "$basearch"), f"$release/{repo}/$basearch/debug/tree/"
        ),
        Section(_CENTOS_TARGET.format(f"{name}-source", "source"), f"$release/{repo}/source/tree/"),
    ]


_EXTRAS = "extras-sig-extras-common"
CENTOS_STREAM = RepoFiles(
    "centos-stream",
    [
        *(
            section
            for repo in ["BaseOS", "AppStream", "CRB", "HighAvailability", "NFV", "RT", "ResilientStorage"]
            for section in _centos(repo)
        ),
        Section(_CENTOS_TARGET.format(_EXTRAS, "$basearch"), "SIGs/$release/extras/$basearch/extras-common/"),
        Section(
            _CENTOS_TARGET.format(f"{_EXTRAS}-source", "source"), "SIGs/$release/extras/source/extras-common/"
        ),
    ],
    [*_systems("9", stream="9-stream"), *_systems("10", stream="10-stream")],
    {"9": "9-stream", "10": "10-stream"},
)

# --- AlmaLinux -------------------------------------------------------------------------------------

_DIRECTORIES = {
    **{"baseos": "BaseOS", "appstream": "AppStream", "powertools": "PowerTools", "crb": "CRB"},
    **{"ha": "HighAvailability", "highavailability": "HighAvailability", "nfv": "NFV", "rt": "RT"},
    **{"sap": "SAP", "saphana": "SAPHANA", "resilientstorage": "ResilientStorage"},
}
_OF_ALL = "baseos appstream extras nfv rt sap saphana resilientstorage devel plus"


def _almalinux(repos: str, debug: str = "-debug", release: str = "$releasever") -> list[Section]:
    sections = []
    for repo in repos.split():
        directory = _DIRECTORIES.get(repo, repo)
        for name, path in (
            (repo, f"{directory}/$basearch/os/"),
            (repo + debug, f"{directory}/debug/$basearch/"),
            (f"{repo}-source", f"{directory}/Source/"),
        ):
            sections.append(Section(f"/mirrorlist/{release}/{name}", f"$release/{path}"))
    return sections


_BASEARCH = "$basearch"
"""AlmaLinux's files name no arch: it stays in the answer, and dnf replaces it there."""
ALMALINUX_8 = RepoFiles(
    "almalinux",
    _almalinux(f"{_OF_ALL} powertools ha", "-debuginfo"),
    _systems("8 8.10", _BASEARCH),
    {"8": "8.10"},
)
ALMALINUX = RepoFiles(
    "almalinux",
    _almalinux(f"{_OF_ALL} crb highavailability"),
    _systems("9 9.8 10 10.2", _BASEARCH),
    {"9": "9.8", "10": "10.2"},
)
KITTEN = RepoFiles(
    "kitten",
    _almalinux(
        "baseos appstream crb extras-common devel highavailability nfv rt", "-debuginfo", "$releasever-kitten"
    ),
    _systems("10", _BASEARCH),
    {"10": "10-kitten"},
)
