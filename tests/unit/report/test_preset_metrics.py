"""The values of metrics: from rows with known answers, from counts made by hand, or missing with a reason."""

from __future__ import annotations

import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pyarrow as pa
import pytest

from bench.bundle.reader import Bundle, read_bundle
from bench.model.result import Efficiency, PhasePart, Trial
from bench.report.standards import metrics
from bench.report.standards.catalogue import sources
from bench.report.standards.evidence import Evidence, Run
from bench.report.standards.readings import Finding, Known, extreme, in_unit, over_trials, share
from bench.report.standards.samples import trial_samples
from tests.support.bundles import synthetic_bundle
from tests.support.presets import Made, made_run, process

MS = 1_000_000
SAMPLES = sorted(path.parent for path in (Path(__file__).resolve().parents[3] / "results/sample").glob("*/result.json"))


def rows(*given: tuple[str, str, int, int | None, int | None, int | None]) -> Bundle:
    """A bundle of such rows: (kind, outcome, intended, submitted, accepted, finalized), times in ms."""
    columns = list(zip(*given, strict=True))

    def stamps(values: tuple[int | None, ...]) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array([None if value is None else value * MS for value in values], pa.int64())])

    found = {
        "kind": pa.chunked_array([pa.array(columns[0]).dictionary_encode()]),
        "outcome": pa.chunked_array([pa.array(columns[1]).dictionary_encode()]),
        "intended_at_ns": stamps(columns[2]),
        "submitted_at_ns": stamps(columns[3]),
        "accepted_at_ns": stamps(columns[4]),
        "committed_at_ns": stamps(columns[5]),
        "finalized_at_ns": stamps(columns[5]),
    }
    return cast(Bundle, SimpleNamespace(transactions=lambda trial, names: {name: found[name] for name in names}))


def trial(*spans: tuple[str, float, float]) -> Trial:
    phases = [PhasePart(phase=name, start_s=start, end_s=end) for name, start, end in spans]
    return cast(Trial, SimpleNamespace(trial=1, phases=phases))


ONE_SECOND = trial(("warm_up", 0.0, 1.0), ("measure", 1.0, 2.0), ("drain", 2.0, 5.0))


class TestSamples:
    def test_latencies_are_of_what_was_due_in_the_measure_phase(self) -> None:
        found = trial_samples(
            rows(
                ("write", "finalized", 900, 901, 902, 9_000),  # due in the warm-up
                ("write", "finalized", 1000, 1010, 1020, 1200),
                ("write", "finalized", 1999, 2000, 2001, 2399),  # due inside, final in the drain
                ("write", "finalized", 2000, 2001, 2002, 2003),  # due in the drain
                ("write", "failed", 1500, 1501, 1502, 1503),
                ("write", "failed_expected", 1500, 1501, 1502, 1503),
                ("write", "rejected", 1500, 1501, None, None),
                ("write", "dropped", 1500, None, None, None),
            ),
            ONE_SECOND,
        )
        due, sent = found.final_from_due, found.final_from_sending
        assert (due.percentiles.count, due.low, due.percentiles.max, due.percentiles.mean) == (2, 200, 400, 300)
        assert (sent.low, sent.percentiles.max, sent.percentiles.mean) == (190, 399, 294.5)
        assert due.std == pytest.approx(statistics.stdev([200, 400]))
        assert found.committed_from_due == due

    def test_what_never_finished_bounds_and_is_not_left_out(self) -> None:
        found = trial_samples(
            rows(
                ("write", "finalized", 1000, 1000, 1001, 1100),
                ("write", "unresolved", 1500, 1600, None, None),
                ("write", "committed", 1700, 1700, 1701, 1800),
            ),
            ONE_SECOND,
        )
        final = found.final_from_due
        assert (final.percentiles.count, final.percentiles.censored) == (3, 2)
        assert (final.low, final.std, final.percentiles.max) == (100, None, None)
        assert final.percentiles.lower_bound["max"] == 3500  # until waiting ended at 5 s
        assert found.final_from_sending.percentiles.lower_bound["max"] == 3400
        assert (found.committed_from_due.percentiles.count, found.committed_from_due.percentiles.censored) == (3, 1)

    def test_the_lowest_is_unknown_where_an_unfinished_one_may_have_been_faster(self) -> None:
        found = trial_samples(
            rows(("write", "finalized", 1000, 1000, 1, 4900), ("write", "unresolved", 1999, 1999, 1, None)), ONE_SECOND
        )
        assert found.final_from_due.low is None

    def test_reads_are_apart(self) -> None:
        found = trial_samples(
            rows(
                ("read", "answered", 1100, 1102, 1110, None),
                ("read", "answered", 990, 991, 1000, None),  # due before, answered inside
                ("read", "answered", 1990, 1991, 2000, None),  # due inside, answered after
                ("read", "read_failed", 1200, 1201, 1202, None),
                ("write", "finalized", 1100, 1100, 1101, 1900),
            ),
            ONE_SECOND,
        )
        assert found.answered_per_s == 2.0
        assert (found.read_from_due.percentiles.count, found.read_from_due.percentiles.mean) == (2, 10)
        assert found.read_from_sending.percentiles.mean == 8.5

    @pytest.mark.parametrize("directory", SAMPLES, ids=lambda path: path.name)
    def test_averages_from_the_due_time_are_those_of_the_result(self, directory: Path) -> None:
        bundle = read_bundle(directory)
        (one,) = bundle.result.trials
        found = trial_samples(bundle, one)
        assert found.final_from_due.percentiles == one.latency_ms.finality
        assert found.committed_from_due.percentiles == one.latency_ms.commit
        assert found.read_from_due.percentiles == one.reads.latency_ms

    def test_and_those_from_sending_too(self, tmp_path: Path) -> None:
        bundle = read_bundle(synthetic_bundle(tmp_path / "run", trials=1, seconds=10))
        (one,) = bundle.result.trials
        assert one.counts.unresolved
        assert one.latency_from_send_ms is not None
        assert trial_samples(bundle, one).final_from_sending.percentiles == one.latency_from_send_ms.finality


