"""The repo files of distributions: what their URLs ask for, and where it is on a mirror.

Each entry is one section of a file, with the variables that dnf replaces. The files are those of the packages
fedora-repos 41 to 43, epel-release 9 and 10, rocky-repos 9 and 10, centos-stream-repos 9 and 10,
almalinux-repos 8 to 10 and almalinux-kitten-repos 10, in their older and newer versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_VARIABLE = re.compile(r"\$\{([^}]*)\}|\$(\w+)")
"""A variable of dnf, in braces perhaps with a condition."""


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
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], found[0]), text)


def asked(files: RepoFiles) -> Iterator[tuple[str, str]]:
    """Yields each target as each system asks it, with the path of the directory that is meant."""
    for system in files.systems:
        release = files.releases.get(system["releasever"], system["releasever"])
        for section in files.sections:
            yield (
                expanded(section.target, system),
                expanded(section.path, {"basearch": system["basearch"], "release": release}),
            )


def _systems(releases: str, arches: str = "x86_64 aarch64", **variables: str) -> list[dict[str, str]]:
    return [
        {"releasever": release, "basearch": arch, **variables}
        for release in releases.split()
        for arch in arches.split()
    ]


_Paths = Mapping[str, str]
"""The paths of a repo, its debug symbols and its sources, by what its name has for these kinds."""


def _composed(directory: str) -> _Paths:
    """The paths in a directory that was composed as a release."""
    return {
        "": f"{directory}/$basearch/os/",
        "-debug": f"{directory}/$basearch/debug/tree/",
        "-source": f"{directory}/source/tree/",
    }


def _updated(directory: str) -> _Paths:
    """The paths in a directory to which updates come."""
    return {
        "": f"{directory}/$basearch/",
        "-debug": f"{directory}/$basearch/debug/",
        "-source": f"{directory}/source/tree/",
    }


def _sections(target: str, paths: _Paths, source_arch: str = "$basearch") -> list[Section]:
    """The sections for these paths. In the target, KIND stands for the kind, and ARCH for the arch."""
    return [
        Section(
            target.replace("KIND", kind).replace("ARCH", source_arch if kind == "-source" else "$basearch"),
            path,
        )
        for kind, path in paths.items()
    ]


# --- Fedora and EPEL -------------------------------------------------------------------------------

_METALINK = "/metalink?repo={}&arch=ARCH"
_EVERYTHING = "$release/Everything"
_RELEASE = _METALINK.format("fedoraKIND-$releasever")
FEDORA = RepoFiles(
    "fedora",
    [
        *_sections(_RELEASE, _composed(f"releases/{_EVERYTHING}")),
        *_sections(_METALINK.format("updates-releasedKIND-f$releasever"), _updated(f"updates/{_EVERYTHING}")),
        *_sections(
            _METALINK.format("updates-testingKIND-f$releasever"), _updated(f"updates/testing/{_EVERYTHING}")
        ),
    ],
    _systems("41 42 43"),
)
RAWHIDE = RepoFiles(
    "fedora",
    [
        *_sections(_METALINK.format("rawhideKIND"), _composed(f"development/{_EVERYTHING}")),
        *_sections(_RELEASE, _composed(f"development/{_EVERYTHING}")),
    ],
    _systems("rawhide"),
)
"""Its own file, and the one of releases on a system that is told to go to rawhide."""
_OPENH264 = _METALINK.format("fedora-cisco-openh264KIND-$releasever")
OPENH264_41 = RepoFiles("openh264", _sections(_OPENH264, _composed("$release")), _systems("41"))
OPENH264 = RepoFiles(
    "openh264", _sections(_OPENH264, _updated("$release")), _systems("42 43 rawhide"), {"rawhide": "44"}
)
EPEL_9_OPENH264 = RepoFiles(
    "openh264",
    _sections(_METALINK.format("epel-cisco-openh264KIND-$releasever"), _composed("epel/$release")),
    _systems("9"),
)
EPEL_10_OPENH264 = RepoFiles(
    "openh264",
    _sections(_METALINK.format("epel-cisco-openh264KIND-$releasever_major"), _updated("epel/$release")),
    _systems("10 10.2", releasever_major="10"),
    {"10.2": "10"},
)
"""The repo exists, but no package has a file for it: people write their own."""


def _epel_9(name: str, directory: str) -> list[Section]:
    target = _METALINK.format(name) + "&infra=$infra&content=$contentdir"
    return _sections(target, _updated(f"{directory}{_EVERYTHING}"))


EPEL_9 = RepoFiles(
    "epel",
    [
        *_epel_9("epelKIND-$releasever", ""),
        *_epel_9("testingKIND-epel$releasever", "testing/"),
        *_epel_9("epel-nextKIND-$releasever", "next/"),
        *_epel_9("epel-testing-nextKIND-$releasever", "testing/next/"),
    ],
    [*_systems("9"), *_systems("9", infra="stock", contentdir="centos")],
)


def _epel_10(name: str, directory: str) -> list[Section]:
    return _sections(_METALINK.format(name), _updated(f"{directory}{_EVERYTHING}"), "source")


_MINOR = "releasever_minor:+-z"
"""dnf since 4.18 replaces it by "-z" on a system that has a minor version. Older ones leave it."""
EPEL_10 = RepoFiles(
    "epel",
    [
        *_epel_10(f"epel${{{_MINOR}}}KIND-$releasever", ""),
        *_epel_10(f"epel${{{_MINOR}}}-testingKIND-$releasever", "testing/"),
    ],
    [*_systems("10"), *_systems("10", **{_MINOR: ""}), *_systems("10 10.1 10.2", **{_MINOR: "-z"})],
    {"10": "10.2"},
)
_STREAM = "stream:+s"
"""dnf since 4.18 replaces it by "s" on CentOS Stream, and elsewhere by nothing. Older ones leave it."""
_NEWER_EPEL_10 = [
    *_epel_10(f"epelKIND-$releasever${{{_STREAM}}}", ""),
    *_epel_10(f"epel-testingKIND-$releasever${{{_STREAM}}}", "testing/"),
]
NEWER_EPEL_10 = RepoFiles(
    "epel",
    _NEWER_EPEL_10,
    [*_systems("10"), *_systems("10 10.1 10.2", **{_STREAM: ""})],
    {"10": "10.2"},
)
NEWER_EPEL_10_ON_STREAM = RepoFiles("epel", _NEWER_EPEL_10, _systems("10", **{_STREAM: "s"}), {"10": "10.3"})

# --- Rocky Linux -----------------------------------------------------------------------------------


def _rocky(repo: str, paths: _Paths, source_arch: str) -> list[Section]:
    return _sections(f"/mirrorlist?arch=ARCH&repo={repo}-$releaseverKIND$rltype", paths, source_arch)


def _rocky_all(repos: str, source_arch: str) -> list[Section]:
    return [
        section
        for repo in repos.split()
        for section in _rocky(repo, _composed(f"$release/{repo.removeprefix('rocky')}"), source_arch)
    ]


_ROCKY = [
    *_rocky_all("BaseOS AppStream CRB HighAvailability plus rockyplus", "source"),
    *_rocky_all("RT SAP SAPHANA extras devel", "$basearch"),
    # For its debug symbols and sources, the files name those of RT.
    *_rocky("NFV", {"": "$release/NFV/$basearch/os/"}, "$basearch"),
]
_ROCKY_RELEASES = {"9": "9.8", "10": "10.2"}
ROCKY_9 = RepoFiles(
    "rocky",
    [*_ROCKY, *_rocky_all("ResilientStorage", "source")],
    [*_systems("9 9.8"), *_systems("9", rltype="")],
    _ROCKY_RELEASES,
)
ROCKY_10 = RepoFiles("rocky", _ROCKY, [*_systems("10 10.2"), *_systems("10", rltype="")], _ROCKY_RELEASES)

# --- CentOS Stream ---------------------------------------------------------------------------------


def _centos(name: str, paths: _Paths) -> list[Section]:
    target = _METALINK.format(f"centos-{name}KIND-$stream") + "&protocol=https,http"
    return _sections(target, paths, "source")


_EXTRAS = {
    "": "SIGs/$release/extras/$basearch/extras-common/",
    "-source": "SIGs/$release/extras/source/extras-common/",
}
CENTOS_STREAM = RepoFiles(
    "centos-stream",
    [
        *(
            section
            for repo in ["BaseOS", "AppStream", "CRB", "HighAvailability", "NFV", "RT", "ResilientStorage"]
            for section in _centos(repo.lower(), _composed(f"$release/{repo}"))
        ),
        *_centos("extras-sig-extras-common", _EXTRAS),
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
_OF_ALL = "baseos appstream extras nfv rt sap saphana"


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


_DEVEL = _almalinux("devel", "-debuginfo")
_BASEARCH = "$basearch"
"""AlmaLinux's files name no arch: it stays in the answer, and dnf replaces it there."""
ALMALINUX_8 = RepoFiles(
    "almalinux",
    [*_almalinux(f"{_OF_ALL} powertools ha plus resilientstorage", "-debuginfo"), *_DEVEL],
    _systems("8 8.10", _BASEARCH),
    {"8": "8.10"},
)
_ALMALINUX = [*_almalinux(f"{_OF_ALL} crb highavailability"), *_DEVEL]
ALMALINUX_9 = RepoFiles(
    "almalinux",
    [*_ALMALINUX, *_almalinux("plus resilientstorage")],
    _systems("9 9.8", _BASEARCH),
    {"9": "9.8"},
)
ALMALINUX_10 = RepoFiles("almalinux", _ALMALINUX, _systems("10 10.2", _BASEARCH), {"10": "10.2"})
KITTEN = RepoFiles(
    "kitten",
    [
        section
        for debug in ("-debug", "-debuginfo")
        for section in _almalinux(
            "baseos appstream crb extras-common devel highavailability nfv rt", debug, "$releasever-kitten"
        )
    ],
    _systems("10", _BASEARCH),
    {"10": "10-kitten"},
)
"""Debug symbols have either name, as in the files of AlmaLinux 10 and in those for building."""
