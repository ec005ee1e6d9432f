"""Short whole runs for tests of what is counted where, and what must hold in each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.bundle.reader import Bundle, read_bundle
from bench.bundle.verify import verify
from bench.model.result import Trial
from bench.run.coordinator import RunOptions, run
from bench.run.events import LiveView, RunListener
from bench.scenario.loader import scenario_from_mapping


class Quiet:
    """Hears nothing of the run."""

    def step(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def live(self, view: LiveView) -> None: ...


def run_once(tmp_path: Path, mapping: Mapping[str, Any], listener: RunListener | None = None) -> Bundle:
    """One trial of a transfer load, unless `mapping` says otherwise; its bundle."""
    base = {"name": "t", "workload": "transfer", "trials": 1}
    scenario = scenario_from_mapping({**base, **mapping}, [])
    outcome = run(scenario, RunOptions(tmp_path / "out", ["test"], lambda directory: None), listener or Quiet())
    assert outcome.problems == [], outcome.problems
    (path,) = outcome.bundles
    return read_bundle(path)


def assert_nothing_vanished(bundle: Bundle, audit: str = "held") -> Trial:
    """Conservation in the counts, the rows, the error classes and the audit; the trial."""
    (trial,) = bundle.result.trials
    counts = trial.counts
    assert counts.planned == counts.dropped + counts.submitted
    assert counts.submitted == counts.rejected + counts.accepted
    assert counts.accepted == counts.committed + counts.failed + counts.unresolved
    assert counts.finalized <= counts.committed
    assert counts.failed_expected <= counts.failed
    assert counts.dropped == sum(counts.dropped_by.values())
    table = bundle.transactions(1)
    writes = Counter(
        outcome
        for kind, outcome in zip(table["kind"].to_pylist(), table["outcome"].to_pylist(), strict=True)
        if kind == "write"
    )
    assert writes.total() == counts.planned
    assert len(table) == counts.planned + trial.reads.issued + trial.reads.dropped
    assert writes["finalized"] == counts.finalized
    assert writes["finalized"] + writes["committed"] == counts.committed
    assert writes["failed"] == counts.failed - counts.failed_expected
    assert writes["failed_expected"] == counts.failed_expected
    stages: Counter[str] = Counter()
    for error in trial.errors.values():
        stages[error.stage] += error.count
    for stage in ("dropped", "rejected", "failed", "unresolved"):
        assert stages[stage] == getattr(counts, stage), trial.errors
        assert writes[stage] == getattr(counts, stage) - (counts.failed_expected if stage == "failed" else 0)
    assert trial.reads.issued == trial.reads.answered + trial.reads.failed
    assert not any("conservation" in reason for reason in trial.verdict.reasons)
    invariants = bundle.result.audit.invariants
    assert invariants[0].status == audit, invariants
    assert all(invariant.status != "broken" for invariant in invariants[1:]), invariants
    assert verify(bundle.directory) == []
    return trial
