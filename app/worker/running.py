"""Runs a worker: for ever, or once."""

from __future__ import annotations

import logging
import threading
import time

from app.logs import pause_s
from app.worker.loop import Worker
from app.worker.losses import Force

log = logging.getLogger("mirrorwise.worker")

STOP_S = 5.0
LOOK_UP_S = 0.5


def run(worker: Worker, refresh_s: float, stopping: threading.Event, force: Force) -> None:
    """Runs steps until `stopping` is set. `force` is for the first publication. If a step fails because of a
    bug, this is logged, and the worker goes on; after failures, the pauses between steps are longer."""
    failures = 0
    try:
        while not stopping.is_set():
            try:
                worker.step(time.time(), force)
                worker.faults.clear("worker")
            except Exception as error:
                worker.faults.set("worker", f"a step failed: {error!r}", trace=True)
            force = Force.NO if worker.has_published else force
            failures = failures + 1 if {"store", "worker"} & set(worker.faults.by_source) else 0
            stopping.wait(pause_s(refresh_s, failures))
    finally:
        worker.stop()


def run_until(worker: Worker, refresh_s: float, stopping: threading.Event, force: Force) -> bool:
    """Calls `run` in a thread, so that the process can end while a step still waits: a server's answer that
    comes byte by byte may take minutes. When `stopping` is set, a step under way has `STOP_S` seconds to end.
    If it does not, nothing is half published, as when a process is killed. Returns whether the thread has
    ended."""

    def go() -> None:
        try:
            run(worker, refresh_s, stopping, force)
        finally:
            stopping.set()

    thread = threading.Thread(target=go, name="mirrorwise-worker", daemon=True)
    thread.start()
    # Python handles a signal in the main thread. If the system gave it to another one, the main thread must
    # look up from its wait to notice.
    while not stopping.wait(LOOK_UP_S):
        continue
    log.info("ends")
    thread.join(STOP_S)
    if thread.is_alive():
        log.warning("ended within a step, which has not come to its end in %.0f s", STOP_S)
    return not thread.is_alive()


def run_once(worker: Worker, force: Force = Force.NO) -> bool:
    """Compiles and publishes once, and waits for a place scan and prices if they are due. Returns whether
    all was published."""
    try:
        worker.step(time.time(), force)
        while worker.wait(time.time()):
            worker.step(time.time(), force)
        if worker.leading is False and "takeover" not in worker.faults.current:
            worker.faults.set("lease", "another worker holds it and publishes; end that one first")
        return worker.has_published and not {"store", "config", "guard"} & set(worker.faults.by_source)
    finally:
        worker.stop()
