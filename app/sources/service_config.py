"""Reads the service config: AlmaLinux's config.yml, `config_version: 3`, with optional keys of our own.

With `products:`, the keys that say what is published stand below each product's name. A release of a product
is then called "<product>-<version>".
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from app.model import Finding, ServiceConfig, SourceError
from app.model.words import quoted
from app.sources.choices import protocols
from app.sources.fields import Fields
from app.sources.mirror_addresses import ADDRESSES
from app.sources.product import is_name, read_product, read_url
from app.sources.report import Report
from app.sources.restricting import OF_CONFIG
from app.sources.service_policy import probe_policy, selection_policy
from app.sources.site import read_site
from app.sources.yaml_file import Mapping, Scalar, read_yaml

CONFIG_VERSION = "3"

_WITHOUT_ORIGIN = (
    "is missing; without it the contents of mirrors are not compared with the originals, there are no "
    "metalinks, and where no mirror is eligible, a list has mirrors that may be stale or down"
)
_OF_A_PRODUCT = (
    *("versions", "duplicated_versions", "optional_module_versions", "vault_versions", "vault_mirror"),
    *("arches", "repos", "module_origins", "repo_names", "isos"),
)


def read_service_config(path: Path) -> tuple[ServiceConfig, list[Finding]]:
    """Reads the config. Returns it with its warnings. Raises SourceError, with all findings, if it has a
    fault."""
    report = Report(path.name)
    root = read_yaml(path, report)
    config = _config(Fields(root, report, restricting=OF_CONFIG)) if root else None
    if config is None or report.faulty:
        raise SourceError(report.findings)
    return config, report.findings


def _config(fields: Fields) -> ServiceConfig:
    if fields.text("config_version") != CONFIG_VERSION:
        fields.fault("config_version", f"must be {CONFIG_VERSION}")
    config = _of_products(fields) if "products" in fields.mapping.entries else read_product(fields)
    if config.origin is None and not config.module_origins:
        fields.warning("origin", _WITHOUT_ORIGIN)
    config = replace(
        config,
        allowed_outdate_s=fields.seconds("allowed_outdate") or config.allowed_outdate_s,
        required_protocols=protocols(fields, "required_protocols") or config.required_protocols,
        mirrors_dir=_mirrors_dir(fields) or config.mirrors_dir,
        selection=selection_policy(fields),
        probe=probe_policy(fields),
        site=read_site(fields),
    )
    fields.check_keys()
    return config


def _of_products(fields: Fields) -> ServiceConfig:
    """Reads `products`. Returns one config with all of them, in the order of the file."""
    for key in _OF_A_PRODUCT:
        if key in fields.mapping.entries:
            fields.fault(key, "must stand below each product, because there are `products`")
    root = read_url(fields, "origin")
    table = fields.mapping_of("products")
    config = ServiceConfig(releases=(), aliases={}, vault_releases=(), arches={}, repos=(), origin=root)
    for name, node in table.mapping.entries.items():
        is_name(table, Scalar(table.line(name), name))
        if name in ADDRESSES:
            table.fault(name, "cannot be the name of a product: it is a protocol")
        if not isinstance(node, Mapping):
            table.fault(name, "must be a mapping with the keys of a product, such as `versions`")
            continue
        below = table.mapping_of(name)
        product = read_product(below, name, root)
        below.check_keys()
        _check_names(table, name, config, product)
        config = _joined(config, product)
    if not config.product_paths:
        fields.fault("products", "must name at least one product")
    return config


def _check_names(table: Fields, name: str, before: ServiceConfig, product: ServiceConfig) -> None:
    """Reports names of a product that mean something else in the products `before` it."""
    modules = {*before.product_paths, *before.modules.values()} & {name, *product.modules.values()}
    for module in sorted(modules):
        table.fault(name, f"{quoted(module)} is the name of two products or modules")
    releases = _releases(before) & _releases(product)
    for release in sorted(releases):
        table.fault(name, f"{quoted(release)} would be the name of a release of two products")


def _releases(config: ServiceConfig) -> set[str]:
    return {*config.releases, *config.vault_releases, *config.aliases}


def _joined(first: ServiceConfig, second: ServiceConfig) -> ServiceConfig:
    """Returns a config with the products of both."""
    return replace(
        first,
        releases=first.releases + second.releases,
        aliases=first.aliases | second.aliases,
        vault_releases=first.vault_releases + second.vault_releases,
        arches=first.arches | second.arches,
        repos=first.repos + second.repos,
        products=first.products | second.products,
        product_paths=first.product_paths | second.product_paths,
        modules=first.modules | second.modules,
        iso_paths=first.iso_paths | second.iso_paths,
        product_vaults=first.product_vaults | second.product_vaults,
        module_origins=first.module_origins | second.module_origins,
        repo_names=first.repo_names + second.repo_names,
    )


def _mirrors_dir(fields: Fields) -> str | None:
    folder = fields.text("mirrors_dir")
    if folder is not None and (folder.startswith("/") or ".." in PurePosixPath(folder).parts):
        fields.fault("mirrors_dir", f"{quoted(folder)} must be a folder below that of this file")
    return folder
