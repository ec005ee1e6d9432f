"""Parts of a result with known values, for pages that are made of results which were never measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.bundle.manifest import seal
from bench.model.result import (
    Capacity,
    CapacityAttempt,
    Drift,
    Efficiency,
    Headroom,
    Interval,
    Percentiles,
    Result,
    ScalabilityFit,
    SendLatencies,
    Trial,
    WarmUp,
)

OFFERED = 300.0
CONFIRMED = 296.0
LONG_ENOUGH = "long enough (MSER-5 on 12 batches of 5 blocks)"
STEADY = "steady: the transactions waiting for the ledger grew by at most 1.2 each second"


def percentiles(**values: Any) -> Percentiles:
    """100, 200, … ms of 20,000 samples, with what is given instead."""
    known = {"p50": 100.0, "p90": 200.0, "p95": 300.0, "p99": 400.0, "p999": 500.0, "max": 600.0, "mean": 120.0}
    return Percentiles(**{"count": 20_000, **known, **values})


def headroom(share: float = 0.1, at_least: bool = False) -> Headroom:
    """`OFFERED` against a ceiling that makes it `share`."""
    return Headroom(ceiling_per_s=OFFERED / share, at_least=at_least, share=share, offered_per_s=OFFERED)


def with_parts(trial: Trial, /, **changes: Any) -> Trial:
    """A trial that was checked in every way, and passed; its p99 from the sending is 60 ms below ours."""
    finality = trial.latency_ms.finality
    late = finality.model_copy(update={"p99": None if finality.p99 is None else finality.p99 - 60})
    parts = {
        "rates": trial.rates.model_copy(update={"offered_per_s": OFFERED}),
        "latency_from_send_ms": SendLatencies(
            accept=trial.latency_ms.accept, commit=trial.latency_ms.commit, finality=late
        ),
        "warm_up": WarmUp(declared_s=2.0, cut_s=1.5, applied_s=2.0, note=LONG_ENOUGH),
        "drift": Drift(in_flight_per_s=0.1, in_flight_upper_per_s=1.2, goodput_per_s2=0.0, note=STEADY),
        "headroom": headroom(),
        "efficiency": [
            Efficiency(node="node-0", cpu_s_per_tx=0.0012, written_bytes_per_tx=800.0),
            Efficiency(node="network", cpu_s_per_tx=0.0012, written_bytes_per_tx=800.0, gas_per_tx=41_000.0),
            Efficiency(node="harness", cpu_s_per_tx=0.0009, sent_bytes_per_tx=410.0),
        ],
    }
    return trial.model_copy(update={**parts, **changes})


def attempt(
    trial: int | None, offered: float, passed: bool = True, kind: str = "probe", **more: Any
) -> CapacityAttempt:
    """One attempt; what fails serves 80 %."""
    goodput = offered * (0.998 if passed else 0.8)
    return CapacityAttempt(
        **{
            "trial": trial,
            "kind": kind,
            "offered_per_s": offered,
            "goodput_per_s": goodput,
            "served_share": goodput / offered,
            "finality_p50_ms": 500.0,
            "finality_p99_ms": 1_000.0 if passed else None,
            "finality_p99_at_least_ms": None if passed else 9_000.0,
            "in_flight_slope_upper_per_s": 0.5 if passed else 80.0,
            "duration_s": 10.0 if kind == "probe" else 60.0,
            "passed": passed,
            "reasons": [] if passed else ["80.00% of the load was served, at least 99% is needed"],
            **more,
        }
    )


def capacity(**changes: Any) -> Capacity:
    """Trials 1 to 4 probe, 5 to 9 confirm 296/s, of which 1 % below is stated; 10 fails at 308/s."""
    attempts = [
        attempt(1, 150.0),
        attempt(2, 300.0, passed=False, harness_bound=True),
        attempt(3, 320.0, passed=False),
        attempt(4, CONFIRMED),
        *(attempt(number, CONFIRMED, kind="confirm") for number in range(5, 10)),
        attempt(10, 308.0, passed=False, kind="confirm"),
        attempt(None, 148.0, kind="curve"),
    ]
    found = Capacity(
        low_per_s=CONFIRMED * 0.99,
        high_per_s=308.0,
        confirmed_trials=5,
        confirmed_passes=5,
        pass_probability_low=0.549,
        goodput_per_s=Interval(median=295.4, ci_low=294.9, ci_high=295.9, confidence=0.9375, trials=5),
        slo={"finality_p99_ms": 5_000.0},
        estimate=False,
        ended="converged",
        attempts=attempts,
        fit=ScalabilityFit(
            gamma=1.02,
            alpha=1e-4,
            beta=1e-6,
            r_squared=0.9712,
            rmse_per_s=7.2,
            points=10,
            lowest_offered_per_s=148.0,
            highest_offered_per_s=320.0,
            peak_per_s=None,
            note="",
        ),
        latency_at={"50": {"p50": 490.0, "p99": 980.0}, "95": {"p50": 510.0, "p99": None}},
    )
    return found.model_copy(update=changes)


def rewrite(bundle: Path, change: Callable[[Result], Result]) -> Path:
    """Put another result into a bundle and seal it again."""
    path = bundle / "result.json"
    result = change(Result.model_validate(json.loads(path.read_text())))
    path.write_text(result.model_dump_json(by_alias=True))
    seal(bundle)
    return bundle
