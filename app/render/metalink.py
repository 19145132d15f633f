"""Renders a mirrorlist as a metalink 3.0, as dnf and yum read it, with MirrorManager's extensions.

The format is in https://www.metalinker.org/Metalink_3.0_Spec.pdf. The extensions are in the namespace
http://fedorahosted.org/mirrormanager. librepo takes mirrors in the order of the document, and the file has to
be named "repomd.xml". yum 3 sorts by `preference` and needs timestamp, size and verification.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from xml.sax.saxutils import escape, quoteattr

from app.answer.lists import Selection
from app.catalogue.catalogue import REPOMD
from app.model import RepomdVersion
from app.request.parameters import QuestionError
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot

CONTENT_TYPE = "application/metalink+xml"
_HASHES = ("md5", "sha1", "sha256", "sha512")


class UnknownFactsError(QuestionError):
    """A metalink was asked for, but the size and checksums of the repo's repomd.xml are not known."""


def metalink(snapshot: LoadedSnapshot, question: Question, selection: Selection) -> bytes:
    """Renders the metalink of a repomd.xml: the current version at the origin, then the older versions that
    are still accepted, and the mirrors. Raises UnknownFactsError."""
    versions = snapshot.repomd.get(question.key)
    if not versions:
        raise UnknownFactsError(
            f"There is no metalink for {question.repo} of release {question.release}: "
            "its repomd.xml is not known here."
        )
    current, *older = versions
    countries = selection.countries_of(snapshot)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic"'
        f" pubdate={quoteattr(formatdate(current.seen_at.timestamp(), usegmt=True))}"
        ' generator="mirrorwise" xmlns:mm0="http://fedorahosted.org/mirrormanager">',
        " <files>",
        '  <file name="repomd.xml">',
        *_version(current, "   "),
    ]
    if older:
        lines.append("   <mm0:alternates>")
        for version in older:
            lines += ["    <mm0:alternate>", *_version(version, "     "), "    </mm0:alternate>"]
        lines.append("   </mm0:alternates>")
    lines.append('   <resources maxconnections="1">')
    lines += _urls(selection.urls, countries)
    lines += ["   </resources>", "  </file>", " </files>", "</metalink>", ""]
    return "\n".join(lines).encode()


def _version(version: RepomdVersion, indent: str) -> list[str]:
    hashes = [(name, getattr(version, name)) for name in _HASHES]
    return [
        f"{indent}<mm0:timestamp>{version.timestamp}</mm0:timestamp>",
        f"{indent}<size>{version.size}</size>",
        f"{indent}<verification>",
        *(f'{indent} <hash type="{name}">{escape(value)}</hash>' for name, value in hashes if value),
        f"{indent}</verification>",
    ]


def _urls(bases: Iterable[str], countries: Iterable[str | None]) -> list[str]:
    lines = []
    for number, (base, country) in enumerate(zip(bases, countries, strict=True)):
        protocol = base.partition(":")[0]
        location = f" location={quoteattr(country)}" if country else ""
        preference = max(1, 100 - number)
        lines.append(
            f'    <url protocol="{protocol}" type="{protocol}"{location} preference="{preference}">'
            f"{escape(base + REPOMD)}</url>"
        )
    return lines
