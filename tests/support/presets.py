"""Runs of a preset made by hand: trials with stated counts and rates, no rows behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.measure.trials import summarise_trials
from bench.model.ledger_part import ClassInfo, FinalityInfo, LedgerPart
from bench.model.result import (
    BlocksPart,
    Counts,
    Efficiency,
    Latencies,
    Percentiles,
    PhasePart,
    ProcessResources,
    Rates,
    Reads,
    Result,
    Trial,
    Verdict,
)
from bench.report.standards.evidence import Run

NOTHING = Percentiles(p50=None, p90=None, p95=None, p99=None, p999=None, max=None, mean=None, count=0)


@dataclass(frozen=True)
class Made:
    """What a trial is made from; what was sent and is in none of the classes failed."""

    submitted: int = 1000
    finalized: int = 1000
    planned: int | None = None
    refused: int = 0
    sent_per_s: float = 100.0
    goodput_per_s: float = 100.0
    offered_per_s: float = 100.0
    status: Literal["valid", "invalid", "undecided"] = "valid"
    resources: Sequence[ProcessResources] = ()
    efficiency: Sequence[Efficiency] = ()
    setup_s: Mapping[str, float] = field(default_factory=dict)
    reads: int = 0


def made_run(
    *trials: Made,
    role: str = "pressure",
    partial: bool = False,
    managed: bool = True,
    nodes: int = 1,
    crypto: str = "none",
) -> Run:
    """A run of one such trial, or of several."""
    made = [_trial(number, trial) for number, trial in enumerate(trials or (Made(),), start=1)]
    return Run(
        role=role,
        name=f"folder-{role}",
        result=_result(made, partial, managed, nodes, crypto),
        scenario={"name": f"x-{role}", "load": {"accounts": 20}},
        environment={"network": "loopback" if managed else "remote"},
        samples=(),
    )


def process(cpu: float, rss: int = 0, written: int = 0, name: str = "node-0", read: int = 0) -> ProcessResources:
    """A process of the ledger in the measure phase."""
    return ProcessResources(
        process=name,
        role="ledger",
        phase="measure",
        cpu_percent_mean=cpu,
        cpu_percent_max=cpu,
        rss_bytes_max=rss,
        cpu_s=0.0,
        read_bytes=read,
        write_bytes=written,
    )


def _trial(number: int, made: Made) -> Trial:
    planned = made.submitted if made.planned is None else made.planned
    dropped = planned - made.submitted
    counts = Counts(
        planned=planned,
        dropped=dropped,
        dropped_by={"in_flight_bound": dropped} if dropped else {},
        submitted=made.submitted,
        rejected=0,
        accepted=made.submitted,
        committed=made.finalized,
        finalized=made.finalized,
        failed=made.submitted - made.finalized,
        failed_expected=made.refused,
        unresolved=0,
    )
    rates = Rates(
        offered_per_s=made.offered_per_s,
        submitted_per_s=made.sent_per_s,
        accepted_per_s=made.sent_per_s,
        goodput_per_s=made.goodput_per_s,
    )
    return Trial(
        trial=number,
        verdict=Verdict(status=made.status, reasons=[] if made.status == "valid" else ["worker 0 used 92 %"]),
        phases=[
            PhasePart(phase="measure", start_s=1.0, end_s=11.0),
            PhasePart(phase="drain", start_s=11.0, end_s=12.0),
        ],
        counts=counts,
        reads=Reads(issued=made.reads, answered=made.reads, failed=0, latency_ms=NOTHING),
        rates=rates,
        latency_ms=Latencies(submit_lag=NOTHING, accept=NOTHING, commit=NOTHING, finality=NOTHING),
        operations={},
        errors={},
        resources=list(made.resources),
        blocks=BlocksPart(count=10, empty=0, orphaned=0, interval_s_median=1.0, transactions_per_block_median=100.0),
        seed=number,
        efficiency=list(made.efficiency),
        setup_s=dict(made.setup_s),
    )


def _result(trials: list[Trial], partial: bool, managed: bool, nodes: int, crypto: str) -> Result:
    return Result(
        run_id="run",
        started_at="2026-01-02T03:04:05+00:00",
        bench_version="0.1.0",
        command=["bench.py", "run"],
        ledger=LedgerPart(
            name="madenet",
            family="made",
            version="1",
            nodes=nodes,
            finality=FinalityInfo(name="inclusion", confirmations=0),
            ledger_class=ClassInfo(
                fault_model="crash", tolerated_faults=0, durability="memory only", crypto=crypto, operators="one"
            ),
            managed=managed,
        ),
        workload="transfer",
        scenario_sha256="0" * 64,
        seed=1,
        trials=trials,
        summary=summarise_trials(trials),
        partial=partial,
    )
