"""Holds what the visits to all mirrors of a round share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.catalogue.catalogue import Directory
from app.model import Mirror, RepomdVersion, ServiceConfig
from app.probe.addresses import Resolver
from app.probe.fetch import MirrorClient, Network
from app.probe.hosts import Hosts

MIRROR_S = 60.0
"""The seconds that one mirror may take in a round, all tries together, whatever the mirror does."""


@dataclass(frozen=True)
class Surroundings:
    """What the visits to all mirrors of a round share: the config, the network, the limits of hosts, and the
    origin's versions."""

    config: ServiceConfig
    network: Network
    resolver: Resolver
    hosts: Hosts
    repos: tuple[Directory, ...]
    isos: tuple[Directory, ...]
    #: A directory for each release of which the vault has something.
    vault: tuple[Directory, ...]
    #: Returns the origin's versions of each repo as they are now, by key and newest first.
    versions: Callable[[], Mapping[str, tuple[RepomdVersion, ...]]]
    #: Asks the origin whether its repomd.xml of a repo has this SHA-256. Returns None if the origin does not
    #: answer.
    confirms: Callable[[Directory, str], Awaitable[bool | None]]
    agent: str
    #: The time from round to round; None if rounds are started by hand or by cron.
    interval_s: float | None = None
    full: bool = False
    #: The time that one mirror may take in a round, all tries together.
    mirror_s: float = MIRROR_S

    def now(self) -> datetime:
        return self.network.clock()

    def now_s(self) -> float:
        """Returns the time in epoch seconds. Fractions matter, because the origin may change within the same
        second."""
        return round(self.now().timestamp(), 3)

    def may_be_private(self, mirror: Mirror) -> bool:
        return mirror.private or self.config.probe.allow_private_addresses

    def client(self, mirror: Mirror) -> MirrorClient:
        return MirrorClient(self.network, self.resolver, self.hosts, self.may_be_private(mirror), self.agent)
