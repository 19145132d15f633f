"""Reads the base URLs in a mirror file: `address`, and `address_optional` for the optional modules.

Where the config has products, `address` is that of all products, each at its own path below it, or it has the
names of the products that the mirror carries, each with base URLs of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from app.model import PROTOCOLS, Protocol
from app.model.words import quoted
from app.sources.base_url import parse_base_url, rsync_url
from app.sources.fields import Fields

ADDRESSES = (*PROTOCOLS, "ftp")
"""The keys of base URLs. Clients no longer use ftp, but mirror files still list it."""


def read_addresses(fields: Fields, known: Collection[str] = ADDRESSES) -> dict[Protocol, str]:
    """Returns the base URLs of a mirror, by the scheme that each URL really has. A URL under the key of
    another protocol counts only if there is none under the right key. `known` are all keys that may stand
    there."""
    fields.check_keys(known)
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


def read_product_addresses(fields: Fields, paths: Mapping[str, str]) -> dict[str, dict[Protocol, str]]:
    """Returns the base URLs of a mirror for each product that it carries, by product and protocol. `fields`
    are the keys below `address`, and `paths` are those of all products below a mirror's base URL."""
    if any(product in fields for product in paths):
        for key in ADDRESSES:
            if key in fields:
                fields.fault(key, "must not stand beside products; give each of them its own address")
        return read_module_addresses(fields, paths)
    addresses = read_addresses(fields, (*paths, *ADDRESSES))
    below = {product: path for product, path in paths.items() if path and addresses}
    return {
        product: {protocol: url + path for protocol, url in addresses.items()}
        for product, path in below.items()
    }


def read_module_addresses(fields: Fields, modules: Collection[str]) -> dict[str, dict[Protocol, str]]:
    """Returns the base URLs of a mirror for each optional module, by module and protocol. `fields` are the
    keys below `address_optional`."""
    fields.check_keys(modules)
    return {
        module: addresses
        for module in modules
        if module in fields and (addresses := read_addresses(fields.mapping_of(module)))
    }