class TestReadings:
    def test_five_trials_have_an_interval(self) -> None:
        found = over_trials("", "rate", [Known(value) for value in (3.0, 1.0, 2.0, 5.0, 4.0)])
        assert (found.value, found.ci_low, found.ci_high, found.confidence) == (3.0, 1.0, 5.0, 0.9375)
        assert found.interval == "1\u00a0/s to 5\u00a0/s, 93.8\u00a0% confidence"

    def test_four_have_none(self) -> None:
        assert over_trials("", "rate", [Known(1.0)] * 4).interval == "4 trials: no interval"

    def test_a_trial_without_a_value_takes_it_from_the_run(self) -> None:
        found = over_trials("", "milliseconds", [Known(1.0), Known(None), Known(3.0)])
        assert (found.value, found.text, found.interval) == (None, "—", "too few samples to say")

    def test_a_lower_bound_makes_the_median_one(self) -> None:
        found = over_trials("", "milliseconds", [Known(10.0), Known(30.0, at_least=True), Known(20.0)])
        assert (found.text, found.interval) == ("≥\u00a020\u00a0ms", "some never finished: a lower limit")

    def test_extremes_are_of_all_trials(self) -> None:
        values = [Known(10.0), Known(30.0), Known(20.0)]
        assert extreme("", "milliseconds", values, highest=True).text == "30\u00a0ms"
        assert extreme("", "milliseconds", values, highest=False).interval == "lowest in 3 trials"
        assert extreme("", "milliseconds", [*values, Known(None)], highest=True).value is None
        bounded = [*values, Known(5.0, at_least=True)]
        assert extreme("", "milliseconds", bounded, highest=True).at_least

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (1.0, "100"),
            (0.0, "0"),
            (0.95, "95"),
            (0.123456, "12.35"),
            (0.999999, "99.99"),
            (0.00001, "< 0.01"),
            (2, "200"),
        ],
    )
    def test_a_share_is_100_only_when_it_is(self, value: float, text: str) -> None:
        assert share(value) == f"{text}\u00a0%"

    def test_units(self) -> None:
        assert in_unit(2_000.0, "bytes per second") == "2\u00a0kB/s"
        assert in_unit(180.0, "bytes per transaction") == "180\u00a0B per tx"
        assert in_unit(None, "rate") == "—"


def found(preset: str, key: str, run: Run) -> Finding:
    source = sources()[preset]
    entry = next(metric for metric in source.metrics if metric.key == key)
    return metrics.finding(source, entry, run, Evidence((run,)))


