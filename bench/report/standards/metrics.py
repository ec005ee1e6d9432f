"""One function per metric of `standards.yaml`: from a run to a finding.

Rates and latencies are of the measure phase, counts of the whole trial, as everywhere (`docs/measurement.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.measure.efficiency import HARNESS, NETWORK
from bench.model.result import Efficiency, ProcessResources, Trial
from bench.report import format as fmt
from bench.report.standards import latency_metrics
from bench.report.standards.catalogue import MetricEntry, Source, Unit
from bench.report.standards.evidence import Evidence, Run, ledger_processes, measured_length_s
from bench.report.standards.readings import Finding, Known, Reading, exactly, not_measured, over_trials
from bench.scenario.presets import PRESSURE

_NOT_OURS = not_measured(
    "the node is not ours, so its processes were not watched",
    "run on a ledger that this product starts, or read the node's own monitoring for the time of the run",
)
_TOO_SHORT = not_measured(
    "no sample of the ledger's processes fell into the measure phase",
    "use a longer duration; a sample is taken a second",
)


def finding(source: Source, entry: MetricEntry, run: Run | None, evidence: Evidence) -> Finding:
    """What became of one metric in one test; `run` is None where the test was not run."""
    if run is None:
        return not_measured(
            "this test was not run", f"bench.py run SCENARIO.yaml --preset {source.key} runs all of them"
        )
    if not run.trials:
        return not_measured("no trial was completed", "see the run's own report for the reason; run again")
    if entry.key == "load_share":
        return load_share(run, evidence)
    if entry.key in _LATENCIES:
        return _LATENCIES[entry.key](source, entry, run)
    return _PLAIN[entry.key](run)


def success_share(trial: Trial) -> float:
    """Valid and final ones of those that were sent. 0 where nothing was sent."""
    return trial.counts.finalized / trial.counts.submitted if trial.counts.submitted else 0.0


def read_throughput(run: Run) -> Finding:
    """Reads answered per second."""
    reads = [trial.reads for trial in run.trials]
    if not sum(one.issued for one in reads):
        return latency_metrics.no_reads()
    notes = [f"{fmt.count(sum(one.answered for one in reads))} of {fmt.count(sum(one.issued for one in reads))} reads "]
    notes[0] += "were answered, warm-up included."
    if dropped := sum(one.dropped for one in reads):
        notes.append(f"{fmt.count(dropped)} more were due and never sent.")
    value = over_trials("", "rate", exactly([found.answered_per_s for found in run.samples]))
    return Finding(value, notes=tuple(notes))


def transaction_throughput(run: Run) -> Finding:
    """Goodput; what was invalid is not in it and is named."""
    counts = run.counts
    invalid = counts.failed - counts.failed_expected
    notes = [f"Not in it, warm-up included: {fmt.counted(invalid, 'transaction')} that failed"]
    notes[0] += (
        f", {fmt.count(counts.failed_expected)} refused as the workload asks." if counts.failed_expected else "."
    )
    offered = _rate(run, lambda trial: trial.rates.offered_per_s, "offered")
    value = _rate(run, lambda trial: trial.rates.goodput_per_s)
    beside = [offered]
    if counts.failed_expected:
        beside.append(_rate(run, lambda trial: trial.rates.expected_refusals_per_s, "expected refusals"))
    return Finding(value, beside=tuple(beside), notes=tuple(notes))


def received_rate(run: Run) -> Finding:
    """Accepted per second, with what was sent beside it."""
    value = _rate(run, lambda trial: trial.rates.accepted_per_s)
    return Finding(value, beside=(_rate(run, lambda trial: trial.rates.submitted_per_s, "sent"),))


def success_rate(run: Run) -> Finding:
    """Valid final ÷ submitted, per trial, with what it leaves out."""
    counts = run.counts
    notes = [f"{fmt.count(counts.finalized)} valid and final of {fmt.count(counts.submitted)} sent, all trials."]
    beside = []
    if counts.failed_expected:
        served = [_part(t.counts.finalized + t.counts.failed_expected, t.counts.submitted) for t in run.trials]
        beside.append(over_trials("expected refusals counted as served", "share", exactly(served)))
        notes.append(f"{fmt.count(counts.failed_expected)} refused as the workload asks: no success here.")
    if counts.dropped:
        planned = [_part(trial.counts.finalized, trial.counts.planned) for trial in run.trials]
        beside.append(over_trials("of what was planned", "share", exactly(planned)))
        notes.append(f"{fmt.count(counts.dropped)} more were due and never sent ({fmt.per_kind(counts.dropped_by)}).")
    per_trial = [success_share(trial) for trial in run.trials]
    value = over_trials("", "share", exactly(per_trial))
    return Finding(value, beside=tuple(beside), notes=tuple(notes), per_trial=tuple(per_trial))


def send_to_commit(run: Run) -> Finding:
    """Sent per second ÷ committed per second; infinite where nothing was committed."""
    ratios = [_ratio(trial.rates.submitted_per_s, trial.rates.goodput_per_s) for trial in run.trials]
    beside = (
        _rate(run, lambda trial: trial.rates.submitted_per_s, "sent"),
        _rate(run, lambda trial: trial.rates.goodput_per_s, "committed"),
    )
    notes = () if all(trial.rates.goodput_per_s for trial in run.trials) else ("In a trial nothing was committed.",)
    return Finding(over_trials("", "ratio", exactly(ratios)), beside=beside, notes=notes, per_trial=tuple(ratios))


def load_share(run: Run, evidence: Evidence) -> Finding:
    """Offered load as a share of that of the pressure test."""
    pressure = evidence.of(PRESSURE)
    reference = _rate(pressure, lambda trial: trial.rates.offered_per_s, "offered under pressure") if pressure else None
    if reference is None or not reference.value:
        return not_measured("the load of the pressure test is not known", "give its bundle too")
    shares = [trial.rates.offered_per_s / reference.value for trial in run.trials]
    beside = (
        _rate(run, lambda trial: trial.rates.offered_per_s, "offered here"),
        reference,
        over_trials("measured for", "seconds", exactly([measured_length_s(trial) for trial in run.trials])),
    )
    return Finding(over_trials("", "share", exactly(shares)), beside=beside, per_trial=tuple(shares))


def processor(run: Run) -> Finding:
    """CPU of all processes of the ledger."""
    return _watched(run, "cpu", lambda parts, _: sum(part.cpu_percent_mean for part in parts))


def memory(run: Run) -> Finding:
    """Peaks of the ledger's processes added up."""
    return _watched(run, "bytes", lambda parts, _: float(sum(part.rss_bytes_max for part in parts)))


