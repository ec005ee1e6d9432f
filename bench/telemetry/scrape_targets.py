"""Where nodes of the ledger that is up have metrics of their own, as Prometheus' HTTP service discovery wants it.

A ledger is new for each trial and its ports with it, so no configuration can name them. Nodes are listed from when the
ledger is up until just before it is stopped; in between trials the list is empty. What nodes say goes to Prometheus
directly: nothing of it passes through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from urllib.parse import urlsplit

import orjson

from bench.model.counters import Counters
from bench.model.ledger import Node
from bench.model.resources import ResourceSample
from bench.model.result import Result, Trial
from bench.telemetry.outline import TrialOutline

PATH = "/targets"
CONTENT_TYPE = "application/json"
"""The one that Prometheus accepts."""


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """One page of one node: where it is, and the labels that all of its series get."""

    scheme: str
    address: str
    path: str
    labels: Mapping[str, str]

    def group(self) -> dict[str, object]:
        """In the words of the discovery: labels with two underscores say how to read it, and are then gone."""
        how = {"__scheme__": self.scheme, "__metrics_path__": self.path}
        return {"targets": [self.address], "labels": {**how, **self.labels}}


class ScrapeTargets:
    """A `bench.run.events.TrialWatcher`: told from the coordinator's thread, read from any other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._outline: TrialOutline | None = None
        self._targets: tuple[ScrapeTarget, ...] = ()

    def listed(self) -> tuple[ScrapeTarget, ...]:
        """Those of now."""
        with self._lock:
            return self._targets

    def to_json(self) -> bytes:
        """The answer to Prometheus."""
        return orjson.dumps([target.group() for target in self.listed()])

    def trial_began(self, outline: TrialOutline) -> None:
        """What the next nodes belong to."""
        with self._lock:
            self._outline, self._targets = outline, ()

    def nodes_changed(self, nodes: Sequence[Node]) -> None:
        """They are up, or (none) about to be stopped."""
        with self._lock:
            if self._outline is not None:
                found = (scrape_target(node, self._outline) for node in nodes)
                self._targets = tuple(target for target in found if target is not None)

    def trial_ended(self, trial: Trial | None) -> None:  # noqa: ARG002
        """Whatever happened, nothing answers any more."""
        self.nodes_changed(())

    def load_began(self, start_ns: int, ledger_version: str | None) -> None:
        """No matter here."""

    def counted(self, worker: int, counters: Counters) -> None:
        """No matter here."""

    def used(self, samples: Sequence[ResourceSample], node_bytes: Mapping[str, int]) -> None:
        """No matter here."""

    def run_ended(self, result: Result) -> None:
        """No matter here."""


def scrape_target(node: Node, outline: TrialOutline) -> ScrapeTarget | None:
    """None for a node without metrics of its own."""
    if node.metrics_url is None:
        return None
    url = urlsplit(node.metrics_url)
    labels = {
        "run_id": outline.run_id,
        "ledger": outline.ledger,
        "workload": outline.workload,
        "node": node.name,
        "role": node.role,
        "trial": str(outline.trial),
    }
    return ScrapeTarget(url.scheme, url.netloc, url.path or "/metrics", labels)
