"""Asks the mirrors of new and changed files at once, for `mirrorwise check --probe`.

They are asked for everything, as `mirrorwise probe <name> --full` does, but nothing is kept: the results
are findings about their files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from app.catalogue.catalogue import is_asked
from app.model import Content, Finding, Mirror, Status
from app.model.errors import fault, warning
from app.probe.fetch import Network
from app.probe.service import Pace, ProbeOptions, Prober
from app.probe.visits import Result

_PACE = Pace(retry_after_s=5.0)  # a person waits
_PROBLEMS = (
    (Content.CORRUPT, fault, "damaged or unreadable"),
    (Content.STALE, warning, "out of date"),
    (Content.MISSING, warning, "not there; `repos`, `arches` and `versions` say what a mirror carries"),
)

_FAULTY = (Status.STALE, Status.UNREACHABLE, Status.BROKEN)

_NAMED = 5
"""How many repos a finding names."""


def probe_newcomers(
    data_dir: Path,
    mirrors: Mapping[str, Mirror],
    console: Console,
    network: Network | None = None,
    pace: Pace = _PACE,
) -> list[Finding]:
    """Asks mirrors, which are by file name, and tells on the console what each answers. Returns what is
    wrong. Private mirrors are not asked: they need not answer where a check is made."""
    asked = {file: mirror for file, mirror in mirrors.items() if is_asked(mirror)}
    files = {mirror.name: file for file, mirror in asked.items()}
    for mirror in mirrors.values():
        if mirror.name not in files:
            console.print(f"{mirror.name}: not asked, since it is private, disabled, or never probed")
    if not files:
        return []
    with TemporaryDirectory(prefix="mirrorwise-probe-") as place:
        options = ProbeOptions(data_dir, full=True, names=tuple(files), verbose=True, records_dir=Path(place))
        prober = Prober(options, network or Network(), pace, console)
        asyncio.run(prober.run())
    results = {result.mirror: result for result in prober.results}
    found = [_findings(file, results.get(name) or Result(name, None)) for name, file in files.items()]
    return [finding for findings in found for finding in findings]


def _findings(file: str, result: Result) -> Iterator[Finding]:
    """Yields what is wrong with a mirror. Each message begins with the key that it is about."""
    state, seen = result.state, result.observation
    if state is None and seen.not_asked is not None:
        yield warning(file, f"address: the mirror could not be asked from here: {seen.not_asked}")
        return
    if state is None:
        why = result.error or "it gave no answer"
        yield fault(file, f"address: asked just now, nothing could be learnt of the mirror: {why}")
        return
    if state.status in _FAULTY:
        yield fault(file, f"address: asked just now, the mirror is {state.status.value}: {state.reason}")
    if seen.proven is None:
        return  # the reason names every endpoint
    for protocol, families in state.endpoints.items():
        works = any(endpoint.ok for endpoint in families.values())
        for family, endpoint in families.items():
            if not endpoint.ok:
                over = f"asked just now over {family.replace('ip', 'IP')}"
                message = f"address.{protocol}: {over}: {endpoint.detail or 'no answer'}"
                yield (warning if works else fault)(file, message)
    if state.timestamp is None:
        yield warning(file, "address: its file TIME cannot be used, so that only its contents are judged")
    for content, finding, problem in _PROBLEMS:
        keys = sorted(key for key, found in state.content.items() if found is content)
        if keys:
            more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
            yield finding(file, f"address: {', '.join(keys[:_NAMED])}{more}: {problem}")
