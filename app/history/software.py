"""What is kept of a client's software: the system that libdnf and rpm-ostree name, or only a word.

A User-Agent is what the client says, and may hold anything, also an address. So the parts of a system's name
have strict forms: there are never three digits in a row in a name or variant, and never more than one dot in
a version. nginx has the same patterns in `mirrorwise-log.conf`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_KNOWN = 4096

_DIGITS = "[0-9]{1,2}(?![0-9])"
SYSTEM = (
    r"^(?P<product>libdnf|rpm-ostree)(?:/[!-~]{1,40})? "
    rf"\((?P<name>[A-Za-z](?:[A-Za-z +_/-]|{_DIGITS}){{0,39}}) "
    r"(?P<version>[0-9a-z]{0,12}(?:\.[0-9a-z]{1,12})?)[0-9a-z._-]{0,40}; "
    rf"(?P<variant>(?:[a-z](?:[a-z_-]|{_DIGITS}){{0,29}})?); "
    r"[A-Za-z]{1,20}\.(?P<arch>[A-Za-z][A-Za-z0-9_]{0,19})\)$"
)
"""Matches the User-Agent `libdnf (NAME VERSION; VARIANT; OS.ARCH)`. Of a longer version, only the first two
parts are kept."""

FAMILIES = {
    "libdnf": "^libdnf",
    "rpm-ostree": "^rpm-ostree",
    "dnf": "^dnf",
    "yum": "^(?:yum|urlgrabber)",
    "libzypp": "^(?:ZYpp|libzypp)",
    "curl": "^curl",
    "wget": "^Wget",
    "browser": "^Mozilla",
}
"""The beginning of the User-Agent of each family. What has none of them is `OTHER`."""
OTHER = "other"

_SYSTEM = re.compile(SYSTEM.removesuffix("$") + r"\Z")
_FAMILIES = tuple((word, re.compile(pattern)) for word, pattern in FAMILIES.items())


class Software(NamedTuple):
    """A client's software. All but the family is empty where it is not known."""

    family: str
    os_name: str = ""
    os_version: str = ""
    os_variant: str = ""
    os_arch: str = ""

    @property
    def is_system(self) -> bool:
        """Whether the client says what system it is."""
        return bool(self.os_name)

    def __str__(self) -> str:
        return "|".join(self) if self.is_system else self.family


@lru_cache(MAX_KNOWN)
def software_of(user_agent: str) -> Software:
    """Returns what is kept of a User-Agent."""
    match = _SYSTEM.match(user_agent)
    if match is not None:
        return Software(*match.group("product", "name", "version", "variant", "arch"))
    return Software(next((word for word, pattern in _FAMILIES if pattern.match(user_agent)), OTHER))


@lru_cache(MAX_KNOWN)
def parse_software(text: str) -> Software | None:
    """Parses what `str(Software)` writes, with any family. Returns None for any other text."""
    parts = text.split("|")
    return Software(*parts) if len(parts) in (1, len(Software._fields)) else None
