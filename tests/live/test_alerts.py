"""Every alert, with the rules as they are shipped: provoked on a real Prometheus, told by a real Alertmanager to a
webhook, and taken back. All at once, each in a run of its own; one run is in order and must stay silent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from bench.telemetry.metrics import BY_NAME
from bench.telemetry.native import JOB
from bench.telemetry.prometheus import Target
from bench.telemetry.query import Alert
from tests.support.prometheus import (
    Delivered,
    ScriptedExporter,
    Webhook,
    alertmanager,
    prometheus,
    scripted_exporter,
    until,
    webhook,
)

pytestmark = pytest.mark.live

DEADLINE_S = 60.0
TICK_S = 0.5
GIB = 2**30
IN_ORDER = "in-order"
VANISHED = "vanished"
NODE_DOWN = "node-down"
NODE = {"run_id": NODE_DOWN, "ledger": "anvil", "workload": "transfer", "node": "n0", "role": "node", "trial": "1"}
NOBODY = Target("127.0.0.1:9", JOB, NODE)
"""A node that never answers; whether it should is up to the case."""
LATE_FOR_S = 9.0
"""How long blocks come late: their window is 30 s and must hold for 35 s, so this is told just before it is over."""
Key = tuple[str, ...]  # a metric's name, and the values of its own labels

GAUGES: dict[Key, float | tuple[float, int]] = {
    ("bench_phase", "setup"): 0,
    ("bench_phase", "measure"): 1,
    ("bench_phase", "drain"): 0,
    ("bench_in_flight",): 100,
    ("bench_block_age_seconds",): 0.5,
    ("bench_block_interval_seconds",): (60.0, 60),
    ("bench_harness_bound",): 0,
    ("bench_observer_delay_seconds",): 0.01,
    ("bench_disk_free_bytes", "results"): 90 * GIB,
    ("bench_worker_up", "worker-0"): 1,
    ("bench_worker_up", "worker-1"): 1,
    ("bench_snapshot_age_seconds", "worker-0"): 0.7,
    ("bench_snapshot_age_seconds", "worker-1"): 0.7,
    ("bench_node_expected", "n0", "node", "1"): 0,
}
STEPS: dict[Key, float] = {
    ("bench_blocks_total",): TICK_S,
    ("bench_committed_total", "transfer"): 50,
    ("bench_finalized_total", "transfer"): 50,
    ("bench_rejected_total", "transfer"): 0,
}
"""What a run in order shows, and by how much its counters grow at each tick."""


@dataclass(frozen=True)
class Case:
    """What differs in a run in trouble, or (`after`) when that is over; and the alert it should cause."""

    labels: Mapping[str, str]
    summary: str
    gauges: Mapping[Key, float] = field(default_factory=dict)
    steps: Mapping[Key, float] = field(default_factory=dict)
    after: Mapping[Key, float] = field(default_factory=dict)
    at_most_s: float = DEADLINE_S


CASES = {
    "no-blocks": Case(
        {"alertname": "LedgerStalled", "cause": "no_blocks", "severity": "critical"},
        "anvil makes no blocks",
        gauges={("bench_block_age_seconds",): 12},
        steps={("bench_blocks_total",): 0},
    ),
    "empty-blocks": Case(
        {"alertname": "LedgerStalled", "cause": "empty_blocks", "severity": "critical"},
        "anvil makes blocks without our transactions",
        steps={("bench_committed_total", "transfer"): 0, ("bench_finalized_total", "transfer"): 0},
    ),
    "burning": Case(
        {"alertname": "ErrorBudgetBurning", "burn": "fast", "severity": "critical"},
        "anvil fails or misses its objective for 50% of operations",
        steps={("bench_rejected_total", "transfer"): 50},
        after={("bench_finalized_total", "transfer"): 5000},  # so that a minute's share falls in seconds
    ),
    "harness-bound": Case(
        {"alertname": "HarnessBound", "severity": "critical"},
        "The harness is the limit, not anvil",
        gauges={("bench_harness_bound",): 1},
    ),
    "worker-lost": Case(
        {"alertname": "WorkerLost", "worker": "worker-1", "severity": "critical"},
        "worker-1 reports no more",
        gauges={("bench_worker_up", "worker-1"): 0},
    ),
    "worker-silent": Case(
        {"alertname": "WorkerLost", "worker": "worker-0", "severity": "critical"},
        "worker-0 reports no more",
        gauges={("bench_snapshot_age_seconds", "worker-0"): 8},
    ),
    "observer-behind": Case(
        {"alertname": "ObserverBehind", "severity": "warning"},
        "Blocks of anvil reach the workers late",
        gauges={("bench_observer_delay_seconds",): 1.5},
        at_most_s=LATE_FOR_S,
    ),
    NODE_DOWN: Case(
        {"alertname": "NodeDown", "node": "n0", "severity": "critical"},
        "n0 of anvil does not answer",
        gauges={("bench_node_expected", "n0", "node", "1"): 1},
    ),
    "disk": Case(
        {"alertname": "DiskNearlyFull", "mount": "results", "severity": "warning"},
        "The disk for results is nearly full",
        gauges={("bench_disk_free_bytes", "results"): GIB},
    ),
}
"""By run id."""


@dataclass
class Run:
    """One run that the exporter speaks for."""

    run_id: str
    case: Case | None
    trouble: bool = True
    totals: dict[Key, float] = field(default_factory=dict)

    def in_trouble(self, told: Webhook, elapsed_s: float) -> bool:
        """Whether its trouble goes on."""
        return self.case is not None and elapsed_s < self.case.at_most_s and not _told(told, "firing", self.run_id)

    def tick(self, exporter: ScriptedExporter) -> None:
        """Show the next half second."""
        gauges, steps = dict(GAUGES), dict(STEPS)
        if self.case is not None and self.trouble:
            gauges.update(self.case.gauges)
            steps.update(self.case.steps)
        elif self.case is not None:
            steps.update(self.case.after)
        for key, step in steps.items():
            self.totals[key] = self.totals.get(key, 0) + step
        for key, value in (gauges | self.totals).items():
            own = dict(zip(BY_NAME[key[0]].labels, key[1:], strict=True))
            exporter.set(key[0], value, run_id=self.run_id, ledger="anvil", workload="transfer", **own)


@dataclass(frozen=True)
class Story:
    """What was told, and how long all of it took; `left` is what the server still holds at the end."""

    told: Webhook
    left: list[Alert]
    seconds: float


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Trouble in every run until its alert was told; then order, until that was told. One run dies and stays dead."""
    place = tmp_path_factory.mktemp("alerts")
    runs = [Run(IN_ORDER, None), *(Run(run_id, case) for run_id, case in CASES.items())]
    begin = time.monotonic()
    with scripted_exporter() as exporter, ExitStack() as dying, webhook() as told:
        mortal = dying.enter_context(scripted_exporter())
        Run(VANISHED, None).tick(mortal)
        for run in runs:
            run.tick(exporter)
        with (
            alertmanager(place / "alertmanager", told.url) as manager,
            prometheus(
                place / "prometheus", [exporter.address, mortal.address, NOBODY], alertmanager_url=manager.url
            ) as server,
        ):
            up = time.monotonic()
            until(
                lambda: len(server.get("/api/v1/query", query="bench:under_load")["result"]) == len(runs) + 1,
                10,
                "every run seen under load",
            )
            dying.close()
            while not _over(told) and time.monotonic() < begin + DEADLINE_S:
                for run in runs:
                    run.trouble = run.in_trouble(told, time.monotonic() - up)
                    run.tick(exporter)
                time.sleep(TICK_S)
            yield Story(told, server.alerts(), time.monotonic() - begin)


