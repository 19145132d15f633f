"""Reads the policies that the service config may have: `selection` and `probe`."""

from __future__ import annotations

from app.model import ProbePolicy, SelectionPolicy
from app.sources.choices import protocols
from app.sources.fields import Bounds, Fields
from app.sources.restricting import OF_SELECTION

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


def _given(number: float | None, default: float) -> float:
    return default if number is None else number
