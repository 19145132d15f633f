"""Reads the parameters of requests. The error for a bad value says which values are allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, cast, get_args

from app.clouds.regions import RegionError, parse_region
from app.model import MirrorwiseError, Protocol, Record, SelectionPolicy
from app.model.countries import country_code
from app.model.words import escaped, nearest

Format = Literal["text", "json", "metalink"]
MAX_LIMIT = 50


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


class ParameterReader:
    """Reads the parameters that all questions have in common. Its methods raise BadValueError."""

    def __init__(self, policy: SelectionPolicy) -> None:
        self._policy = policy

    def filters(self, parameters: Mapping[str, str]) -> Filters:
        """Reads the filters, which say what mirrors a request wants."""
        countries = _items(parameters, "country")
        worldwide = "global" in countries
        return Filters(
            protocols=self._protocols(parameters),
            countries=() if worldwide else self._countries("country", countries),
            exclude_countries=self._countries("exclude_country", _items(parameters, "exclude_country")),
            worldwide=worldwide,
            family=self._family(parameters),
            region=self._region(parameters),
        )

    def _protocols(self, parameters: Mapping[str, str]) -> tuple[Protocol, ...]:
        asked = _items(parameters, "protocol")
        for name in asked:
            if name not in get_args(Protocol):
                allowed = "use https, http or rsync, or a comma list"
                raise BadValueError("protocol", parameters["protocol"], allowed)
        return cast("tuple[Protocol, ...]", asked) or self._policy.protocols

    @staticmethod
    def _countries(parameter: str, asked: tuple[str, ...]) -> tuple[str, ...]:
        codes = set()
        for name in asked:
            code = country_code(name)
            if code is None:
                allowed = "use two-letter country codes (ISO 3166-1) or English names, or a comma list"
                worldwide = ", or global" if parameter == "country" else ""
                raise BadValueError(parameter, name.upper(), allowed + worldwide)
            codes.add(code)
        return tuple(sorted(codes))

    @staticmethod
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

    @staticmethod
    def _region(parameters: Mapping[str, str]) -> str | None:
        """Reads `region=` as a key of `Snapshot.regions`."""
        asked = parameters.get("region", "").strip()
        if not asked:
            return None
        try:
            return str(parse_region(asked[:60]))
        except RegionError as error:
            raise BadValueError("region", asked, str(error)) from error

    def limit(self, parameters: Mapping[str, str]) -> int:
        """Reads how many mirrors a request wants at most. Without `limit=`, that is the usual length of a
        list."""
        text = parameters.get("limit", "")
        if not text:
            return self._policy.length
        if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT:
            return int(text)
        raise BadValueError("limit", text, f"use a number from 1 to {MAX_LIMIT}")


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
