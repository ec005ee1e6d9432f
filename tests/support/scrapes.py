"""Scraping live figures over HTTP, and reading what comes as values."""

from __future__ import annotations

import threading
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from types import TracebackType

from prometheus_client.parser import text_string_to_metric_families

from bench.telemetry.metrics import METRICS, Kind

Series = tuple[str, frozenset[tuple[str, str]]]
MONOTONIC = tuple(metric.name for metric in METRICS if metric.kind is not Kind.GAUGE)


def get(url: str, accept: str = "") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as response:
        return bytes(response.read())


def parsed(text: str) -> dict[Series, float]:
    """Each series and its value; a series that comes twice is an error."""
    values: dict[Series, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = (sample.name, frozenset(sample.labels.items()))
            assert series not in values, series
            values[series] = sample.value
    return values


def total(values: Mapping[Series, float], name: str, **labels: str) -> float:
    """The sum of the series of `name` with these labels."""
    wanted = set(labels.items())
    return sum(value for (found, own), value in values.items() if found == name and wanted <= own)


def by_label(values: Mapping[Series, float], name: str, label: str) -> dict[str, float]:
    """The sums of the series of `name`, by the value of one label."""
    sums: dict[str, float] = defaultdict(float)
    for (found, own), value in values.items():
        if found == name:
            sums[dict(own)[label]] += value
    return dict(sums)


def counts_only(values: Mapping[Series, float]) -> dict[Series, float]:
    """What must never go back."""
    return {series: value for series, value in values.items() if series[0].startswith(MONOTONIC)}


class Scraper:
    """Scrapes every `every_s` while the block runs."""

    def __init__(self, url: str, every_s: float = 1.0) -> None:
        self.scrapes: list[dict[Series, float]] = []
        self._url = url
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Scraper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self.scrapes.append(parsed(get(self._url).decode()))
