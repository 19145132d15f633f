"""What was seen of one mirror in one round, before the mirror is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.model import Content, Endpoint, Family, Protocol

EndpointKey = tuple[Protocol, Family]


@dataclass
class Observation:
    """What was seen of one mirror in one round so far. A second try overwrites what the first one saw."""

    addresses: tuple[str, ...] = ()
    #: The endpoints that the mirror has and this machine can reach.
    known: tuple[EndpointKey, ...] = ()
    #: The endpoints that were asked.
    endpoints: dict[EndpointKey, Endpoint] = field(default_factory=dict)
    #: The endpoint over which contents are asked for, which is known to work; None if the mirror as a whole
    #: failed.
    proven: EndpointKey | None = None
    #: Whether any HTTP answer came.
    answered: bool = False
    failed_tries: int = 0
    timestamp: datetime | None = None
    #: The verdicts on repos, by key; None for a repo that is there, but cannot be compared with the origin's.
    contents: dict[str, Content | None] = field(default_factory=dict)
    #: The reasons why repos that were asked for gave no usable answer, by key.
    unread: dict[str, str] = field(default_factory=dict)
    isos: dict[str, bool] = field(default_factory=dict)
    #: Whether the mirror's copy of the vault has a release, by the release.
    vault: dict[str, bool] = field(default_factory=dict)
    #: Whether everything that was due was asked for and answered.
    complete: bool = False
    #: The reason why the prober did not ask for everything, which is not the mirror's fault; None if it did.
    not_asked: str | None = None
    requests: int = 0
    elapsed_s: float = 0.0
