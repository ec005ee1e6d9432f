"""The charts of a capacity search: every attempt in order, and goodput and latency against the offered load.

An attempt that passed is a filled dot, one that failed a cross, so that nothing depends on colour; confirmations are
diamonds, and the interval found is a shaded band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.model.result import Capacity, CapacityAttempt, ScalabilityFit
from bench.report import format as fmt
from bench.report.figure import (
    BAD,
    DASHES,
    MUTED,
    SERIES,
    Chart,
    Key,
    drawing,
    duration_ticks,
    thousands,
    variable,
)

_PASSED, _FAILED = SERIES[0], SERIES[1]
_OFFERED = "offered load, transactions per second"
_MARKS: dict[tuple[str, bool], tuple[str, int, float, str]] = {
    ("passed", False): ("o", 30, 0.0, _PASSED),
    ("failed", False): ("x", 34, 1.8, _FAILED),
    ("passed", True): ("D", 40, 0.0, _PASSED),
    ("failed", True): ("X", 58, 0.0, _FAILED),
    ("not counted", False): ("o", 34, 1.6, MUTED),
    ("not counted", True): ("o", 34, 1.6, MUTED),
}
"""(outcome, confirmation) to marker, size, line width and colour."""
_KEYS = {
    ("passed", False): Key("Passed", "s1", "dot"),
    ("failed", False): Key("Failed", "s2", "cross"),
    ("passed", True): Key("Passed, full length", "s1", "diamond"),
    ("failed", True): Key("Failed, full length", "s2", "cross thick"),
    ("not counted", False): Key("Not counted: our generator was the limit", "muted", "ring"),
}
_LATENCY_MARKS = (
    (("p50", False), "o", SERIES[0]),
    (("p99", False), "s", SERIES[1]),
    (("p99", True), "^", SERIES[1]),
)
_CURVE_POINTS = 120
_ROW_HEIGHT = 44
_BAND_KEY = Key("Interval found", "s3", "band")


def draw(capacity: Capacity) -> tuple[Chart, ...]:
    """The charts that the attempts allow, at least the first."""
    found = (attempts_chart(capacity), goodput_chart(capacity), latency_chart(capacity))
    return tuple(chart for chart in found if chart is not None)


def attempts_chart(capacity: Capacity) -> Chart:
    """Offered load of each attempt, in the order in which they were made."""
    attempts = capacity.attempts
    passed = sum(attempt.passed for attempt in attempts)
    skipped = sum(attempt.harness_bound for attempt in attempts)
    alternative = (
        f"{fmt.counted(len(attempts), 'attempt')} between {fmt.rate(min(a.offered_per_s for a in attempts))} and "
        f"{fmt.rate(max(a.offered_per_s for a in attempts))}: {passed} passed, "
        f"{len(attempts) - passed - skipped} failed, {skipped} not counted. "
        f"{_interval_words(capacity)}"
    )
    order = [float(number) for number in range(1, len(attempts) + 1)]
    loads = [attempt.offered_per_s for attempt in attempts]
    with drawing("capacity-attempts") as canvas:
        axis = canvas.axes[0]
        _band(axis, capacity, upright=False)
        axis.plot(order, loads, color=MUTED, linewidth=0.8, alpha=0.6, zorder=2)
        _points(axis, attempts, order, loads)
        axis.set_xlim(0.4, len(attempts) + 0.6)
        axis.set_ylim(0, max(loads) * 1.12)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("attempt, in the order they were made")
        thousands(axis.yaxis)
        svg = canvas.svg(alternative)
    return Chart(
        "Every attempt of the search",
        f"{_OFFERED} · attempt",
        "The load is doubled until an attempt fails, then the gap between passed and failed is halved again and again, "
        "and both ends are tried in trials of full length on fresh ledgers. No attempt is left out.",
        alternative,
        svg,
        (*_point_keys(attempts), *_band_keys(capacity)),
    )


def goodput_chart(capacity: Capacity) -> Chart | None:
    """Goodput against offered load, with the line of all that was offered; the fit only where it was measured."""
    attempts = capacity.attempts
    loads = [attempt.offered_per_s for attempt in attempts]
    if len(set(loads)) < 2:
        return None
    goodput = [attempt.goodput_per_s for attempt in attempts]
    top = max(*loads, *goodput) * 1.08
    curve = None if capacity.fit is None else _curve(capacity.fit)
    alternative = f"Goodput against offered load. {_pairs(attempts)} {_fit_words(capacity.fit)}".strip()
    with drawing("capacity-goodput", height=320) as canvas:
        axis = canvas.axes[0]
        _band(axis, capacity, upright=True)
        axis.plot([0, top], [0, top], color=MUTED, linestyle=DASHES[2], linewidth=1.2)
        if curve is not None:
            axis.plot(*curve, color=SERIES[3], linestyle=DASHES[1], linewidth=1.6)
        _points(axis, attempts, loads, goodput)
        axis.set_xlim(0, max(loads) * 1.08)
        axis.set_ylim(0, max(*goodput, 1e-9) * 1.25)
        _load_axis(axis)
        thousands(axis.yaxis)
        svg = canvas.svg(alternative)
    keys = (*_point_keys(attempts), Key("All that was offered", "muted", "dotted"), *_band_keys(capacity))
    if curve is not None:
        keys += (Key("Fitted curve", variable(SERIES[3]), "dashed"),)
    return Chart(
        "What came through, for what was offered",
        f"goodput, transactions per second · {_OFFERED}",
        "On the dotted line everything came through. Where the points leave it, the ledger no longer keeps up; if they "
        f"then fall, more load even makes it do less. {_fit_words(capacity.fit)}".strip(),
        alternative,
        svg,
        keys,
    )


def latency_chart(capacity: Capacity) -> Chart | None:
    """Finality p50 and p99 against the offered load, with the demand as a line. A lower bound points upwards."""
    points = [
        (attempt.offered_per_s, value, quantile, at_least)
        for attempt in capacity.attempts
        for quantile, value, at_least in _latencies(attempt)
    ]
    if len({load for load, *_ in points}) < 2:
        return None
    slo = capacity.slo.get("finality_p99_ms")
    values = [value for _, value, _, _ in points] + ([slo] if slo else [])
    low, high = max(min(values), 1e-3) / 1.7, max(values) * 1.7
    alternative = (
        f"Finality latency against offered load: {fmt.milliseconds(min(values))} to {fmt.milliseconds(max(values))}. "
        + (f"The demand is {fmt.milliseconds(slo)} for 99 of 100." if slo else "")
    ).strip()
    with drawing("capacity-latency", height=300) as canvas:
        axis = canvas.axes[0]
        _band(axis, capacity, upright=True)
        for kind, marker, colour in _LATENCY_MARKS:
            shown = [(load, value) for load, value, *own in points if tuple(own) == kind]
            axis.scatter([x for x, _ in shown], [y for _, y in shown], marker=marker, s=30, color=colour, zorder=3)
        if slo:
            axis.axhline(slo, color=BAD, linestyle=DASHES[1], linewidth=1.3)
        axis.set_yscale("log")
        axis.set_ylim(low, high)
        duration_ticks(axis.yaxis, low, high)
        axis.set_xlim(0, max(load for load, *_ in points) * 1.08)
        _load_axis(axis)
        svg = canvas.svg(alternative)
    keys: tuple[Key, ...] = (
        Key("Half were faster (p50)", "s1", "dot"),
        Key("99 of 100 were faster (p99)", "s2", "square"),
    )
    if any(bound for *_, bound in points):
        keys += (Key("At least this (too many never finished)", "s2", "up"),)
    keys += (Key(f"Demand: p99 within {fmt.milliseconds(slo)}", "bad", "dashed"),) if slo else ()
    return Chart(
        "How long it took, for what was offered",
        f"finality latency, logarithmic · {_OFFERED}",
        "Waiting times stay level up to a load and then climb steeply. How far left of that point you plan to work is "
        "how much reserve you keep.",
        alternative,
        svg,
        (*keys, *_band_keys(capacity)),
    )


def comparison_chart(workload: str, found: Mapping[str, Capacity]) -> Chart:
    """One row per candidate: its interval as a bar, an arrow where it has no upper end, and the trials behind it."""
    words = (f"{label}: {_interval_words(capacity)}" for label, capacity in found.items())
    alternative = f"Highest sustainable load. {' '.join(words)}"
    loads = [attempt.offered_per_s for capacity in found.values() for attempt in capacity.attempts]
    with drawing(f"{workload}-capacity", height=70 + _ROW_HEIGHT * len(found), left=118) as canvas:
        axis = canvas.axes[0]
        for row, capacity in enumerate(found.values()):
            low, high = capacity.low_per_s, capacity.high_per_s
            if low is not None:
                end = max(loads) * 1.06 if high is None else high
                axis.plot([low, end], [-row, -row], color=SERIES[2], linewidth=12, alpha=0.4, solid_capstyle="butt")
                axis.plot([low, low], [-row - 0.3, -row + 0.3], color=SERIES[2], linewidth=2)
            attempts = capacity.attempts
            _points(axis, attempts, [one.offered_per_s for one in attempts], [float(-row)] * len(attempts))
        axis.set_yticks([-row for row in range(len(found))], list(found))
        axis.set_ylim(-len(found) + 0.4, 0.6)
        axis.set_xlim(0, max(loads, default=1.0) * 1.06)
        axis.grid(visible=False, axis="y")
        axis.grid(visible=True, axis="x")
        _load_axis(axis)
        svg = canvas.svg(alternative)
    every = [attempt for capacity in found.values() for attempt in capacity.attempts]
    return Chart(
        "What each candidate carries",
        f"{_OFFERED}; every attempt",
        "The green bar is the interval in which the limit of a candidate lies. Candidates whose bars overlap are not "
        "told apart.",
        alternative,
        svg,
        (*_point_keys(every), _BAND_KEY),
    )


def _latencies(attempt: CapacityAttempt) -> list[tuple[str, float, bool]]:
    found = [("p50", attempt.finality_p50_ms, False), ("p99", attempt.finality_p99_ms, False)]
    if attempt.finality_p99_ms is None:
        found.append(("p99", attempt.finality_p99_at_least_ms, True))
    return [(quantile, value, at_least) for quantile, value, at_least in found if value is not None]


def _kind(attempt: CapacityAttempt) -> tuple[str, bool]:
    outcome = "not counted" if attempt.harness_bound else "passed" if attempt.passed else "failed"
    return outcome, attempt.kind == "confirm"


def _points(axis: Any, attempts: Sequence[CapacityAttempt], x: Sequence[float], y: Sequence[float]) -> None:
    for kind, (marker, size, line, colour) in _MARKS.items():
        at = [(x[n], y[n]) for n, attempt in enumerate(attempts) if _kind(attempt) == kind]
        hollow = {"facecolors": "none", "edgecolors": colour} if colour == MUTED else {"color": colour}
        if at:
            axis.scatter(*zip(*at, strict=True), marker=marker, s=size, linewidth=line, zorder=4, **hollow)


def _point_keys(attempts: Sequence[CapacityAttempt]) -> tuple[Key, ...]:
    found = {("not counted", False) if attempt.harness_bound else _kind(attempt) for attempt in attempts}
    return tuple(key for kind, key in _KEYS.items() if kind in found)


def _band_keys(capacity: Capacity) -> tuple[Key, ...]:
    return () if capacity.low_per_s is None else (_BAND_KEY,)


def _band(axis: Any, capacity: Capacity, *, upright: bool) -> None:
    """The interval as a band; where it has no upper end, its lower end as a line."""
    low, high = capacity.low_per_s, capacity.high_per_s
    if low is None:
        return
    if high is not None:
        (axis.axvspan if upright else axis.axhspan)(low, high, color=SERIES[2], alpha=0.25, linewidth=0, zorder=1)
    (axis.axvline if upright else axis.axhline)(low, color=SERIES[2], linewidth=1.2, zorder=1)


def _curve(fit: ScalabilityFit) -> tuple[Any, Any] | None:
    """The fitted curve inside the measured loads."""
    if fit.gamma is None or fit.alpha is None or fit.beta is None:
        return None
    if fit.lowest_offered_per_s is None or fit.highest_offered_per_s is None:
        return None
    load = np.linspace(fit.lowest_offered_per_s, fit.highest_offered_per_s, _CURVE_POINTS)
    return load, fit.gamma * load / (1 + fit.alpha * load + fit.beta * load**2)


def _load_axis(axis: Any) -> None:
    axis.set_xlabel(_OFFERED)
    thousands(axis.xaxis)


def _interval_words(capacity: Capacity) -> str:
    if capacity.low_per_s is None:
        return "No load passed."
    if capacity.high_per_s is None:
        return f"The result is at least {fmt.rate(capacity.low_per_s)}."
    return f"The result lies between {fmt.rate(capacity.low_per_s)} and {fmt.rate(capacity.high_per_s)}."


def _pairs(attempts: Sequence[CapacityAttempt]) -> str:
    lowest, highest = (pick(attempts, key=lambda a: a.offered_per_s) for pick in (min, max))
    return " ".join(
        f"Of {fmt.rate(attempt.offered_per_s)} offered, {fmt.rate(attempt.goodput_per_s)} came through."
        for attempt in (lowest, highest)
    )


def _fit_words(fit: ScalabilityFit | None) -> str:
    if fit is None or _curve(fit) is None:
        return "" if fit is None or not fit.note else f"No curve is fitted: {fit.note}."
    quality = "" if fit.r_squared is None else f" (R² = {fit.r_squared:.3f}, where 1 is a perfect fit)"
    return f"The dashed curve is fitted to the points{quality}; it ends where they end and is not extrapolated."