def disk(run: Run) -> Finding:
    """Bytes per second that the ledger's processes wrote to storage, and read."""
    parts = [part for trial in run.trials for part in ledger_processes(trial)]
    if any(part.write_bytes < 0 or part.read_bytes < 0 for part in parts):
        return not_measured("the system does not tell the storage traffic of the node", "run on Linux, as its owner")
    written = _watched(
        run, "bytes per second", lambda parts, length_s: sum(part.write_bytes for part in parts) / length_s
    )
    read = _watched(run, "bytes per second", lambda parts, length_s: sum(part.read_bytes for part in parts) / length_s)
    return written if read.value is None else replace(written, beside=(replace(read.value, label="read"),))


def network(run: Run) -> Finding:
    """Not of the nodes; what our client sent is told where it was counted."""
    missing = not_measured(
        "bytes that the nodes send and receive are not counted",
        "read the counters of the nodes' network interfaces before and after the run",
    )
    sent = _efficiency(run, "sent_bytes_per_tx", HARNESS)
    if sent is None:
        return missing
    beside = over_trials("requests of our client", "bytes per transaction", exactly(sent))
    return Finding(missing=missing.missing, beside=(beside,))


def deployment_time(run: Run) -> Finding:
    """How long the ledger took to come up."""
    if not run.result.ledger.managed:
        return not_measured("the node was running before and is not ours", "run on a ledger that this product starts")
    up = [trial.setup_s.get("ledger_up") for trial in run.trials]
    known = [value for value in up if value is not None]
    if len(known) < len(up):
        return not_measured("the bundle does not say how long the ledger took to start", "run again with this version")
    prepared = [trial.setup_s["prepare"] for trial in run.trials if "prepare" in trial.setup_s]
    whole = len(prepared) == len(up)
    beside = (over_trials("accounts and contracts", "seconds", exactly(prepared)),) if whole else ()
    return Finding(over_trials("", "seconds", exactly(known)), beside=beside)


