"""Late, lost, refused, failed, duplicated, reordered: each scripted on the simulated ledger, and counted where
docs/measurement.md puts it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.model.result import Trial
from tests.support.runs import assert_nothing_vanished, run_once

pytestmark = pytest.mark.live

RATE, DURATION_S = 200, 3
PLANNED = RATE * DURATION_S


def faulty(tmp_path: Path, drain_s: float = 1, accounts: int = 20, audit: str = "held", **options: object) -> Trial:
    bundle = run_once(
        tmp_path,
        {
            "ledgers": [{"name": "simulated", "options": {"block_interval_ms": 100, **options}}],
            "arrival": {"process": "constant", "rate": RATE},
            "phases": {"duration": f"{DURATION_S}s", "warm_up": "500ms", "drain": f"{drain_s}s"},
            "load": {"accounts": accounts},
        },
    )
    trial = assert_nothing_vanished(bundle, audit)
    assert trial.counts.planned == PLANNED
    assert trial.counts.dropped == 0
    return trial


def test_refused_lost_unanswered_and_failed_at_once(tmp_path: Path):
    trial = faulty(
        tmp_path,
        refuse={"every": 20, "error": "rate_limited"},
        lose={"every": 57},
        unanswered={"every": 50},
        fail={"every": 40, "error": "reverted"},
    )
    counts = trial.counts
    refused = PLANNED // 20
    taken = PLANNED - refused
    lost = taken // 57
    failed = (taken - lost) // 40
    assert (refused, lost, failed) == (30, 10, 14)
    assert counts.rejected == trial.errors["rate_limited"].count == refused
    assert counts.accepted == taken
    assert counts.unresolved == trial.errors["not_included"].count == lost
    assert counts.failed == trial.errors["reverted"].count == failed
    assert counts.failed_expected == 0
    assert counts.committed == counts.finalized == taken - lost - failed
    assert trial.latency_ms.finality.censored > 0
    unanswered_in_warm_up = 1  # the 50th of what was taken; the 100th is due after 0.5 s
    assert trial.latency_ms.accept.censored == taken // 50 - unanswered_in_warm_up


def test_late_answers_and_late_commits_are_late_and_nothing_else(tmp_path: Path):
    trial = faulty(tmp_path, accept_delay_ms=700, commit_latency={"distribution": "constant", "median_ms": 300})
    assert trial.counts.finalized == PLANNED
    assert trial.errors == {}
    accept, finality = trial.latency_ms.accept, trial.latency_ms.finality
    assert accept.p50 == pytest.approx(700, abs=60)
    assert finality.p50 == pytest.approx(300 + 50, abs=60)  # and half a block interval
    assert finality.max is not None
    assert 390 < finality.max < 500


def test_what_comes_after_the_drain_is_unresolved_and_stays_in_the_percentiles(tmp_path: Path):
    trial = faulty(tmp_path, commit_latency={"distribution": "constant", "median_ms": 3000})
    counts = trial.counts
    in_time = RATE * (DURATION_S + 1 - 3)  # due early enough to be included before the drain ends
    assert in_time - 25 <= counts.finalized <= in_time + 5
    assert counts.unresolved == trial.errors["not_included"].count == PLANNED - counts.finalized
    finality = trial.latency_ms.finality
    assert finality.count == RATE * (DURATION_S - 0.5)
    assert finality.p50 is None
    assert 1000 <= finality.lower_bound["p50"] < 3100
    assert finality.max is None


def test_what_is_included_twice_is_counted_once_and_breaks_the_audit(tmp_path: Path):
    trial = faulty(tmp_path, audit="broken", duplicate={"every": 10})
    assert trial.counts.finalized == PLANNED
    assert PLANNED // 10 - 2 <= trial.counts.unmatched_commits <= PLANNED // 10
    assert trial.errors == {}


@pytest.mark.parametrize("sequencing", ["none", "account"])
def test_another_order_in_the_block_changes_no_count(tmp_path: Path, sequencing: str):
    trial = faulty(tmp_path, reorder=True, sequencing=sequencing)
    assert trial.counts.finalized == PLANNED
    assert trial.counts.unmatched_commits == trial.counts.fillers == 0
    assert trial.errors == {}


@pytest.mark.parametrize("error", ["sequence_too_low", "node_error"])
def test_refusals_in_the_middle_of_a_sequence_are_mended(tmp_path: Path, error: str):
    trial = faulty(tmp_path, drain_s=5, refuse={"every": 25, "error": error}, sequencing="account")
    counts = trial.counts
    assert counts.rejected == sum(each.count for each in trial.errors.values())
    assert trial.errors[error].count >= PLANNED // 25 - 1
    assert counts.unresolved == counts.failed == 0
    assert counts.finalized == counts.accepted == PLANNED - counts.rejected


def test_a_full_pool_refuses_what_the_ledger_cannot_serve(tmp_path: Path):
    served, room = 50, 40
    trial = faulty(tmp_path, drain_s=5, service_rate_per_s=served, pool_capacity=room)
    counts = trial.counts
    accepted = room + served * DURATION_S  # what fits in at first, then one for each that was served
    assert accepted - 10 <= counts.accepted <= accepted + 10
    assert counts.finalized == counts.accepted
    assert counts.rejected == trial.errors["pool_full"].count
