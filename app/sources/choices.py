"""Reads keys that choose among known words: protocols, releases, arches, repos.

A word that is not known is a warning. It is a fault if no word of a choice is known, because an empty choice
would mean "all of them".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from app.model import PROTOCOLS, Protocol
from app.model.words import quoted
from app.sources.fields import Fields


def choice(
    fields: Fields, key: str, known: Collection[str], aliases: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """Returns the known words in the list of a key, in the file's order, with aliases resolved and without
    repetitions. Reports the unknown words."""
    scalars = fields.scalars(key)
    chosen: dict[str, None] = {}
    for scalar in scalars:
        name = aliases.get(scalar.text, scalar.text)
        if name in known:
            chosen[name] = None
        else:
            close = fields.report.did_you_mean(scalar.text, [*known, *aliases])
            fields.report.warning(
                scalar.line,
                f"{fields.prefix}{key}: {quoted(scalar.text)} is not known, and is ignored{close}",
            )
    if scalars and not chosen:
        fields.fault(key, f"nothing in this list is known; there are {', '.join(sorted(known))}")
    return tuple(chosen)


def protocols(fields: Fields, key: str) -> tuple[Protocol, ...]:
    """Returns the protocols in the list of a key, in the file's order. Reports unknown ones."""
    chosen = choice(fields, key, PROTOCOLS)
    return tuple(protocol for name in chosen for protocol in PROTOCOLS if protocol == name)
