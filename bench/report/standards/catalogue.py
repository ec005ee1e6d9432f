"""The sources, as `standards.yaml` describes them: what each names, and how far it could be read.

The file holds our own words. A page claims no more of a source than `read` carries.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from bench.model.errors import ConfigurationError

Confidence = Literal["read in full", "table of contents only", "second-hand account"]
Unit = Literal[
    "rate", "milliseconds", "seconds", "share", "ratio", "bytes", "bytes per second", "bytes per transaction", "cpu"
]
Statistic = Literal["mean", "low", "high", "std", "at50", "at90", "at95", "at100", "p50", "p90", "p95", "p99", "p999"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Part):
    """What the source asks of a metric in one test: exactly one of `at_least`, `more_than` and `about`.

    `about` holds within the share `within` of it, which is ours: the source gives none. What lies above is missed if
    `above` says so; what lies outside otherwise is undecided, because the test was then not the one the source means.
    """

    at_least: float | None = None
    more_than: float | None = None
    about: float | None = None
    within: float = 0.1
    above: Literal["missed", "undecided"] = "undecided"

    @model_validator(mode="after")
    def _one(self) -> Threshold:
        if sum(value is not None for value in (self.at_least, self.more_than, self.about)) != 1:
            raise ValueError("give one of at_least, more_than and about")
        return self


class MetricEntry(_Part):
    """A metric that the source names. `key` names the function of `metrics` that finds its value.

    `at_nodes`: the source states it for a share of the nodes, so the page says at how many it was observed.
    """

    key: str
    name: str
    group: Literal["reads", "writes", "resources", "operations"]
    unit: Unit
    definition: str
    observed: str
    value_from: str
    statistics: tuple[Statistic, ...] = ()
    at_nodes: bool = False
    thresholds: dict[str, Threshold] = {}


class TestEntry(_Part):
    """One test of the source; `role` is that of `bench.scenario.presets`."""

    __test__ = False  # the name is the field's word, not a pytest class

    role: str
    title: str
    setting: str


class DisclosureEntry(_Part):
    """A fact the source wants disclosed. `key` names the function of `disclosure` that looks for it."""

    key: str
    name: str


class Source(_Part):
    """One source. `latency_from` is what latencies count from in the first place; the other is printed beside it."""

    key: str
    title: str
    short: str
    edition: str
    read: Confidence
    wording: Literal["reports the metrics of", "in the manner of"]
    latency_from: Literal["sending", "due time"]
    about: str
    remarks: tuple[str, ...] = ()
    tests: tuple[TestEntry, ...]
    metrics: tuple[MetricEntry, ...]
    disclosure: tuple[DisclosureEntry, ...] = ()


CONFIDENCE = {
    "read in full": "The whole text was read. Names and definitions are the source's, in our words.",
    "table of contents only": "Only the table of contents was available. The names of the metrics are the source's; "
    "the definitions are ours, and the source may define them otherwise.",
    "second-hand account": "Only what others write about it was available. Names, settings and thresholds are as "
    "they tell them, and may be wrong or out of date.",
}
"""What the reader must know of a source that was read so far."""


@cache
def sources() -> dict[str, Source]:
    """Every source by the name of its preset."""
    text = files("bench.report.standards").joinpath("standards.yaml").read_text(encoding="utf-8")
    return {key: Source.model_validate({"key": key, **entry}) for key, entry in yaml.safe_load(text).items()}


def source(name: str) -> Source:
    """The source of a preset. ConfigurationError for a name that is not known."""
    known = sources()
    if name not in known:
        raise ConfigurationError("no such preset", value=name, remedy=f"use one of {', '.join(known)}")
    return known[name]
