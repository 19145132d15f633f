"""Reads the base URLs in a mirror file: `address`, and `address_optional` for the optional modules."""

from __future__ import annotations

from collections.abc import Collection

from app.model import PROTOCOLS, Protocol
from app.model.words import quoted
from app.sources.base_url import parse_base_url, rsync_url
from app.sources.fields import Fields

_KNOWN = (*PROTOCOLS, "ftp")  # clients no longer use ftp, but mirror files still list it


def read_addresses(fields: Fields) -> dict[Protocol, str]:
    """Returns the base URLs of a mirror, by the scheme that each URL really has. A URL under the key of
    another protocol counts only if there is none under the right key."""
    fields.check_keys(_KNOWN)
    addresses: dict[Protocol, str] = {}
    misplaced: list[tuple[str, Protocol, str]] = []
    for key in PROTOCOLS:
        text = fields.text(key)
        if text is None:
            continue
        url = rsync_url(text) if key == "rsync" else text
        if url != text:
            fields.warning(key, f"{quoted(text)} is not a URL; read as {url}")
        try:
            base = parse_base_url(url)
        except ValueError as error:
            fields.fault(key, f"{quoted(text)} {error}")
            continue
        if base.protocol == key:
            addresses[key] = base.url
        else:
            misplaced.append((key, base.protocol, base.url))
    for wrong_key, protocol, url in misplaced:
        kept = addresses.setdefault(protocol, url) == url
        fate = f"used as the {protocol} address" if kept else f"ignored, as there is a {protocol} address"
        fields.warning(wrong_key, f"{url} is under the wrong key; {fate}")
    return addresses


def read_module_addresses(fields: Fields, modules: Collection[str]) -> dict[str, dict[Protocol, str]]:
    """Returns the base URLs of a mirror for each optional module, by module and protocol. `fields` are the
    keys below `address_optional`."""
    fields.check_keys(modules)
    return {
        module: addresses
        for module in modules
        if module in fields and (addresses := read_addresses(fields.mapping_of(module)))
    }
