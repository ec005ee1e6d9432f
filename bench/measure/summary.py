"""One trial, from its rows to the part of `result.json` that stands for it."""

from __future__ import annotations

import numpy as np

from bench.measure.counts import Completeness, completeness, count_reads, count_writes
from bench.measure.drift import RISING, Course, drift
from bench.measure.efficiency import efficiency, reads_share_it
from bench.measure.errors import errors
from bench.measure.inputs import TrialInput
from bench.measure.latencies import MeasuredRows, latencies, latencies_from_send
from bench.measure.rates import rates
from bench.measure.verdict import Evidence, judge
from bench.measure.warm_up import NOT_STEADY
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.operation import Kind
from bench.model.phase import Outcome
from bench.model.result import BlocksPart, Drift, OperationPart, Percentiles, PhasePart, Rates, Reads, Trial
from bench.model.transaction import ErrorClass

CARRIED_OVER = 1.05
"""How far goodput may exceed the offered load before the report says why."""


def summarise(trial: TrialInput) -> Trial:
    """The trial's counts (all planned operations), rates and latencies (measure phase), and verdict."""
    measured = MeasuredRows.of(trial)
    complete: Completeness = completeness(trial.rows, trial.planned)
    counts = count_writes(trial.rows, trial.planned, trial.fillers, trial.unmatched_commits)
    reads = count_reads(trial.rows)
    rate, rate_note = rates(trial)
    latency = latencies(measured)
    course = drift(Course.of(measured, trial.seed), rate.offered_per_s)
    judgement = judge(Evidence.of(trial, measured, counts, complete))
    return Trial(
        trial=trial.trial,
        verdict=judgement.verdict,
        phases=[
            PhasePart(phase=span.phase, start_s=span.start_ns / NS_PER_S, end_s=span.end_ns / NS_PER_S)
            for span in trial.phases
        ],
        counts=counts,
        reads=Reads(
            issued=reads.issued,
            answered=reads.answered,
            failed=reads.failed,
            latency_ms=measured.reads(),
            dropped=reads.dropped,
        ),
        rates=rate,
        latency_ms=latency,
        operations=_operations(measured),
        errors=errors(trial.rows, trial.examples),
        resources=list(trial.resources),
        blocks=_blocks(trial),
        partial=trial.incidents.partial,
        fresh_ledger=trial.fresh_ledger,
        seed=trial.seed,
        notes=[
            *(note for note in (rate_note, _carried_over(rate), reads_share_it(trial)) if note),
            *_about_warm_up(trial, latency.finality),
            *_about_drift(course),
            *_about_hosts(trial),
            *_about_seed(trial),
            *judgement.notes,
        ],
        latency_from_send_ms=latencies_from_send(measured),
        warm_up=trial.warm_up,
        drift=course,
        efficiency=efficiency(trial),
        headroom=trial.headroom,
        setup_s=dict(trial.setup_s),
    )


def _carried_over(rate: Rates) -> str:
    """Goodput counts by time of finality, so work due in the warm-up may be in it; small excesses are chance."""
    came = rate.goodput_per_s + rate.expected_refusals_per_s
    if came <= rate.offered_per_s * CARRIED_OVER:
        return ""
    return (
        f"{came:,.0f}/s came through and {rate.offered_per_s:,.0f}/s were offered: the rest was due in the warm-up and "
        "finished late; read goodput here as the rate at which a backlog was worked off"
    )


