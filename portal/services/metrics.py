"""What the portal counts while it works, and what it reads when it is asked.

A count is in the memory of a process, or, where `PROMETHEUS_MULTIPROC_DIR` names a
folder, in files that all processes share: then an answer holds the totals, whoever
gives it. A figure is read from the database at that moment, at a cost that does not
grow with history. No label takes values that callers make up.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import redis
from django.db import Error
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

Rows = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric as `docs/reference/metrics.md` tells of it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric that is read when it is asked for."""

    definition: Definition
    read: Callable[[], Rows]

    def family(self) -> Metric:
        """What it is now."""
        known = self.definition
        kind = CounterMetricFamily if known.kind == "counter" else GaugeMetricFamily
        family = kind(known.name, known.meaning, labels=known.labels)
        for labels, value in self.read():
            family.add_metric(labels, value)
        return family


DEFINED: list[Definition] = []
_figures: list[Figure] = []
_registry = CollectorRegistry()
disable_created_metrics()  # a series per series, for which nobody asks


def _define(name: str, kind: str, labels: tuple[str, ...], meaning: str) -> Definition:
    definition = Definition(name, kind, labels, meaning)
    DEFINED.append(definition)
    return definition


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """A count that only grows."""
    _define(name, "counter", labels, meaning)
    return Counter(name, meaning, labels, registry=_registry)


def gauge(name: str, meaning: str, *labels: str, mode: str) -> Gauge:
    """A value that goes up and down; `mode` says how processes are put together."""
    _define(name, "gauge", labels, meaning)
    return Gauge(name, meaning, labels, registry=_registry, multiprocess_mode=mode)


def histogram(
    name: str, meaning: str, *labels: str, buckets: tuple[float, ...]
) -> Histogram:
    """How often something took how long."""
    _define(name, "histogram", labels, meaning)
    return Histogram(name, meaning, labels, registry=_registry, buckets=buckets)


def figure(
    name: str, meaning: str, *labels: str, kind: str = "gauge"
) -> Callable[[Callable[[], Rows]], Callable[[], Rows]]:
    """Have a function read this metric; apps do so in their `figures.py`."""

    def register(read: Callable[[], Rows]) -> Callable[[], Rows]:
        _figures.append(Figure(_define(name, kind, labels, meaning), read))
        return read

    return register


class _Figures(Collector):
    """Every figure, up to the first for which the database does not answer."""

    def collect(self) -> Iterator[Metric]:
        is_answered = 1
        try:
            for each in _figures:
                yield each.family()
        except (Error, redis.RedisError):
            is_answered = 0
        up = GaugeMetricFamily(_UP.name, _UP.meaning)
        up.add_metric((), is_answered)
        yield up


_UP = _define(
    "portal_figures_up",
    "gauge",
    (),
    "1 when database and queue answered, 0 when figures are missing from this answer.",
)


def exposition() -> bytes:
    """Everything, in Prometheus' text format."""
    counted, figures = _registry, CollectorRegistry()
    if folder := os.environ.get(FOLDER):
        counted = CollectorRegistry()
        MultiProcessCollector(counted, folder)
    figures.register(_Figures())
    return generate_latest(counted) + generate_latest(figures)


# What every part shares

HTTP_REQUESTS = counter(
    "portal_http_requests_total",
    "Requests that the web process answered; what leads nowhere has the route other.",
    "route",
    "method",
    "status",
)
HTTP_SECONDS = histogram(
    "portal_http_request_seconds",
    "How long an answer of the web process took.",
    "route",
    "method",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
LIMITER_AWAY = counter(
    "portal_rate_limit_uncounted_total",
    "Requests that no rate limit counted, because Redis was away.",
)
