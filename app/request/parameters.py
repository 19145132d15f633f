"""Reads the parameters of requests. The error for a bad value says which values are allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, cast, get_args

from app.clouds.regions import parse_region
from app.model import PROTOCOLS, MirrorwiseError, Protocol, Record, SelectionPolicy
from app.model.countries import country_code
from app.model.urls import host_of
from app.model.words import escaped, nearest

Format = Literal["text", "json", "metalink", "zypp"]
Fill = Literal["no", "continent"]
MAX_LIMIT = 50
MAX_LIMIT_DIGITS = 9
MAX_ZYPP_URLS = 8
"""The greatest number of URLs in a list for libzypp, which tries every one of a long list."""
ZYPP_PROTOCOLS: tuple[Protocol, ...] = ("https", "http")
"""The protocols of which libzypp takes URLs."""
MAX_REGION_CHARS = 60
MAX_AVOIDED = 10
MAX_NOTED = 10

_SHOWN_AS_IT_IS = re.compile(r"[A-Za-z0-9:/._-]{1,60}")


class QuestionError(MirrorwiseError):
    """A question cannot be answered. The error's text is for the person who asks."""


class BadValueError(QuestionError):
    """The value of a parameter is not allowed."""

    def __init__(self, parameter: str, value: str, allowed: str) -> None:
        super().__init__(f"{parameter}='{escaped(value)}' cannot be used: {allowed}")


class UnknownNameError(QuestionError):
    """A question names a release, repo or arch that does not exist."""

    def __init__(self, what: str, value: str, known: Iterable[str], where: str = "") -> None:
        names = list(known)
        near = nearest(value, names)
        text = f"There is no {what} '{escaped(value)}'{where}."
        if near:
            text += f" Did you mean {near}?"
        super().__init__(f"{text}\nKnown: {', '.join(names) or 'none'}")


class IgnoredValues:
    """Notes what the service ignores of a request's values, because it cannot use it."""

    def __init__(self) -> None:
        self._noted: list[str] = []

    def note(self, parameter: str, items: Iterable[str]) -> None:
        """Notes items of a parameter's value. What is no plain word is noted by the parameter's name."""
        for item in items:
            self._noted.append(f"{parameter}={item}" if _SHOWN_AS_IT_IS.fullmatch(item) else parameter)

    def __str__(self) -> str:
        """Returns what was noted in the form of the header `X-Mirrorlist-Ignored`: each thing once, and the
        first `MAX_NOTED`."""
        return ", ".join([*dict.fromkeys(self._noted)][:MAX_NOTED])


class Filters(Record, frozen=True, kw_only=True):
    """The filters of a request, which say what mirrors it wants."""

    #: The protocols that the request accepts, in order of preference.
    protocols: tuple[Protocol, ...]
    countries: tuple[str, ...] = ()
    exclude_countries: tuple[str, ...] = ()
    #: Whether the list is to be the one for a client of which nothing is known (`country=global`).
    worldwide: bool = False
    family: Literal[4, 6] | None = None
    #: The cloud region that the request names, as a key of `Snapshot.regions`; None if it names none.
    region: str | None = None
    #: The mirrors that the request wants to be left out, by their names or host names, in lower case.
    avoid: tuple[str, ...] = ()
    #: Where the list ends: with the mirrors of the client's country ("no") or continent; None if farther
    #: mirrors fill it up.
    fill: Fill | None = None


