"""A real run, scraped over HTTP once a second: what was shown is what the bundle says."""

import json
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics

from bench.bundle.reader import read_bundle
from bench.model.result import Result, Trial
from bench.run.coordinator import RunOptions, run
from bench.scenario.loader import scenario_from_mapping
from bench.telemetry.metrics import METRICS, RUN_LABELS
from bench.telemetry.server import serving
from tests.support.runs import Quiet
from tests.support.scrapes import Scraper, by_label, counts_only, get, parsed, total

pytestmark = pytest.mark.live

ABSENT = {
    *("bench_block_gas_total", "bench_block_bytes_total", "bench_result_capacity_per_second"),
    "bench_node_expected",
}
"""What the first run has not: the ledger tells neither gas nor sizes, and nothing was searched."""


def watched_run(tmp_path: Path, mapping: dict) -> tuple[list[Result], list[dict], str]:
    base = {"name": "t", "phases": {"duration": "4s", "warm_up": "1s", "drain": "10s"}, "trials": 1}
    scenario = scenario_from_mapping({**base, **mapping}, [])
    with serving() as server:
        options = RunOptions(tmp_path / "out", ["test"], lambda _: None, watchers=server.watchers)
        with Scraper(f"{server.url}metrics") as scraper:
            outcome = run(scenario, options, Quiet())
            server.linger(3)
        last = get(f"{server.url}metrics").decode()
    assert outcome.problems == []
    return [read_bundle(path).result for path in outcome.bundles], scraper.scrapes, last


def assert_agrees(values: dict, result: Result) -> None:
    """Every count of the bundle, over its trials, is what the counters ended at."""
    run_id = result.run_id

    def sums(name: str) -> int:
        return sum(getattr(trial.counts, name) for trial in result.trials)

    for metric, name in (
        ("operations_planned", "planned"),
        ("submitted", "submitted"),
        ("accepted", "accepted"),
        ("rejected", "rejected"),
        ("committed", "committed"),
        ("finalized", "finalized"),
        ("failed", "failed"),
        ("failed_expected", "failed_expected"),
        ("unresolved", "unresolved"),
        ("dropped", "dropped"),
        ("fillers", "fillers"),
    ):
        assert total(values, f"bench_{metric}_total", run_id=run_id) == sums(name), metric
    assert total(values, "bench_finality_latency_seconds_count", run_id=run_id) == sums("finalized")
    assert total(values, "bench_commit_latency_seconds_count", run_id=run_id) == sums("committed")
    for kind in ("issued", "answered", "failed"):
        expected = sum(getattr(trial.reads, kind) for trial in result.trials)
        assert total(values, f"bench_reads_{kind}_total", run_id=run_id) == expected, kind
    assert_errors_agree(values, result.trials, run_id)


def assert_errors_agree(values: dict, trials: list[Trial], run_id: str) -> None:
    expected: dict[str, int] = {}
    for trial in trials:
        for key, part in trial.errors.items():
            name = key.partition("/")[0]
            expected[name] = expected.get(name, 0) + part.count
    of_run = {series: value for series, value in values.items() if dict(series[1])["run_id"] == run_id}
    shown = {name: count for name, count in by_label(of_run, "bench_errors_total", "error_class").items() if count}
    assert shown == expected


def test_counters_end_at_the_bundles_counts_and_never_go_back(tmp_path: Path):
    """Two trials on two workers, with writes that fail, writes refused on purpose, and reads."""
    (result,), scrapes, last = watched_run(
        tmp_path,
        {
            "workload": "smallbank",
            "trials": 2,
            "ledgers": ["sqlite"],
            "arrival": {"process": "constant", "rate": 200},
            "load": {"workers": 2},
            "slo": {"finality_p99": "2s"},
        },
    )
    values = parsed(last)
    assert_agrees(values, result)
    assert total(values, "bench_committed_total") > 1000
    assert total(values, "bench_block_transactions_total", own="no") == 0
    assert len(scrapes) >= 6
    for before, after in pairwise([*scrapes, values]):
        for series, value in counts_only(before).items():
            assert after[series] >= value, series
    assert_every_declared_metric_is_there(last)


def assert_every_declared_metric_is_there(text: str) -> None:
    described = dict(line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    labels: dict[str, set[frozenset[str]]] = {}
    for name, own in parsed(text):
        family = name
        for suffix in ("_bucket", "_count", "_sum"):
            if name.removesuffix(suffix) in described:
                family = name.removesuffix(suffix)
        labels.setdefault(family, set()).add(frozenset(dict(own)) - {"le"})
    assert described == {metric.name: metric.kind.value for metric in METRICS if metric.name not in ABSENT}
    for metric in METRICS:
        if metric.name not in ABSENT:
            assert labels[metric.name] == {frozenset((*RUN_LABELS, *metric.labels))}, metric.name


def test_counts_agree_on_a_ledger_that_refuses_loses_fails_and_leaves_unanswered(tmp_path: Path):
    options = {
        "block_interval_ms": 150,
        "confirmations": 2,
        "sequencing": "account",
        "refuse": {"every": 11},
        "lose": {"every": 13},
        "fail": {"every": 7},
        "unanswered": {"every": 17},
    }
    (result,), _, last = watched_run(
        tmp_path,
        {
            "workload": "transfer",
            "ledgers": [{"name": "simulated", "options": options}],
            "arrival": {"process": "poisson", "rate": 150},
            "load": {"workers": 2, "in_flight": 120},
            "phases": {"duration": "4s", "warm_up": "1s", "drain": "2s"},
        },
    )
    counts = result.trials[0].counts
    assert min(counts.rejected, counts.failed, counts.unresolved) > 0
    assert_agrees(parsed(last), result)


def test_two_ledgers_of_one_run_are_told_apart_and_both_remain(tmp_path: Path):
    results, _, last = watched_run(
        tmp_path,
        {
            "workload": "transfer",
            "phases": {"duration": "2s", "warm_up": "0s", "drain": "5s"},
            "ledgers": ["simulated", "sqlite"],
            "arrival": {"process": "constant", "rate": 100},
        },
    )
    values = parsed(last)
    assert {result.ledger.name for result in results} == {"simulated", "sqlite"}
    for result in results:
        assert_agrees(values, result)
        own = {"run_id": result.run_id, "ledger": result.ledger.name, "workload": "transfer"}
        assert total(values, "bench_phase", phase="done", **own) == 1
        status = result.summary.verdict.status
        assert total(values, "bench_result_verdict", status=status, **own) == 1
        goodput = result.summary.goodput_per_s.median
        assert total(values, "bench_result_goodput_per_second", bound="median", **own) == pytest.approx(goodput)


def test_what_else_is_served(tmp_path: Path):
    with serving() as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert not server.open_to_others
        assert b"<!doctype html" in get(server.url).lower()
        assert json.loads(get(f"{server.url}api/live.json"))["run"] is None
        strict = get(f"{server.url}metrics", "application/openmetrics-text; version=1.0.0").decode()
        assert list(openmetrics.text_string_to_metric_families(strict)) == []
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{server.url}etc/passwd")
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(urllib.request.Request(f"{server.url}metrics", b"", method="POST"), timeout=5)
