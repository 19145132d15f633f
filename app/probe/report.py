"""Shows people what the prober does: a progress bar, a line for each round, and everything about mirrors
that were asked for by name."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.model import Content, MirrorState, Status
from app.probe.visits import Result

log = logging.getLogger("mirrorwise.probe")

_PLAIN_EVERY = 100
_SLOWEST = 3


@dataclass
class RoundTally:
    """The counts of a round so far: mirrors, requests, statuses, and how long each mirror took."""

    done: int = 0
    requests: int = 0
    unknown: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    disabled: list[str] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.done += 1
        self.requests += result.observation.requests
        self.seconds[result.mirror] = result.observation.elapsed_s
        if result.state is None:
            self.unknown += 1
        else:
            self.statuses[result.state.status] += 1
        if result.disabled:
            self.disabled.append(result.mirror)

    def counts(self) -> str:
        counts = [f"{self.statuses[status]} {status.value}" for status in Status]
        return ", ".join(counts + ([f"{self.unknown} not known"] if self.unknown else []))

    def slowest(self) -> str:
        ranked = sorted(self.seconds.items(), key=lambda item: -item[1])[:_SLOWEST]
        return ", ".join(f"{name} ({seconds:.1f} s)" for name, seconds in ranked)

    def line(self, elapsed_s: float, faults: Sequence[str], left: int = 0) -> str:
        """Returns the line about a round for the log. `left` is the number of mirrors that are still being
        asked."""
        parts = [
            f"{self.done} mirrors in {elapsed_s:.0f} s: {self.counts()}",
            f"{self.requests:,} requests",
        ]
        if self.done:
            parts.append(f"slowest: {self.slowest()}")
        if left:
            parts.append(f"{left} still being asked")
        if self.disabled:
            parts.append(f"disabled after 14 days unreachable: {', '.join(sorted(self.disabled))}")
        if faults:
            parts.append(f"origin: {'; '.join(faults)}")
        if self.done > 1 and self.statuses[Status.UNREACHABLE] == self.done:
            parts.append("nothing at all could be reached: is this machine's network down?")
        return "; ".join(parts)


@contextmanager
def progress(console: Console, total: int, tally: RoundTally) -> Iterator[Callable[[Result], None]]:
    """Shows a tally while it grows: as a bar on a terminal, and elsewhere as a log line now and then. Yields
    the function to call with each result."""
    if not console.is_terminal:

        def count(result: Result) -> None:
            tally.add(result)
            if tally.done % _PLAIN_EVERY == 0 and tally.done < total:
                log.info("%d of %d mirrors: %s", tally.done, total, tally.counts())

        yield count
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def show(result: Result) -> None:
            tally.add(result)
            description = f"{tally.counts()}\nslowest: {tally.slowest()}"
            bar.update(task, advance=1, description=escape(description))

        yield show


def transition(before: MirrorState | None, now: MirrorState) -> str | None:
    """Returns the line for the log about a mirror whose status has changed; None if it has not changed."""
    if before is not None and before.status is now.status:
        return None
    was = before.status.value if before else "not probed"
    return f"{now.mirror}: {was} → {now.status.value}" + (f": {now.reason}" if now.reason else "")


def explain(console: Console, result: Result, verbose: bool) -> None:
    """Prints the verdict on a mirror for its admin, and with `verbose` everything that the verdict is based
    on."""
    state = result.state
    if state is None:
        why = result.error or result.observation.not_asked or "it failed once, which decides nothing yet"
        _say(console, f"{result.mirror}: nothing is known of it: {why}")
        return
    _say(console, f"{result.mirror}: {state.status.value}" + (f": {state.reason}" if state.reason else ""))
    if result.disabled:
        _say(console, "  disabled: unreachable for 14 days or longer; it is asked once a day now")
    if result.observation.not_asked:
        _say(console, f"  not everything was asked: {result.observation.not_asked}")
    if verbose:
        for line in _details(state, result):
            _say(console, f"  {line}")


def _details(state: MirrorState, result: Result) -> Iterator[str]:
    yield f"addresses: {', '.join(state.addresses) or 'none'}"
    for protocol, families in state.endpoints.items():
        for family, endpoint in families.items():
            latency = f", {endpoint.latency_ms:.0f} ms" if endpoint.latency_ms is not None else ""
            verdict = "ok" if endpoint.ok else endpoint.detail
            yield f"{protocol} over {family.replace('ip', 'IP')}: {verdict}{latency}"
    yield f"timestamp: {state.timestamp or 'none'}; the origin's: {state.origin_timestamp or 'not known'}"
    counts = Counter(state.content.values())
    yield "repos: " + (", ".join(f"{counts[c]} {c.value}" for c in Content if counts[c]) or "none known")
    for key, content in sorted(state.content.items()):
        if content is not Content.CURRENT:
            why = result.observation.unread.get(key)
            yield f"  {key}: {content.value}" + (f" ({why})" if why else "")
    missing = sorted(key for key, has in state.isos.items() if not has)
    yield f"ISO directories: {len(state.isos) - len(missing)} of {len(state.isos)}" + (
        f"; missing: {', '.join(missing)}" if missing else ""
    )
    if state.vault:
        lacking = sorted(release for release, has in state.vault.items() if not has)
        yield f"releases of the vault: {len(state.vault) - len(lacking)} of {len(state.vault)} looked for" + (
            f"; missing: {', '.join(lacking)}" if lacking else ""
        )
    seen = result.observation
    yield f"asked {seen.requests} times in {seen.elapsed_s:.1f} s"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
