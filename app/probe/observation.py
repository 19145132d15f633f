"""What one round saw of one mirror, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.model import Content, Endpoint, Family, Protocol

EndpointKey = tuple[Protocol, Family]


@dataclass
class Observation:
    """What is seen while a mirror is asked. A second try overwrites what the first one saw."""

    addresses: tuple[str, ...] = ()
    #: The endpoints that the mirror has and this machine can reach.
    known: tuple[EndpointKey, ...] = ()
    #: The endpoints that were asked.
    endpoints: dict[EndpointKey, Endpoint] = field(default_factory=dict)
    #: The endpoint over which contents were asked for, once something came. None: the mirror as a whole
    #: failed.
    proven: EndpointKey | None = None
    #: Whether any HTTP answer came.
    answered: bool = False
    failed_tries: int = 0
    timestamp: datetime | None = None
    #: None for a repo that is there, but that can be compared with nothing.
    contents: dict[str, Content | None] = field(default_factory=dict)
    #: Why a repo that was asked for gave no usable answer.
    unread: dict[str, str] = field(default_factory=dict)
    isos: dict[str, bool] = field(default_factory=dict)
    #: Whether everything that was due was asked for and answered.
    complete: bool = False
    #: What kept the prober from asking, which is not the mirror's fault.
    not_asked: str | None = None
    requests: int = 0
    elapsed_s: float = 0.0
