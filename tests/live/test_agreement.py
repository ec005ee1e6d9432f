"""What a real Prometheus saw of a run, against the bundle of that run: counts, goodput, and the 99th percentile."""

import json
import time
from bisect import bisect_left
from datetime import datetime
from pathlib import Path

import pytest

from bench.bundle.reader import Bundle, read_bundle
from bench.model.buckets import LATENCY_BUCKETS_NS
from bench.run.coordinator import RunOptions, run
from bench.scenario.loader import scenario_from_mapping
from bench.telemetry.query import PrometheusApi
from bench.telemetry.server import serving
from tests.support.prometheus import prometheus
from tests.support.runs import Quiet

pytestmark = pytest.mark.live

LEDGERS = {
    "anvil": {"name": "anvil"},
    "simulated": {
        "name": "simulated",
        "options": {
            "block_interval_ms": 100,
            "commit_latency": {"distribution": "lognormal", "median_ms": 150, "sigma": 0.5},
        },
    },
}


def watched(tmp_path: Path, ledger: str) -> tuple[Bundle, dict[str, float]]:
    """The bundle, and what Prometheus answers after the run."""
    scenario = scenario_from_mapping(
        {
            "name": "agreement",
            "ledgers": [LEDGERS[ledger]],
            "workload": "transfer",
            "arrival": {"process": "constant", "rate": 200},
            "phases": {"duration": "24s", "warm_up": "3s", "drain": "10s"},
            "trials": 1,
        },
        [],
    )
    with serving() as server, prometheus(tmp_path, [f"127.0.0.1:{server.port}"], rules=False) as api:
        options = RunOptions(tmp_path / "out", ["test"], lambda _: None, watchers=server.watchers)
        outcome = run(scenario, options, Quiet())
        assert outcome.problems == []
        bundle = read_bundle(outcome.bundles[0])
        time.sleep(2.5)  # two scrapes more
        return bundle, answers(api, bundle)


def answers(api: PrometheusApi, bundle: Bundle) -> dict[str, float]:
    of_run = f'run_id="{bundle.result.run_id}"'
    begin, end = measure_phase(bundle)

    def one(query: str, at_s: float | None = None) -> float:
        (sample,) = api.instant(query, at_s)
        return float(sample.value)

    counts = {
        name: one(f"sum(bench_{name}_total{{{of_run}}})")
        for name in ("operations_planned", "submitted", "accepted", "committed", "finalized", "failed", "dropped")
    }
    length = int(end - begin) - 1
    return counts | {
        "goodput": one(f"sum(deriv(bench_finalized_total{{{of_run}}}[{length}s]))", end),
        "p99_s": one(
            f"histogram_quantile(0.99, sum by (le) (increase(bench_finality_latency_seconds_bucket{{{of_run}}}[60s])))"
        ),
    }


def measure_phase(bundle: Bundle) -> tuple[float, float]:
    """Its beginning and end on the wall clock, which is Prometheus' own."""
    lines = (bundle.directory / "events.jsonl").read_text().splitlines()
    event = next(item for item in map(json.loads, lines) if item["event"] == "phase" and item["detail"] == "measure")
    begin = datetime.fromisoformat(event["at"]).timestamp()
    return begin, begin + (event["data"]["end_ns"] - event["at_ns"]) / 1e9


def bucket_of(latency_s: float) -> int:
    return bisect_left(LATENCY_BUCKETS_NS, latency_s * 1e9)


@pytest.mark.parametrize("ledger", LEDGERS)
def test_prometheus_and_the_bundle_agree(tmp_path: Path, ledger: str):
    bundle, seen = watched(tmp_path, ledger)
    (trial,) = bundle.result.trials
    for name in ("submitted", "accepted", "committed", "finalized", "failed", "dropped"):
        assert seen[name] == getattr(trial.counts, name), name
    assert seen["operations_planned"] == trial.counts.planned
    assert seen["goodput"] == pytest.approx(trial.rates.goodput_per_s, rel=0.01)
    p99_ms = trial.latency_ms.finality.p99
    assert p99_ms is not None
    assert abs(bucket_of(seen["p99_s"]) - bucket_of(p99_ms / 1000)) <= 1
