"""Answers `/metrics` with numbers about all processes of this server together, and about the worker.

The numbers are in Prometheus' text format 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/). The worker has no port of its own: its numbers
come with its heartbeat, through the store. The metrics name no client's address, no parameter and no private
mirror, and every label has few values.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import get_args

import numpy as np
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)

from app.answer.privacy import shown_to_all
from app.explain.mirror_report import overall
from app.model import Content, Fate, Overall, ProbeRound
from app.serving.current import Current
from app.serving.generation import Serving
from app.serving.tally import BUCKETS_S, Counted, Key
from app.snapshot.status import Heartbeat

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_MISSES = "Behind a caching nginx these are its misses alone; totals come from its access log."


def exposition(current: Current) -> bytes:
    """Returns the body of the answer when Prometheus asks for the metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(current))
    return generate_latest(registry)


class _Collector:
    """Makes the metrics of one scrape."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._now = time.time()

    def collect(self) -> Iterator[Metric]:
        processes = self._current.counted()
        yield from _requests(processes)
        yield from _processes([process for process in processes if process.is_alive])
        yield _by_source(
            CounterMetricFamily,
            "mirrorwise_web_failures",
            "How often web processes found something at fault, new or still. The source store is for"
            " errors of Redis or of the file store.",
            _sum(process.failures for process in processes),
        )
        serving = self._current.serving
        if serving is not None:
            yield GaugeMetricFamily(
                "mirrorwise_snapshot_age_seconds",
                "Since the snapshot in use was published. It grows while nothing changes that decides a"
                " list.",
                self._age_s(serving.published_at_s),
            )
            yield _mirrors(serving)
            yield from _repos(serving)
        yield self._databases()
        heartbeat = self._current.heartbeat
        if heartbeat is not None:
            yield from _worker(heartbeat, self._now)

    def _databases(self) -> Metric:
        ages = GaugeMetricFamily(
            "mirrorwise_geoip_database_age_seconds",
            "Since the oldest file of the GeoIP database in use was built by its vendor.",
            labels=["database"],
        )
        serving, asns = self._current.serving, self._current.asns
        if serving is not None and serving.places is not None:
            ages.add_metric(["city"], self._age_s(serving.places.build_epoch))
        if asns is not None:
            ages.add_metric(["asn"], self._age_s(min(asns.build_epochs)))
        return ages

    def _age_s(self, then: float) -> float:
        return max(0.0, self._now - then)


# --- what web processes counted --------------------------------------------------------------------


def _requests(processes: list[Counted]) -> Iterator[Metric]:
    """Yields the metrics about answered requests. Processes that have ended count too."""
    requests = CounterMetricFamily(
        "mirrorwise_requests",
        "Requests by URL form, HTTP status, and the pass that gave the first mirror (empty where no list"
        f" was answered). What is no HTTP, gunicorn refuses uncounted. {_MISSES}",
        labels=["form", "status", "reason"],
    )
    for (form, code, reason), number in sorted(_requests_by_key(processes).items()):
        requests.add_metric([form, str(code), reason], number)
    yield requests
    buckets = [sum(column) for column in zip(*(p.buckets for p in processes), strict=False)]
    names = [*map(str, BUCKETS_S), "+Inf"]
    yield HistogramMetricFamily(
        "mirrorwise_request_duration_seconds",
        f"From a request's arrival in the application to its answer, without the network. {_MISSES}",
        list(zip(names, accumulate(buckets or [0] * len(names)), strict=True)),
        sum(process.seconds for process in processes),
    )
    yield CounterMetricFamily(
        "mirrorwise_memo_hits",
        f"Requests whose question the process had answered before. {_MISSES}",
        sum(process.memo_hits for process in processes),
    )


def _requests_by_key(processes: Iterable[Counted]) -> Counter[Key]:
    total: Counter[Key] = Counter()
    for process in processes:
        for form, code, reason, number in process.requests:
            total[form, code, reason] += number
    return total


def _processes(alive: list[Counted]) -> Iterator[Metric]:
    generations = GaugeMetricFamily(
        "mirrorwise_snapshot_processes",
        "Web processes by the generation that they serve (empty: none yet). More than one for minutes:"
        " a process is stuck.",
        labels=["generation"],
    )
    for generation, number in Counter(process.generation or "" for process in alive).items():
        generations.add_metric([generation], number)
    yield generations
    yield _by_source(
        GaugeMetricFamily,
        "mirrorwise_web_faults",
        "Web processes that find something at fault now, by source; /readyz says what.",
        Counter(source for process in alive for source in process.faults),
    )
    yield GaugeMetricFamily(
        "mirrorwise_geoip_lookup_failures",
        "Lookups that failed in the places database in use: it is damaged.",
        sum(process.lookup_failures for process in alive),
    )


def _mirrors(serving: Serving) -> Metric:
    document, snapshot = serving.status_document, serving.snapshot
    states = document.states if document else {}
    counts = Counter(
        overall(snapshot, index, snapshot.mirrors[index].name in states) for index in shown_to_all(snapshot)
    )
    mirrors = GaugeMetricFamily(
        "mirrorwise_mirrors", "Public mirrors by status, as /mirrors shows it.", labels=["status"]
    )
    for name in get_args(Overall):
        mirrors.add_metric([name], counts[name])
    return mirrors


def _repos(serving: Serving) -> Iterator[Metric]:
    """Yields how many mirrors each list may have, and what the prober found there. The labels have few
    values, because only what config.yml expects of mirrors counts."""
    snapshot, document = serving.snapshot, serving.status_document
    found = document.contents if document else {}
    shown = np.zeros(len(snapshot.mirrors), np.bool_)
    shown[shown_to_all(snapshot)] = True
    listed = GaugeMetricFamily(
        "mirrorwise_list_mirrors",
        "Public mirrors that may be listed, for all that config.yml expects mirrors to have (repo is empty"
        " for ISOs, arch where none matters).",
        labels=["release", "repo", "arch"],
    )
    contents = GaugeMetricFamily(
        "mirrorwise_repo_mirrors",
        "Public mirrors that are up, by the prober's verdict on their repo.",
        labels=["release", "repo", "arch", "content"],
    )
    for directory, fates in snapshot.expected:
        labels = [directory.release, directory.repo or "", directory.arch]
        may_be_listed = (np.frombuffer(fates, np.uint8) <= Fate.PARTIAL) & shown
        listed.add_metric(labels, int(may_be_listed.sum()))
        for content in Content if directory.repo else ():
            contents.add_metric([*labels, content.value], found.get(directory.key, {}).get(content, 0))
    yield listed
    yield contents


# --- what the worker counted -----------------------------------------------------------------------


def _worker(heartbeat: Heartbeat, now: float) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "mirrorwise_worker_heartbeat_age_seconds",
        "Since the last sign of life of the worker that publishes.",
        max(0.0, now - heartbeat.at_s),
    )
    yield GaugeMetricFamily(
        "mirrorwise_worker_start_time_seconds",
        "When that worker started, in epoch seconds; its counts are since then.",
        heartbeat.started_at_s,
    )
    yield GaugeMetricFamily(
        "mirrorwise_worker_guard_holding",
        "1 while a snapshot is held back that would halve some list; /readyz says which.",
        float(heartbeat.guard is not None),
    )
    yield SummaryMetricFamily(
        "mirrorwise_worker_step_seconds",
        "Steps of the worker: looks at everything.",
        heartbeat.steps,
        heartbeat.step_seconds,
    )
    yield SummaryMetricFamily(
        "mirrorwise_worker_compile_seconds",
        "Snapshots compiled by the worker.",
        heartbeat.compiles,
        heartbeat.compile_seconds,
    )
    yield CounterMetricFamily(
        "mirrorwise_worker_publications", "Generations that it published.", heartbeat.publications
    )
    yield _by_source(
        GaugeMetricFamily,
        "mirrorwise_worker_faults",
        "What the worker finds at fault now (a file, a database, the store), by source; its log says what.",
        heartbeat.faults,
    )
    yield _by_source(
        CounterMetricFamily,
        "mirrorwise_worker_failures",
        "How often the worker found something at fault, new or still, by source.",
        heartbeat.failures,
    )
    if heartbeat.last_round is not None:
        yield from _prober(heartbeat.last_round, now)


def _prober(last: ProbeRound, now: float) -> Iterator[Metric]:
    completed_s = last.completed_at.timestamp()
    yield GaugeMetricFamily(
        "mirrorwise_prober_round_age_seconds",
        "Since the prober's last complete round ended, as far as the worker knows.",
        max(0.0, now - completed_s),
    )
    known = (
        ("interval_seconds", "The time from round to round.", last.interval_s),
        (
            "round_seconds",
            "How long the last complete round took.",
            completed_s - last.started_at.timestamp() if last.started_at else None,
        ),
        ("round_mirrors", "Mirrors that were asked in it.", last.mirrors),
        ("round_requests", "Requests that were sent to mirrors in it.", last.requests),
    )
    for name, text, value in known:
        if value is not None:
            yield GaugeMetricFamily(f"mirrorwise_prober_{name}", text, value)


# --- families --------------------------------------------------------------------------------------


def _by_source(
    family: type[CounterMetricFamily] | type[GaugeMetricFamily],
    name: str,
    text: str,
    numbers: Mapping[str, int],
) -> Metric:
    """Returns a metric with the label `source`. The source `store` always has a value, 0 while the store is
    well, because an alert on a value that does not exist would never fire."""
    metric = family(name, text, labels=["source"])
    for source, number in sorted({"store": 0, **numbers}.items()):
        metric.add_metric([source], number)
    return metric


def _sum(several: Iterable[Mapping[str, int]]) -> Counter[str]:
    return sum(map(Counter, several), Counter())
