"""Recognises keys that restrict what is served, even where people misspell them.

Such a key must not be overlooked: if it is misspelt or in the wrong place, a mirror that it should close to
clients would be open to them. So an unknown key that may mean such a key is a fault, and not only a warning.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import msgspec

_LIKE = 0.84
"""The likeness above which a word is a misspelling of another. "privat" and "contries" are above it;
"report" for "repo" and "revision" for "version" are below it."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_BEGINNING = 4
"""The number of letters from which the beginning of a word counts as the word, such as "priv" for
"private"."""

_CONTAINED = 7
"""The number of letters from which a phrase is also found inside a longer key, such as "private" in
"isprivate"."""

_SAME = {
    "private": "hidden internal intranet public restricted",
    "disabled": "active enable enabled inactive maintenance offline paused retired suspended",
    "monopoly": "exclusive",
    "exclude": "ban banned block blocked deny denied except excluding forbid forbidden",
    "repo": "repositories repository",
    "arch": "architecture architectures arches basearch",
    "version": "release releases releasever",
}
"""Other words with the same meaning as a word of a restricting key, or with the opposite one."""

_VALUES = {"private": "internal", "disabled": "inactive maintenance offline paused retired suspended"}
"""Words that have the meaning of a restricting key when they are the value of another key, as in "status:
inactive"."""


class Restrictions(msgspec.Struct, frozen=True):
    """The keys that restrict what is served in one kind of mapping, such as a mirror file."""

    #: Each key with phrases that may mean it. All words of a phrase must occur, and the first key that fits
    #: counts.
    table: tuple[tuple[str, tuple[str, ...]], ...]
    #: The place where the keys belong, for messages.
    place: str

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key for key, _ in self.table)

    def meant(self, key: str) -> str | None:
        """Returns the restricting key that an unknown key may mean, however it is spelled; None if it means
        none."""
        return next(
            (name for name, phrases in self.table if any(_says(key, phrase) for phrase in phrases)), None
        )

    def meant_by_value(self, value: str) -> str | None:
        """Returns the restricting key that the value of another key may mean; None if it means none."""
        word = value.strip().lower()
        return next(
            (name for name, also in _VALUES.items() if name in self.keys and word in {name, *also.split()}),
            None,
        )


NO_RESTRICTIONS = Restrictions((), "")

_ARCHES = ("arches", ("arch",))
_VERSIONS = ("versions", ("version",))
_COUNTRY = ("countries` or `geolocation: country", ("country",))
"""An unknown key `country` may mean the countries whose clients are served, or the country of the mirror:
only its author knows."""

_MIRROR = (
    ("private", ("private",)),
    ("disabled", ("disabled",)),
    ("monopoly", ("monopoly",)),
    ("exclude_countries", ("exclude country", "exclude countries")),
    ("countries", ("countries",)),
    _COUNTRY,
    ("repos", ("repo",)),
    _ARCHES,
    _VERSIONS,
    ("cloud_regions", ("cloud region",)),
    ("cloud_type", ("cloud type", "cloud")),
    ("exclude_countries", ("exclude",)),
)
_TOP_LEVEL = "at the top level of the file"

OF_MIRROR = Restrictions(_MIRROR, _TOP_LEVEL)
OF_CLOUD_MIRROR = Restrictions((*_MIRROR, ("cloud_regions", ("region",))), _TOP_LEVEL)
"""The restricting keys in the file of a cloud mirror. There, `region` may be meant as `cloud_regions`. For
other mirrors, a region is a part of a country."""

IN_GEOLOCATION = Restrictions(tuple(entry for entry in _MIRROR if entry is not _COUNTRY), _TOP_LEVEL)

OF_REPO = Restrictions((_ARCHES, _VERSIONS, ("vault", ("vault",))), "as a key of the repo")
OF_REPO_NAME = Restrictions((("disabled", ("disabled",)),), "as a key of the name")
OF_SELECTION = Restrictions((("protocols", ("protocol",)),), "below `selection`")
OF_CONFIG = Restrictions(
    (
        ("required_protocols", ("required protocol",)),
        ("allowed_outdate", ("outdate",)),
        ("selection: protocols", ("protocol",)),
    ),
    _TOP_LEVEL,
)


def _says(key: str, phrase: str) -> bool:
    words = [word.lower() for word in _WORD.findall(key)]
    joined = "".join(words)
    return (
        all(any(_is_like(word, wanted) for word in words) for wanted in phrase.split())
        or _is_misspelt(joined, phrase.replace(" ", ""))
        or (len(phrase) >= _CONTAINED and phrase in joined)
    )


def _is_like(word: str, wanted: str) -> bool:
    return (
        word in _SAME.get(wanted, "").split()
        or (len(word) >= _BEGINNING and wanted.startswith(word))
        or _is_misspelt(word, wanted)
    )


def _is_misspelt(word: str, wanted: str) -> bool:
    swapped = word[:1] == wanted[:1] and sorted(word) == sorted(wanted)
    return swapped or SequenceMatcher(None, word, wanted).ratio() > _LIKE
