"""Whether a trial may be believed: harness headroom, completeness, incidents. A slow ledger is a result, not a fault.

Each reason is one sentence with the value, the bound and the remedy, because it opens the report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.measure.counts import Completeness, conservation
from bench.measure.inputs import Incidents, Limits, TrialInput
from bench.measure.latencies import MeasuredRows
from bench.measure.pipeline import EMPTY_SHARE, Pipeline
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.phase import Outcome, Phase
from bench.model.reasons import ALL_REFUSED, NOTHING_FINAL, STARTED_EMPTY
from bench.model.result import Counts, Headroom, ProcessResources, Verdict
from bench.model.transaction import HARNESS_CAUSED_DROPS, ErrorClass
from bench.monitors.programs import is_program
from bench.stats.percentiles import SHARES, minimal_count, nearest_rank

HARNESS_BOUND = "harness-bound: "
"""How a reason begins when the load generator, not the ledger, was at its limit."""
LEDGER_FAILED = "the ledger failed: "
INTERRUPTED = "the trial was interrupted"
UNCALIBRATED = (
    "not held against a calibration of the harness: only submit lag, CPU and drops say that it was not the bottleneck"
)
OBSERVER_PAUSE_NS = 250 * NS_PER_MS
"""What happens while the observer stands still is stamped at the end of it: so late may a block's stamp be. A busy
small machine delays a process by some tens of ms.
"""
PROGRAM_USED = ", a program of the load, used"
STAMPING_PROCESSES = ("worker", "observer")
"""Processes whose names begin so take time stamps; when one of them is busy, its stamps are late."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules look at. Numbers of the measure phase count reads too, because reads are load."""

    counts: Counts
    complete: Completeness
    planned: int
    sent: int
    bound_drops: int
    rejected: int
    harness_drops: int
    submit_lag_p99_ns: int | None
    unknown_statuses: int
    pipeline: Pipeline
    resources: Sequence[ProcessResources]
    processors: int
    incidents: Incidents
    limits: Limits
    headroom: Headroom | None

    @classmethod
    def of(cls, trial: TrialInput, measured: MeasuredRows, counts: Counts, complete: Completeness) -> Evidence:
        """Gather it from a trial. The harness answers for the whole declared measure phase, also for what a longer
        warm-up took from it: else a stall of the harness could be cut off unseen.
        """
        rows = trial.rows
        inside = measured.inside
        if trial.warm_up is not None and trial.warm_up.applied_s > trial.warm_up.declared_s:
            declared_ns = round(trial.warm_up.declared_s * NS_PER_S)
            inside = (measured.intended >= declared_ns) & (measured.intended < trial.measure.end_ns)
        dropped = rows["outcome"] == Outcome.DROPPED
        sent = inside & (rows["submitted_ns"] >= 0)
        lags = np.sort(rows["submitted_ns"][sent] - measured.intended[sent])
        causes = np.array(sorted(HARNESS_CAUSED_DROPS))
        return cls(
            counts=counts,
            complete=complete,
            planned=int(np.count_nonzero(inside)),
            sent=len(lags),
            bound_drops=int(np.count_nonzero(inside & dropped & (rows["error_class"] == ErrorClass.IN_FLIGHT_BOUND))),
            rejected=int(np.count_nonzero(inside & (rows["outcome"] == Outcome.REJECTED))),
            harness_drops=int(np.count_nonzero(dropped & np.isin(rows["error_class"], causes))),
            submit_lag_p99_ns=nearest_rank(lags, SHARES["p99"]) if len(lags) else None,
            unknown_statuses=int(np.count_nonzero(rows["error_class"] == ErrorClass.STATUS_UNKNOWN)),
            pipeline=Pipeline.of(trial, measured),
            resources=trial.resources,
            processors=trial.processors,
            incidents=trial.incidents,
            limits=trial.limits,
            headroom=trial.headroom,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and what the reader should know although it does not decide."""

    verdict: Verdict
    notes: list[str]


def judge(evidence: Evidence) -> Judgement:
    """Invalid when a rule is broken; undecided when none is, but one could not be tested; else valid."""
    load = [*_load(evidence), *_cpu(evidence), *_pause(evidence.incidents), *_headroom(evidence)]
    broken = [*_incidents(evidence.incidents), *_record(evidence), *load]
    if broken:
        return Judgement(Verdict(status="invalid", reasons=broken), _notes(evidence))
    untested = _untested(evidence)
    return Judgement(Verdict(status="undecided" if untested else "valid", reasons=untested), _notes(evidence))


def blames_harness(verdict: Verdict) -> bool:
    """Whether a trial is invalid through no fault of the ledger: what it shows says nothing about it. A trial that was
    interrupted, or whose ledger failed, blames nobody else.
    """
    others = (LEDGER_FAILED, INTERRUPTED)
    return verdict.status == "invalid" and not any(reason.startswith(others) for reason in verdict.reasons)


def _incidents(incidents: Incidents) -> list[str]:
    reasons = []
    if incidents.ledger_failure:
        reasons.append(f"{LEDGER_FAILED}{incidents.ledger_failure}; see its log, repair it and run again")
    if incidents.harness_failure:
        reasons.append(f"the harness failed: {incidents.harness_failure}; see events.jsonl and run again")
    if incidents.partial:
        reasons.append(f"{INTERRUPTED} before its end; run it again to the end")
    return reasons


def _record(evidence: Evidence) -> list[str]:
    complete = evidence.complete
    reasons = []
    if complete.missing:
        reasons.append(
            f"{complete.missing:,} of {complete.planned:,} planned operations left no row, 0 are allowed; a worker's "
            "last messages were lost: run again"
        )
    if complete.duplicates or complete.outside:
        reasons.append(
            f"{complete.duplicates:,} rows repeat an index and {complete.outside:,} lie outside the plan, 0 are "
            "allowed; do not mix files of several trials"
        )
    if evidence.incidents.truncated_bytes:
        reasons.append(
            f"{evidence.incidents.truncated_bytes} bytes of half-written rows were left out, 0 are allowed; see why "
            "the worker or the coordinator stopped while writing"
        )
    return reasons + conservation(evidence.counts, evidence.counts.planned)


def _load(evidence: Evidence) -> list[str]:
    limits = evidence.limits
    if not evidence.planned:
        return ["no operation was planned in the measure phase, at least 1 is needed; lengthen it or raise the rate"]
    reasons = []
    share = (evidence.sent + evidence.bound_drops) / evidence.planned
    if share < limits.sent_share:
        reasons.append(
            f"{HARNESS_BOUND}the harness sent {share:.2%} of what was planned in the measure phase, at least "
            f"{limits.sent_share:.0%} is needed; lower the rate or add workers"
        )
    if evidence.harness_drops:
        reasons.append(
            f"{HARNESS_BOUND}the harness dropped {evidence.harness_drops:,} operations of its own fault (buffer empty "
            "or account unavailable), 0 are allowed; add workers or accounts, or lower the rate"
        )
    lag = evidence.submit_lag_p99_ns
    if lag is not None and lag > limits.submit_lag_p99_ns:
        reasons.append(
            f"{HARNESS_BOUND}submit lag p99 is {lag / NS_PER_MS:.2f} ms (nearest rank of {evidence.sent:,} sends), at "
            f"most {limits.submit_lag_p99_ns / NS_PER_MS:g} ms is allowed; lower the rate, add workers, or free the "
            "machine"
        )
    return reasons


def _cpu(evidence: Evidence) -> list[str]:
    bound = evidence.limits.worker_cpu_percent
    together = bound * evidence.processors
    stamping = [
        f"{HARNESS_BOUND}{process.process} used {process.cpu_percent_mean:.0f} % of a core on average, below "
        f"{bound:g} % is needed; add workers or lower the rate"
        for process in _stamping(evidence.resources)
        if process.cpu_percent_mean >= bound
    ]
    return stamping + [
        f"{HARNESS_BOUND}{process.process}{PROGRAM_USED} {process.cpu_percent_mean:.0f} % of a core on "
        f"average, below {together:g} % is needed ({bound:g} % of each of {evidence.processors} processors); lower the "
        "rate, or use a machine with more processors"
        for process in evidence.resources
        if process.phase == Phase.MEASURE and process.role == "harness" and is_program(process.process)
        if process.cpu_percent_mean >= together
    ]


def _pause(incidents: Incidents) -> list[str]:
    if incidents.observer_pause_ns <= OBSERVER_PAUSE_NS:
        return []
    return [
        f"{HARNESS_BOUND}the observer stood still, or had no node to follow, for "
        f"{incidents.observer_pause_ns / NS_PER_MS:,.0f} ms and may have stamped blocks late by as much, at "
        f"most {OBSERVER_PAUSE_NS / NS_PER_MS:g} ms are allowed; see the nodes' logs, free the machine, "
        "or use one with more processors"
    ]


def _headroom(evidence: Evidence) -> list[str]:
    headroom, bound = evidence.headroom, evidence.limits.headroom_share
    if headroom is None or headroom.share <= bound:
        return []
    proven = "at least " if headroom.at_least else ""
    further = ", or calibrate up to a higher rate" if headroom.at_least else ""
    return [
        f"{HARNESS_BOUND}{headroom.offered_per_s:,.0f}/s were offered, {headroom.share:.0%} of the {proven}"
        f"{headroom.ceiling_per_s:,.0f}/s that this harness reached here without a ledger, at most {bound:.0%} is "
        f"allowed; add workers, send larger batches, lower the rate, or use another load host{further}"
    ]


def _untested(evidence: Evidence) -> list[str]:
    untested = []
    if not any(process.process.startswith("worker") for process in _stamping(evidence.resources)):
        untested.append(
            "worker CPU was not sampled in the measure phase, so the bound of "
            f"{evidence.limits.worker_cpu_percent:g} % could not be tested; lengthen the measure phase to some seconds"
        )
    if evidence.planned and not evidence.sent:
        untested.append(
            "nothing was sent in the measure phase, because the in-flight bound was full all the time, so the "
            "submit-lag bound could not be tested; lower the rate, or see why the ledger takes nothing"
        )
    if evidence.unknown_statuses:
        untested.append(
            f"the ledger did not tell whether {evidence.unknown_statuses:,} included transactions were valid, so "
            "goodput is a lower bound; lower the rate, or lengthen the drain"
        )
    return [*untested, *_pipeline(evidence.pipeline)]


def _pipeline(pipeline: Pipeline) -> list[str]:
    """A start without anything final is the scenario's fault, and a whole trial without it may be the set-up's: neither
    can be told from a slow or a dead ledger by goodput alone.
    """
    if pipeline.nothing_final and pipeline.refused >= pipeline.sent:
        return [
            f"{ALL_REFUSED}{pipeline.sent:,} writes sent; at least 1 must become final to tell a ledger that takes "
            "nothing from a set-up that cannot work (endpoint, its key or quota, chain, accounts); see the errors of "
            "this run and the ledger's log"
        ]
    if pipeline.nothing_final:
        included = f", {pipeline.valid:,} are in blocks but not final" if pipeline.valid else ""
        return [
            f"{NOTHING_FINAL}of {pipeline.sent:,} writes sent, {pipeline.refused:,} were refused by the node{included}"
            ", and the rest was never seen in a block; at least 1 is needed to tell a ledger that stands still from a "
            "set-up that cannot work (endpoint, chain, accounts, too short a drain); see the errors of this run and "
            "the ledger's log"
        ]
    if not pipeline.began_empty or pipeline.first_final_ns is None:
        return []
    return [
        f"{STARTED_EMPTY}the first of the load's own transactions became final "
        f"{pipeline.first_final_ns / NS_PER_S:.1f} s after the load began, so in {pipeline.empty_share:.0%} of the "
        f"time over which goodput counts none could, at most {EMPTY_SHARE:.0%} is allowed; set phases.warm_up to at "
        f"least {math.ceil(pipeline.warm_up_ns / NS_PER_S)} s"
    ]


def _notes(evidence: Evidence) -> list[str]:
    notes = []
    if 0 < evidence.sent < minimal_count("p99"):
        notes.append(f"the submit-lag bound was tested on {evidence.sent:,} sends; below 1,000 its p99 is coarse")
    if evidence.bound_drops:
        notes.append(
            f"{evidence.bound_drops:,} operations were not sent because the in-flight bound was full: the ledger did "
            "not keep up"
        )
    if evidence.rejected:
        notes.append(
            f"{evidence.rejected:,} operations of the measure phase were refused by the ledger: they have no latency, "
            "and the latencies are of the rest"
        )
    pipeline = evidence.pipeline
    halted = pipeline.first_final_ns is not None and not pipeline.final_inside and pipeline.empty_share <= EMPTY_SHARE
    if halted and evidence.sent:
        notes.append(
            "nothing became final in the measure phase, although something did at another time of this trial: goodput "
            "of 0 is what the ledger did, see its log"
        )
    if evidence.headroom is None:
        notes.append(UNCALIBRATED)
    if evidence.counts.unmatched_commits:
        notes.append(f"{evidence.counts.unmatched_commits:,} transactions in blocks were not this run's; not counted")
    return notes


def _stamping(resources: Sequence[ProcessResources]) -> list[ProcessResources]:
    return [
        process
        for process in resources
        if process.role == "harness"
        and process.phase == Phase.MEASURE
        and process.process.startswith(STAMPING_PROCESSES)
    ]
