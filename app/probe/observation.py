"""What one round saw of one mirror, before anybody judges it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.model import Content, Endpoint, Family, Protocol

EndpointKey = tuple[Protocol, Family]


@dataclass
class Observation:
    """Filled while the mirror is asked; a second try overwrites what the first one saw.

    `endpoints`: those that were asked. `proven`: the one that contents were asked over, once
    something came over it; None means that the mirror as a whole failed. `answered`: at least some
    HTTP answer came. `contents`: None is a repo that is there, but that nothing is known to
    compare with. `unread`: repos that were asked for and gave no answer of use, with the reason.
    `complete`: everything that was due was asked and answered. `not_asked`: what kept the prober
    from asking, which is not the mirror's fault.
    """

    addresses: tuple[str, ...] = ()
    known: tuple[EndpointKey, ...] = ()
    endpoints: dict[EndpointKey, Endpoint] = field(default_factory=dict)
    proven: EndpointKey | None = None
    answered: bool = False
    failed_tries: int = 0
    timestamp: datetime | None = None
    contents: dict[str, Content | None] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    isos: dict[str, bool] = field(default_factory=dict)
    complete: bool = False
    not_asked: str | None = None
    requests: int = 0
    elapsed_s: float = 0.0
