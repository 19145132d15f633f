"""Reads which mirrors a request for all mirrors wants, and in which order.

The parameters `country`, `protocol`, `family`, `release`, `repo` and `arch` mean what they mean in a request
for a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args
from urllib.parse import urlencode

from app.clouds import PROVIDERS
from app.model import PROTOCOLS, Overall, Protocol, Record, ServiceConfig
from app.model.countries import CONTINENTS
from app.request.parameters import BadValueError, Filters, IgnoredValues, ParameterReader, UnknownNameError

Order = Literal["country", "name", "age", "share"]
ORDERS: tuple[Order, ...] = get_args(Order)
STATUSES: tuple[Overall, ...] = get_args(Overall)
MAX_WORDS_LENGTH = 60


class MirrorFilter(Record, frozen=True, kw_only=True):
    """Which of all mirrors are wanted, and in which order. What is empty or None does not matter."""

    #: Words that are parts of a mirror's name, place, sponsor or cloud, in lower case.
    words: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    continent: str = ""
    status: Overall | Literal[""] = ""
    protocols: tuple[Protocol, ...] = ()
    family: Literal[4, 6] | None = None
    cloud: str = ""
    #: What the mirrors are served for at present.
    release: str = ""
    repo: str = ""
    arch: str = ""
    order: Order = "country"

    @property
    def parameters(self) -> dict[str, str]:
        """The filter as parameters of a request, each with one spelling; empty where it does not matter."""
        return {
            "q": " ".join(self.words),
            "country": ",".join(self.countries),
            "continent": self.continent,
            "status": self.status,
            "protocol": ",".join(self.protocols),
            "family": str(self.family or ""),
            "cloud": self.cloud,
            "release": self.release,
            "repo": self.repo,
            "arch": self.arch,
            "sort": "" if self.order == ORDERS[0] else self.order,
        }

    def url(self, **others: str) -> str:
        """Returns the path and query of the page of these mirrors, with other values for some parameters."""
        values = {name: value for name, value in {**self.parameters, **others}.items() if value}
        return "/mirrors" + (f"?{urlencode(values)}" if values else "")


def read_filter(config: ServiceConfig, parameters: Mapping[str, str]) -> MirrorFilter:
    """Reads the filter of a request. Raises BadValueError for a value that is not allowed, and
    UnknownNameError for a release, repo or arch that does not exist."""
    as_in_lists = _as_in_lists(config, parameters)
    return MirrorFilter(
        words=_words(parameters.get("q", "")),
        countries=as_in_lists.countries,
        continent=_one_of(parameters, "continent", sorted(CONTINENTS)),
        status=cast(Overall, _one_of(parameters, "status", STATUSES)),
        protocols=tuple(
            name for name in PROTOCOLS if parameters.get("protocol") and name in as_in_lists.protocols
        ),
        family=as_in_lists.family,
        cloud=_one_of(parameters, "cloud", list(PROVIDERS)),
        release=_name(parameters, "release", config.releases, config.aliases),
        repo=_name(parameters, "repo", [repo.name for repo in config.repos if not repo.vault]),
        arch=_name(parameters, "arch", arches_of(config)),
        order=cast(Order, _one_of(parameters, "sort", ORDERS) or ORDERS[0]),
    )


def _as_in_lists(config: ServiceConfig, parameters: Mapping[str, str]) -> Filters:
    """Reads the filters that lists have, too. Lists forgive what they can; here, a person can mend it."""
    named = {name: parameters[name] for name in ("country", "protocol", "family") if name in parameters}
    ignored = IgnoredValues()
    filters = ParameterReader(config.selection).filters(named, "text", ignored)
    for name, value in named.items():
        if name in str(ignored):
            raise BadValueError(name, value, f"this is not known: {ignored}")
    return filters


def arches_of(config: ServiceConfig) -> list[str]:
    """Returns the arches of all releases that mirrors carry."""
    return list(dict.fromkeys(arch for release in config.releases for arch in config.arches[release]))


def _words(text: str) -> tuple[str, ...]:
    if len(text) > MAX_WORDS_LENGTH:
        raise BadValueError("q", text, f"use at most {MAX_WORDS_LENGTH} characters")
    if not text.isprintable():
        raise BadValueError("q", text, "use printable characters")
    return tuple(dict.fromkeys(text.lower().split()))


def _one_of(parameters: Mapping[str, str], name: str, allowed: Sequence[str]) -> str:
    value = parameters.get(name, "").strip()
    found = {word.lower(): word for word in allowed}.get(value.lower(), "")
    if value and not found:
        raise BadValueError(name, value, f"use one of: {', '.join(allowed)}")
    return found


def _name(
    parameters: Mapping[str, str], what: str, known: Sequence[str], aliases: Mapping[str, str] | None = None
) -> str:
    value = parameters.get(what, "").strip()
    names = {name.lower(): name for name in known}
    names |= {alias.lower(): full for alias, full in (aliases or {}).items()}
    if value and value.lower() not in names:
        raise UnknownNameError(what, value, [*(aliases or {}), *known])
    return names[value.lower()] if value else ""