def _about_warm_up(trial: TrialInput, finality: Percentiles) -> list[str]:
    """Where the check moved the start of measuring or found no steady state, and where the pipeline was still filling:
    its first finalisations come one latency after the first transaction.
    """
    notes = []
    check = trial.warm_up
    if check is not None and (check.applied_s > check.declared_s or check.note.startswith(NOT_STEADY)):
        notes.append(f"warm-up {check.note}; declare it longer to keep the whole measure phase")
    at_least = "" if finality.p99 is not None else "at least "
    p99_ms = finality.p99 if finality.p99 is not None else finality.lower_bound.get("p99", 0.0)
    warm_up_ms = trial.measure.start_ns / NS_PER_MS
    if p99_ms > warm_up_ms:
        notes.append(
            f"the warm-up of {warm_up_ms / 1000:.1f} s is shorter than the p99 finality latency ({at_least}"
            f"{p99_ms / 1000:.1f} s): the pipeline may still have been filling when measuring began; lengthen "
            "phases.warm_up"
        )
    return notes


def _about_drift(found: Drift) -> list[str]:
    return [found.note.removeprefix(RISING).strip()] if found.note.startswith(RISING) else []


def _about_hosts(trial: TrialInput) -> list[str]:
    if trial.hosts == 1:
        return []
    return [
        f"{trial.hosts} load hosts sent, each with its own clock and start signal: blocks, and the window that goodput "
        "is counted in, are as the first host saw them, so goodput may be off by what the start signals were apart"
    ]


def _about_seed(trial: TrialInput) -> list[str]:
    """Equal seeds give equal operations, and what may be done once was done by an earlier run."""
    rows = trial.rows
    refused = (
        (rows["error_class"] == ErrorClass.BUSINESS_REFUSAL) & (rows["kind"] == 0) & (rows["expects_refusal"] == 0)
    )
    count = int(np.count_nonzero(refused))
    if trial.fresh_ledger or not count:
        return []
    return [
        f"{count:,} operations were refused by business logic though the workload did not ask for it, on a ledger "
        "that is not fresh: an earlier run with the same seed may have done them already; run with another --seed"
    ]


def _operations(measured: MeasuredRows) -> dict[str, OperationPart]:
    """Counts over the whole trial; latency (finality of writes, answers of reads) over the measure phase."""
    trial = measured.trial
    rows = trial.rows
    codes = len(trial.operations)
    cells = np.bincount(rows["operation"].astype(np.int64) * 256 + rows["outcome"], minlength=codes * 256)
    table = cells[: codes * 256].reshape(codes, 256)
    parts: dict[str, OperationPart] = {}
    for code, info in enumerate(trial.operations):
        by = table[code].tolist()
        read = info.kind is Kind.READ
        planned = sum(by)
        parts[info.name] = OperationPart(
            kind=info.kind.value,
            planned=planned,
            submitted=planned - by[Outcome.DROPPED],
            valid=by[Outcome.ANSWERED] if read else by[Outcome.COMMITTED] + by[Outcome.FINALIZED],
            failed=by[Outcome.READ_FAILED] if read else by[Outcome.FAILED] + by[Outcome.FAILED_EXPECTED],
            failed_expected=by[Outcome.FAILED_EXPECTED],
            rejected=by[Outcome.REJECTED],
            unresolved=by[Outcome.UNRESOLVED],
            latency_ms=measured.reads(code) if read else measured.finality(code),
        )
    return parts


def _blocks(trial: TrialInput) -> BlocksPart:
    """Blocks that arrived in the measure phase; `orphaned` counts those of them that later left the chain."""
    stamps = trial.blocks["observed_ns"]
    inside = trial.blocks[(stamps >= trial.measure.start_ns) & (stamps <= trial.measure.end_ns)]
    chain = inside[inside["orphaned"] == 0]
    intervals = np.diff(np.sort(chain["observed_ns"]))
    unknown = trial.rows["error_class"] == ErrorClass.STATUS_UNKNOWN
    return BlocksPart(
        count=len(chain),
        empty=int(np.count_nonzero(chain["transactions"] == 0)),
        orphaned=len(inside) - len(chain),
        interval_s_median=float(np.median(intervals)) / NS_PER_S if len(intervals) else None,
        transactions_per_block_median=float(np.median(chain["transactions"])) if len(chain) else None,
        receipts_settled=not unknown.any(),
    )