def _told(told: Webhook, status: str, run_id: str) -> Delivered | None:
    return told.seen(status, run_id=run_id, **CASES[run_id].labels)


def _over(told: Webhook) -> bool:
    return told.seen("firing", run_id=VANISHED) is not None and all(_told(told, "resolved", run_id) for run_id in CASES)


@pytest.mark.parametrize("run_id", CASES)
def test_it_is_told_once_it_holds_and_taken_back_once_it_does_not(story: Story, run_id: str) -> None:
    firing, resolved = (_told(story.told, status, run_id) for status in ("firing", "resolved"))
    assert firing is not None, sorted({(a.status, a.labels["run_id"]) for a in story.told.alerts})
    assert resolved is not None
    assert firing.at_s < resolved.at_s
    assert firing.annotations["summary"] == CASES[run_id].summary
    assert run_id in firing.annotations["description"]
    assert firing.annotations["runbook_url"] == f"docs/operate.md#{CASES[run_id].labels['alertname'].lower()}"
    assert firing.labels["monitor"] == "ledger-bench"


def test_trouble_causes_its_own_alert_and_no_other(story: Story) -> None:
    told = {(alert.labels["run_id"], alert.labels["alertname"]) for alert in story.told.alerts}
    assert told == {(run_id, case.labels["alertname"]) for run_id, case in CASES.items()} | {(VANISHED, "RunVanished")}


def test_a_run_that_dies_under_load_is_told(story: Story) -> None:
    firing = story.told.seen("firing", run_id=VANISHED)
    assert firing is not None
    assert firing.annotations["summary"] == "The run on anvil has vanished"
    assert firing.labels["severity"] == "critical"


def test_nothing_but_the_dead_run_is_left_at_the_end(story: Story) -> None:
    assert [alert for alert in story.left if alert.state == "firing" and alert.labels["run_id"] != VANISHED] == []
    assert story.seconds < DEADLINE_S