class TestCounts:
    def test_success_of_several_trials(self) -> None:
        run = made_run(Made(finalized=900, refused=50), Made(submitted=500, finalized=500, planned=1000))
        rate = found("itu", "success_rate", run)
        assert rate.per_trial == (0.9, 1.0)
        assert rate.value is not None
        assert rate.value.value == 0.95
        served, planned = rate.beside
        assert (served.label, served.value) == ("expected refusals counted as served", 0.975)
        assert (planned.label, planned.value) == ("of what was planned", 0.7)
        assert rate.notes == (
            "1,400 valid and final of 1,500 sent, all trials.",
            "50 refused as the workload asks: no success here.",
            "500 more were due and never sent (in flight bound 500).",
        )

    def test_nothing_sent_is_no_success(self) -> None:
        assert found("itu", "success_rate", made_run(Made(submitted=0, finalized=0, planned=5))).per_trial == (0.0,)

    def test_throughput_leaves_invalid_ones_out_and_counts_them(self) -> None:
        rate = found("pswg", "transaction_throughput", made_run(Made(finalized=900, refused=60, goodput_per_s=90.0)))
        assert rate.value is not None
        assert rate.value.value == 90.0
        assert rate.notes == (
            "Not in it, warm-up included: 40 transactions that failed, 60 refused as the workload asks.",
        )

    def test_where_nothing_was_committed_there_is_no_ratio(self) -> None:
        ratio = found("caict", "send_to_commit", made_run(Made(), Made(goodput_per_s=0.0)))
        assert ratio.value is not None
        assert (ratio.value.text, ratio.value.interval) == ("—", "not known")
        assert ratio.per_trial == (1.0, float("inf"))

    @pytest.mark.parametrize("key", ["read_latency", "read_throughput"])
    def test_a_workload_without_reads_says_so(self, key: str) -> None:
        missing = found("pswg", key, made_run()).missing
        assert missing is not None
        assert (missing.reason, "smallbank" in missing.remedy) == ("the workload sent no reads", True)


class TestResources:
    def test_the_processes_of_the_ledger_are_added_up(self) -> None:
        parts = [process(40.0, 100, 5_000, "node-0"), process(20.0, 300, 1_000, "node-1", read=70)]
        run = made_run(Made(resources=parts))
        values = {key: found("caict", key, run).value for key in ("processor", "memory", "disk")}
        assert {key: value.value for key, value in values.items() if value} == {
            "processor": 60.0,
            "memory": 400.0,
            "disk": 600.0,  # 6,000 bytes in 10 s
        }
        assert [reading.value for reading in found("caict", "disk", run).beside] == [7.0]

    def test_what_the_system_does_not_tell_is_not_zero(self) -> None:
        missing = found("caict", "disk", made_run(Made(resources=[process(1.0, written=-1)]))).missing
        assert missing is not None
        assert "does not tell" in missing.reason

    @pytest.mark.parametrize("key", ["processor", "memory", "disk"])
    @pytest.mark.parametrize(("managed", "reason"), [(True, "no sample"), (False, "not ours")])
    def test_what_was_not_watched_is_not_measured(self, key: str, managed: bool, reason: str) -> None:
        missing = found("caict", key, made_run(managed=managed)).missing
        assert missing is not None
        assert reason in missing.reason

    def test_the_network_is_never_measured_but_our_own_part_is_told(self) -> None:
        sent = Efficiency(node="harness", sent_bytes_per_tx=44.0)
        network = found("caict", "network", made_run(Made(efficiency=[sent])))
        assert network.missing is not None
        assert [(reading.label, reading.value) for reading in network.beside] == [("requests of our client", 44.0)]
        assert found("caict", "network", made_run()).beside == ()


class TestOperation:
    def test_deployment_time_is_that_of_the_ledger_alone(self) -> None:
        trials = [Made(setup_s={"ledger_up": up, "prepare": 9.0}) for up in (1.0, 3.0, 2.0)]
        time = found("jrt0193", "deployment_time", made_run(*trials))
        assert time.value is not None
        assert (time.value.value, time.beside[0].label, time.beside[0].value) == (2.0, "accounts and contracts", 9.0)

    @pytest.mark.parametrize(("managed", "reason"), [(True, "does not say"), (False, "running before")])
    def test_or_is_missing(self, managed: bool, reason: str) -> None:
        missing = found("jrt0193", "deployment_time", made_run(managed=managed)).missing
        assert missing is not None
        assert reason in missing.reason

    def test_growth_is_of_the_whole_network(self) -> None:
        parts = [
            Efficiency(node="node-0", disk_growth_bytes_per_tx=1.0),
            Efficiency(node="network", disk_growth_bytes_per_tx=900.0, block_bytes_per_tx=180.0),
        ]
        growth = found("jrt0193", "ledger_growth", made_run(Made(efficiency=parts)))
        assert growth.value is not None
        assert (growth.value.value, growth.beside[0].value) == (900.0, 180.0)

    def test_growth_that_one_trial_lacks_is_missing(self) -> None:
        known = Made(efficiency=[Efficiency(node="network", disk_growth_bytes_per_tx=900.0)])
        unknown = Made(efficiency=[Efficiency(node="network")])
        assert found("jrt0193", "ledger_growth", made_run(known, unknown)).missing is not None

    def test_no_node_joins(self) -> None:
        missing = found("jrt0193", "node_synchronisation", made_run()).missing
        assert missing is not None
        assert missing.remedy