def node_synchronisation(run: Run) -> Finding:
    """Nothing joins during a run."""
    del run
    return not_measured(
        "no node joins during a run",
        "start a further node of the same network after a run, and time it until its height is that of the others",
    )


def ledger_growth(run: Run) -> Finding:
    """Bytes of storage per valid transaction of the trial; bytes of blocks beside it."""
    grown, blocks = _efficiency(run, "disk_growth_bytes_per_tx"), _efficiency(run, "block_bytes_per_tx")
    unit: Unit = "bytes per transaction"
    beside = (over_trials("in blocks, as the ledger tells their size", unit, exactly(blocks)),) if blocks else ()
    if grown is not None:
        return Finding(over_trials("", unit, exactly(grown)), beside=beside)
    missing = not_measured(
        "the growth of the ledger's data directory was not recorded",
        "use a ledger that keeps its data on disk and that this product starts, and a bundle of this version",
    )
    return Finding(missing=missing.missing, beside=beside)


def _watched(run: Run, unit: Unit, of: Callable[[Sequence[ProcessResources], float], float]) -> Finding:
    if not run.result.ledger.managed:
        return _NOT_OURS
    by_trial = [(ledger_processes(trial), measured_length_s(trial)) for trial in run.trials]
    if not all(parts and length_s > 0 for parts, length_s in by_trial):
        return _TOO_SHORT
    value = over_trials("", unit, exactly([of(parts, length_s) for parts, length_s in by_trial]))
    processes = sorted({part.process for parts, _ in by_trial for part in parts})
    return Finding(value, notes=(f"Processes of the ledger: {', '.join(processes)}.",))


def _efficiency(run: Run, key: str, node: str = NETWORK) -> list[float] | None:
    """The figure of every trial, of all the ledger's nodes together or of ours; None unless all have it."""
    found = []
    for trial in run.trials:
        row: Efficiency | None = next((part for part in trial.efficiency if part.node == node), None)
        value: float | None = getattr(row, key) if row else None
        if value is None:
            return None
        found.append(value)
    return found


def _rate(run: Run, of: Callable[[Trial], float], label: str = "") -> Reading:
    return over_trials(label, "rate", [Known(of(trial)) for trial in run.trials])


def _part(some: int, whole: int) -> float:
    return some / whole if whole else 0.0


def _ratio(sent: float, committed: float) -> float:
    return sent / committed if committed else float("inf")


_LATENCIES = {
    "transaction_latency": latency_metrics.transaction_latency,
    "highest_transaction_latency": latency_metrics.highest_transaction_latency,
    "read_latency": latency_metrics.read_latency,
}
_PLAIN: dict[str, Callable[[Run], Finding]] = {
    function.__name__: function
    for function in (
        read_throughput,
        transaction_throughput,
        received_rate,
        success_rate,
        send_to_commit,
        processor,
        memory,
        disk,
        network,
        deployment_time,
        node_synchronisation,
        ledger_growth,
    )
}
KEYS = frozenset({*_LATENCIES, *_PLAIN, "load_share"})
"""Metrics that a source may name."""
