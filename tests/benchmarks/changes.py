"""Changes snapshots under load, and measures how long a change takes to get to clients."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path

import msgspec

from app.snapshot import schema
from app.store import FileStore, Publication, Store, file_store
from tests.benchmarks.load import Steady, steady
from tests.benchmarks.worlds import QUERY, Environ
from tests.conftest import wait_until
from tests.servers import GunicornServer, WorkerProcess, ask


def variants(store: Store) -> tuple[Publication, Publication]:
    """The publication in a store, and a variant of it with lists of another length."""
    pointer = store.pointer()
    data = store.snapshot(pointer.generation) if pointer else None
    if data is None:
        raise RuntimeError("nothing is published")
    snapshot = schema.decode(data)
    selection = msgspec.structs.replace(snapshot.config.selection, length=9)
    config = msgspec.structs.replace(snapshot.config, selection=selection)
    other = schema.encode(msgspec.structs.replace(snapshot, config=config))
    blobs = (snapshot.networks,) if snapshot.networks else ()

    def publication(content: bytes) -> Publication:
        return Publication(
            generation=schema.generation_of(content),
            snapshot=content,
            memory=store.memory() or b"",
            blobs=blobs,
            published_at_s=time.time(),
        )

    return publication(data), publication(other)


def swapping(environ: Environ, url: str, per_s: float, seconds: int, folder: Path) -> Steady:
    """Measures a steady load while another snapshot is published every second, and the original at last."""
    store = file_store(Path(environ["MIRRORWISE_VAR"]))
    original, other = variants(store)
    done = threading.Event()

    def swap() -> None:
        number = 0
        while not done.wait(1.0):
            number += 1
            store.publish((original, other)[number % 2], None)
        store.publish(original, None)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        return steady(url, per_s, seconds, folder)
    finally:
        done.set()
        thread.join()


def edited(folder: Path, environ: Environ, server: GunicornServer) -> dict[str, float]:
    """The seconds from the edit of a mirror file until every web process serves the new generation, and
    the part of them that the compile took."""
    store = file_store(Path(environ["MIRRORWISE_VAR"]))
    file = sorted((Path(environ["MIRRORWISE_DATA"]) / "mirrors.d").glob("*.yml"))[0]
    text = file.read_text(encoding="utf-8")
    connections = connections_to_all(server)
    worker = WorkerProcess(folder, environ)
    try:
        wait_until(lambda: "compiled " in worker.said(), "the worker's first compile", 60)
        wait_until(lambda: _is_calm(store), "no further publication", 60)
        compiled = worker.said().count("compiled ")
        before = _generation(store)
        started = time.monotonic()
        file.write_text(text.rstrip().removesuffix("...") + "\nweight: 3\n", encoding="utf-8")
        wait_until(lambda: _generation(store) != before, "the change being published", 60)
        now = _generation(store)
        for connection in connections:
            while ask(connection, QUERY).headers["X-Mirrorlist-Generation"] != now:
                if time.monotonic() - started > 60:
                    raise RuntimeError("the change was not served within a minute")
        took_s = time.monotonic() - started
        if worker.said().count("compiled ") != compiled + 1:
            raise RuntimeError("something else was compiled meanwhile")
        compile_s = float(worker.said().rsplit(" places in ", 1)[1].partition(" s")[0])
        return {"served_s": took_s, "compile_s": compile_s}
    finally:
        worker.stop()
        file.write_text(text, encoding="utf-8")


def _generation(store: FileStore) -> str:
    pointer = store.pointer()
    return pointer.generation if pointer else ""


def _is_calm(store: FileStore) -> bool:
    """Returns whether a second passes without a publication."""
    before = _generation(store)
    time.sleep(1)
    return _generation(store) == before


def connections_to_all(server: GunicornServer) -> list[http.client.HTTPConnection]:
    """Opens so many connections that each process has some."""
    connections = [server.connection() for _ in range(32)]
    for connection in connections:
        ask(connection, QUERY)
    return connections