class ParameterReader:
    """Reads the parameters that all questions have in common. What can be used of a value counts, and the
    rest is noted in `ignored`. Where nothing can be used and the service cannot guess what the client wants,
    the methods raise BadValueError."""

    def __init__(self, policy: SelectionPolicy) -> None:
        self._policy = policy

    def filters(self, parameters: Mapping[str, str], format_: Format, ignored: IgnoredValues) -> Filters:
        """Reads the filters, which say what mirrors a request wants."""
        countries = _items(parameters, "country")
        worldwide = "global" in countries
        excluded = _items(parameters, "exclude_country")
        if worldwide:
            ignored.note("country", (name for name in countries if name != "global"))
        return Filters(
            protocols=self._protocols(parameters, format_, ignored),
            countries=() if worldwide else _countries("country", countries, ignored),
            exclude_countries=_countries("exclude_country", excluded, ignored),
            worldwide=worldwide,
            family=_family(parameters),
            region=_region(parameters, ignored),
            avoid=_avoided(parameters, ignored),
            fill=None if countries else _fill(parameters, ignored),
        )

    def _protocols(
        self, parameters: Mapping[str, str], format_: Format, ignored: IgnoredValues
    ) -> tuple[Protocol, ...]:
        allowed = ZYPP_PROTOCOLS if format_ == "zypp" else PROTOCOLS
        asked = _items(parameters, "protocol")
        usable = tuple(protocol for protocol in asked or self._policy.protocols if protocol in allowed)
        if asked and not usable:
            names = f"{', '.join(allowed[:-1])} or {allowed[-1]}, or a comma list"
            raise BadValueError("protocol", parameters["protocol"], f"use {names}")
        ignored.note("protocol", (name for name in asked if name not in allowed))
        return usable

    def limit(self, parameters: Mapping[str, str], format_: Format, ignored: IgnoredValues) -> int:
        """Reads how many mirrors a request wants at most. Without `limit=`, that is the usual length of a
        list."""
        most = MAX_ZYPP_URLS - self._policy.origin_last if format_ == "zypp" else MAX_LIMIT
        text = parameters.get("limit", "")
        if not text:
            return min(self._policy.length, most)
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_LIMIT_DIGITS and int(text) > 0):
            raise BadValueError("limit", text, f"use a number from 1 to {MAX_LIMIT}")
        if int(text) > most:
            ignored.note("limit", [text])
        return min(int(text), most)


def _countries(parameter: str, asked: tuple[str, ...], ignored: IgnoredValues) -> tuple[str, ...]:
    codes = {name: country_code(name) for name in asked}
    known = {code for code in codes.values() if code is not None}
    if asked and not known:
        allowed = "use two-letter country codes (ISO 3166-1) or English names, or a comma list"
        worldwide = ", or global" if parameter == "country" else ""
        raise BadValueError(parameter, ",".join(asked).upper(), allowed + worldwide)
    ignored.note(parameter, (name for name, code in codes.items() if code is None))
    return tuple(sorted(known))


def _family(parameters: Mapping[str, str]) -> Literal[4, 6] | None:
    match parameters.get("family", ""):
        case "":
            return None
        case "4":
            return 4
        case "6":
            return 6
        case other:
            raise BadValueError("family", other, "use 4 or 6")


def _region(parameters: Mapping[str, str], ignored: IgnoredValues) -> str | None:
    """Reads `region=` as a key of `Snapshot.regions`. Of a client that names an unknown region, the address
    tells the region."""
    asked = parameters.get("region", "").strip()
    known = parse_region(asked[:MAX_REGION_CHARS]) if asked else None
    if asked and known is None:
        ignored.note("region", [asked])
    return str(known) if known else None


def _avoided(parameters: Mapping[str, str], ignored: IgnoredValues) -> tuple[str, ...]:
    """Reads `avoid=`. A URL counts as the name of its host. A name that no mirror has means nothing, and is
    not noted, because that would tell which private mirrors there are."""
    asked = _items(parameters, "avoid")
    names = {item: host_of(item) for item in asked[:MAX_AVOIDED]}
    ignored.note("avoid", (item for item in asked if names.get(item) is None))
    return tuple(sorted({name for name in names.values() if name is not None}))


def _fill(parameters: Mapping[str, str], ignored: IgnoredValues) -> Fill | None:
    asked = parameters.get("fill", "").strip().lower()
    if asked in get_args(Fill):
        return cast(Fill, asked)
    if asked not in ("", "yes"):
        ignored.note("fill", [asked])
    return None


def list_format(parameters: Mapping[str, str]) -> Format:
    """Reads the format in which a request wants a list. Raises BadValueError."""
    text = parameters.get("format", "").lower() or "text"
    known = get_args(Format)
    if text not in known:
        raise BadValueError("format", text, f"use {', '.join(known[:-1])} or {known[-1]}")
    return cast(Format, text)


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """Returns whether a parameter is switched on: 1, true or yes."""
    return parameters.get(name, "").lower() in ("1", "true", "yes")


def _items(parameters: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Returns the items of a parameter that is a comma list, in lower case, without blanks, each once."""
    items = (item.strip().lower() for item in parameters.get(name, "").split(","))
    return tuple(dict.fromkeys(item for item in items if item))
