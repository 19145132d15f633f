"""A request to the running worker: `worker --force` leaves it in the store, and a heartbeat answers it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping

import msgspec

from app.model import Record, SnapshotError
from app.snapshot.status import WorkerAnswer, decode_heartbeat
from app.store import Store
from app.worker.losses import Force

ANSWER_WITHIN_S = 60.0
LOOK_EVERY_S = 0.2
NO_WORKER_S = 3.0
"""Where no worker has held the lease for so long, none runs. It takes a moment to pass it on."""

_PREVENT = ("config", "snapshot", "worker")
"""Sources of faults that keep the worker from publishing what the files say."""


class ForceRequest(Record, frozen=True, kw_only=True):
    """A request to publish what is held back."""

    name: str
    force: Force


def decode_request(data: bytes | None) -> ForceRequest | None:
    """Decodes a request. Returns None if there is none, or it is none of ours."""
    try:
        return None if data is None else msgspec.json.decode(data, type=ForceRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def answer_to(request: ForceRequest, generation: str | None, faults: Mapping[str, str]) -> WorkerAnswer:
    """Returns what became of a request, in words. `faults` are those after the publication."""
    wrong = [text for subject, text in sorted(faults.items()) if subject.partition("/")[0] in _PREVENT]
    held = [text for subject, text in sorted(faults.items()) if subject.startswith("guard/")]
    said = wrong or [f"generation {generation} is published"]
    said += [f"still held back: {text}" for text in held]
    return WorkerAnswer(request=request.name, done=not (wrong or held), text="; ".join(said))


def ask_running_worker(
    store: Store, force: Force, wait: Callable[[float], None] = time.sleep
) -> WorkerAnswer | None:
    """Asks the worker that publishes, and waits for its answer. Returns None if no worker runs. Raises
    StoreError."""
    if store.holder() is None:
        return None
    request = ForceRequest(name=secrets.token_hex(8), force=force)
    store.ask(msgspec.json.encode(request))
    waited_s = alone_s = 0.0
    while waited_s < ANSWER_WITHIN_S and alone_s < NO_WORKER_S:
        wait(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
        alone_s = 0.0 if store.holder() else alone_s + LOOK_EVERY_S
        answer = _answer(store)
        if answer is not None and answer.request == request.name:
            return answer
    store.take_request()
    if alone_s >= NO_WORKER_S:
        return None
    text = f"{store.holder() or 'the worker'} has not answered within {waited_s:.0f} s; its log says more"
    return WorkerAnswer(request=request.name, done=False, text=text)


def _answer(store: Store) -> WorkerAnswer | None:
    beat = store.heartbeat()
    try:
        return decode_heartbeat(beat).answer if beat else None
    except SnapshotError:
        return None
