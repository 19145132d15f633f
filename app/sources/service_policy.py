"""Reads the keys of the service config that Mirrorwise adds to AlmaLinux's: `selection`, `probe` and
`repo_names`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from app.model import ProbePolicy, RepoName, SelectionPolicy
from app.model.words import quoted
from app.sources.choices import protocols
from app.sources.fields import Bounds, Fields
from app.sources.report import did_you_mean
from app.sources.restricting import OF_REPO_NAME, OF_SELECTION
from app.sources.yaml_file import Mapping as YamlMapping

_LENGTH = Bounds(1, 50)
_KM = Bounds(0, 40_000)
_SHARE = Bounds(0, 1000)
_PER_HOUR = Bounds(1, 1_000_000)


def selection_policy(config: Fields) -> SelectionPolicy:
    defaults = SelectionPolicy()
    fields = config.mapping_of("selection", OF_SELECTION)
    share = fields.number("max_share", _SHARE)
    if share is not None and 0 < share < 1:
        fields.fault("max_share", "must be 0 (no limit) or at least 1, the fair share")
    policy = SelectionPolicy(
        length=fields.whole("length", _LENGTH) or defaults.length,
        border_km=_given(fields.number("border_km", _KM), defaults.border_km),
        continent_km=_given(fields.number("continent_km", _KM), defaults.continent_km),
        spread_km=_given(fields.number("spread_km", _KM), defaults.spread_km),
        max_share=_given(share, defaults.max_share),
        protocols=protocols(fields, "protocols") or defaults.protocols,
        origin_last=fields.flag("origin_last", defaults.origin_last),
    )
    fields.check_keys()
    return policy


def probe_policy(config: Fields) -> ProbePolicy:
    defaults = ProbePolicy()
    fields = config.mapping_of("probe")
    policy = ProbePolicy(
        full_every_s=fields.seconds("full_every") or defaults.full_every_s,
        grace_s=fields.seconds("grace") or defaults.grace_s,
        allow_private_addresses=fields.flag("allow_private_addresses", defaults.allow_private_addresses),
        contact_url=fields.web_address("contact_url"),
        requests_per_hour=fields.whole("requests_per_hour", _PER_HOUR) or defaults.requests_per_hour,
    )
    fields.check_keys()
    return policy


class KnownNames(msgspec.Struct, frozen=True):
    """The repos, releases and aliases that an entry of `repo_names` may refer to."""

    repos: Collection[str]
    releases: Collection[str]
    aliases: Mapping[str, str]


def repo_names(config: Fields, names: KnownNames) -> dict[str, RepoName]:
    """Reads `repo_names`, the table of special names for repos. The value of a name is the name of a repo, or
    a mapping with the keys `repo`, `release` and `disabled`."""
    table = config.mapping_of("repo_names")
    return {name: _repo_name(table, name, names) for name in table.mapping.entries}


def _repo_name(table: Fields, name: str, names: KnownNames) -> RepoName:
    if not isinstance(table.mapping.entries[name], YamlMapping):
        return RepoName(repo=_known(table, name, names.repos))
    entry = table.mapping_of(name, OF_REPO_NAME)
    release = entry.text("release")
    if release is not None and release not in names.aliases:
        release = _known(entry, "release", names.releases)
    disabled = entry.flag("disabled", default=False)
    repo = _known(entry, "repo", names.repos)
    entry.check_keys()
    if repo is None and release is None and not disabled:
        table.fault(name, "must give a repo, a release, or `disabled: true`")
    return RepoName(repo=repo, release=names.aliases.get(release or "", release), disabled=disabled)


def _known(fields: Fields, key: str, known: Collection[str]) -> str | None:
    word = fields.text(key)
    if word is not None and word not in known:
        fields.fault(key, f"{quoted(word)} does not exist here{did_you_mean(word, known)}")
    return word


def _given(number: float | None, default: float) -> float:
    return default if number is None else number
