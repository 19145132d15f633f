"""Reads keys that choose among known words: protocols, releases, arches, repos.

A word that is not known is a warning. A choice of which nothing is left is a fault, because an empty
choice would mean "all of them".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from app.model import PROTOCOLS, Protocol
from app.model.words import quoted
from app.sources.fields import Fields
from app.sources.report import did_you_mean


def choice(
    fields: Fields, key: str, known: Collection[str], aliases: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """The known words that a key names, in its order, with aliases resolved and without repetitions."""
    scalars = fields.scalars(key)
    chosen: dict[str, None] = {}
    for scalar in scalars:
        name = aliases.get(scalar.text, scalar.text)
        if name in known:
            chosen[name] = None
        else:
            close = did_you_mean(scalar.text, [*known, *aliases])
            fields.report.warning(
                scalar.line,
                f"{fields.prefix}{key}: {quoted(scalar.text)} is not known, and is ignored{close}",
            )
    if scalars and not chosen:
        fields.fault(key, f"nothing in this list is known; there are {', '.join(sorted(known))}")
    return tuple(chosen)


def protocols(fields: Fields, key: str) -> tuple[Protocol, ...]:
    """The protocols that a key names, in its order."""
    chosen = choice(fields, key, PROTOCOLS)
    return tuple(protocol for name in chosen for protocol in PROTOCOLS if protocol == name)
