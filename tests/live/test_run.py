"""Whole runs on real nodes and on the scripted ledger: what was planned, what is counted, what is left behind."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc
import pytest

from bench.bundle.reader import Bundle, read_bundle
from bench.bundle.verify import verify
from bench.model.result import Trial
from bench.report.build import write_report
from bench.run.coordinator import RunOptions, RunOutcome, run
from bench.run.events import LiveView
from bench.scenario.loader import scenario_from_mapping
from tests.support.anvil import anvil_network

pytestmark = pytest.mark.live


@dataclass
class Heard:
    steps: list[str] = field(default_factory=list)
    views: list[LiveView] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def live(self, view: LiveView) -> None:
        self.views.append(view)

    def warn(self, text: str) -> None:
        self.steps.append(text)


def execute(
    tmp_path: Path, mapping: dict, *settings: str, heard: Heard | None = None
) -> tuple[RunOutcome, list[Bundle]]:
    base = {"name": "t", "phases": {"duration": "4s", "warm_up": "1s", "drain": "10s"}, "trials": 1}
    scenario = scenario_from_mapping({**base, **mapping}, settings)
    outcome = run(scenario, RunOptions(tmp_path / "out", ["test"], write_report), heard or Heard())
    return outcome, [read_bundle(path) for path in outcome.bundles]


def constant(rate: float) -> dict:
    return {"process": "constant", "rate": rate}


def simulated(**options: object) -> list:
    return [{"name": "simulated", "options": options}]


def assert_only_the_known_race(trial: Trial) -> None:
    """anvil refuses an eth_call of "latest" that a new block overtakes (docs/adapters/evm.md); no other read fails."""
    refused = trial.errors.get("read_refused")
    assert trial.reads.failed == (refused.count if refused else 0) <= 3
    assert all("BlockOutOfRange" in example for example in (refused.examples if refused else []))


def test_the_same_seed_leaves_the_same_money_on_both_ledgers(tmp_path: Path):
    heard = Heard()
    mapping = {"ledgers": ["anvil", "sqlite"], "workload": "smallbank", "arrival": constant(150)}
    outcome, bundles = execute(tmp_path, mapping, heard=heard)
    assert len(bundles) == 2, outcome.problems
    held = set()
    for bundle in bundles:
        (invariant,) = bundle.result.audit.invariants
        assert invariant.status == "held", invariant.detail
        held.add(invariant.detail)
        (trial,) = bundle.result.trials
        counts = trial.counts
        assert counts.planned + trial.reads.issued == 600
        assert counts.dropped == counts.rejected == counts.unresolved == 0
        assert counts.failed == counts.failed_expected
        assert counts.finalized + counts.failed == counts.planned
        assert trial.reads.issued > 50
        assert trial.reads.answered + trial.reads.failed == trial.reads.issued
        assert_only_the_known_race(trial)
        assert 0 < trial.rates.goodput_per_s < 150
        assert verify(bundle.directory) == []
        roles = {resources.process for resources in trial.resources}
        assert {"worker-0", "encoder-0", "observer", "master", bundle.result.ledger.name} <= roles
    assert len(held) == 1
    assert {view.phase.value for view in heard.views} >= {"warm_up", "measure"}


def test_two_workers_with_batches_send_every_index_once(tmp_path: Path):
    mapping = {
        "ledgers": ["anvil"],
        "workload": "transfer",
        "arrival": {"process": "poisson", "rate": 600},
        "load": {"workers": 2, "batch": 20},
    }
    _, (bundle,) = execute(tmp_path, mapping)
    table = bundle.transactions(1)
    (trial,) = bundle.result.trials
    assert len(table) == trial.counts.planned == trial.counts.finalized
    assert pc.count_distinct(table["tx_id"]).as_py() == len(table)
    assert pc.count_distinct(table["worker"]).as_py() == 2
    assert [invariant.status for invariant in bundle.result.audit.invariants] == ["held", "held"]


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_node_that_is_not_ours(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch):
    with anvil_network(tmp_path) as network:
        monkeypatch.setenv("BENCH_FUNDING_KEY", network.funding_key)
        url = network.endpoint if scheme == "http" else network.ws_endpoint
        mapping = {
            "endpoint": {"adapter": "evm", "url": url, "chain_id": 31337},
            "workload": "transfer",
            "arrival": constant(50),
        }
        outcome, (bundle,) = execute(tmp_path, mapping)
    (trial,) = bundle.result.trials
    assert trial.counts.finalized == 200, outcome.problems
    assert not trial.fresh_ledger
    assert not bundle.result.ledger.managed
    everything = "".join(path.read_text(errors="replace") for path in bundle.directory.iterdir())
    assert network.funding_key.removeprefix("0x") not in everything


def test_lost_refused_and_failed_are_counted_where_they_belong(tmp_path: Path):
    options = {
        "block_interval_ms": 100,
        "lose": {"every": 50},
        "refuse": {"every": 20, "error": "rate_limited"},
        "fail": {"every": 25, "error": "reverted"},
    }
    mapping = {
        "ledgers": simulated(**options),
        "workload": "transfer",
        "arrival": constant(250),
        "phases": {"duration": "4s", "warm_up": "1s", "drain": "2s"},
    }
    _, (bundle,) = execute(tmp_path, mapping)
    (trial,) = bundle.result.trials
    counts = trial.counts
    assert counts.planned == counts.submitted == 1000
    assert counts.rejected == 50
    assert 15 <= counts.unresolved <= 20
    assert 30 <= counts.failed <= 40
    assert counts.failed_expected == 0
    assert counts.accepted == counts.committed + counts.failed + counts.unresolved
    assert trial.errors["rate_limited"].count == 50
    assert trial.latency_ms.finality.censored > 0


def test_sequences_are_mended_on_a_ledger_that_enforces_them(tmp_path: Path):
    options = {"block_interval_ms": 100, "sequencing": "account", "refuse": {"every": 30, "error": "pool_full"}}
    mapping = {
        "ledgers": simulated(**options),
        "workload": "transfer",
        "arrival": constant(300),
        "load": {"accounts": 10},
    }
    _, (bundle,) = execute(tmp_path, mapping)
    counts = bundle.result.trials[0].counts
    assert counts.rejected >= 30
    assert counts.unresolved == 0
    assert counts.finalized == counts.accepted
    assert counts.planned == 1200


def test_a_stall_of_the_ledger_shows_in_latency_from_the_intended_time(tmp_path: Path):
    options = {"block_interval_ms": 50, "stalls": [[2.0, 1.0]]}
    mapping = {"ledgers": simulated(**options), "workload": "transfer", "arrival": constant(500)}
    _, (bundle,) = execute(tmp_path, mapping)
    finality = bundle.result.trials[0].latency_ms.finality
    # 1 s of the 3 measured seconds is stalled, so a third of the rows waits for up to 1 s: p90 is 0.7 s of waiting
    assert finality.p50 is not None
    assert finality.p50 < 150
    assert finality.p90 is not None
    assert 550 < finality.p90 < 900
    assert finality.max is not None
    assert 900 < finality.max < 1500


def test_unanswered_sends_are_resolved_by_the_ledger(tmp_path: Path):
    options = {"block_interval_ms": 100, "unanswered": {"every": 40}}
    mapping = {
        "ledgers": simulated(**options),
        "workload": "transfer",
        "arrival": constant(100),
    }
    _, (bundle,) = execute(tmp_path, mapping)
    counts = bundle.result.trials[0].counts
    assert counts.finalized == counts.planned == 400
    accepted = bundle.transactions(1)["accepted_at_ns"]
    assert accepted.null_count == 10


def test_the_in_flight_bound_drops_and_blames_the_ledger(tmp_path: Path):
    options = {"block_interval_ms": 100, "service_rate_per_s": 100}
    mapping = {
        "ledgers": simulated(**options),
        "workload": "transfer",
        "arrival": constant(400),
        "load": {"in_flight": 100},
    }
    outcome, (bundle,) = execute(tmp_path, mapping)
    (trial,) = bundle.result.trials
    assert trial.counts.dropped_by.keys() == {"in_flight_bound"}
    assert trial.counts.dropped > 900
    assert 85 < trial.rates.goodput_per_s < 115
    assert not any("drop" in reason for reason in trial.verdict.reasons)
    assert outcome.problems == []


def test_confirmations_separate_commit_from_finality(tmp_path: Path):
    mapping = {
        "ledgers": simulated(block_interval_ms=200, confirmations=3),
        "workload": "transfer",
        "arrival": constant(100),
    }
    _, (bundle,) = execute(tmp_path, mapping)
    latency = bundle.result.trials[0].latency_ms
    assert latency.commit.p50 is not None
    assert latency.finality.p50 is not None
    assert 500 < latency.finality.p50 - latency.commit.p50 < 700
    assert bundle.result.ledger.finality.confirmations == 3


def test_a_transaction_the_node_forgot_is_sent_again_before_its_account_waits_for_ever(tmp_path: Path):
    options = {"block_interval_ms": 100, "sequencing": "account", "lose": {"every": 200}}
    mapping = {
        "ledgers": simulated(**options),
        "workload": "transfer",
        "arrival": constant(100),
        "phases": {"duration": "8s", "warm_up": "1s", "drain": "30s"},
        "load": {"accounts": 20},
    }
    _, (bundle,) = execute(tmp_path, mapping)
    counts = bundle.result.trials[0].counts
    assert counts.unresolved == 0
    assert counts.finalized == counts.accepted
    assert [invariant.status for invariant in bundle.result.audit.invariants] == ["held", "not checked"]
