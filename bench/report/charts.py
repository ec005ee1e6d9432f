"""The charts of one run: when, how long, how spread. Each returns a finished `Chart` with its words.

Charts show one trial in detail (the one with the median goodput), or all trials beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.model.phase import PhaseSpan
from bench.model.result import WarmUp
from bench.report import format as fmt
from bench.report.figure import (
    BAD,
    DASHES,
    INK,
    MUTED,
    SERIES,
    SHADE,
    Chart,
    Key,
    drawing,
    duration_ticks,
    series_colour,
    thousands,
    variable,
)
from bench.report.series import NS_PER_S, Bands, Distribution, Floats, Steps, Timeline

SECONDS = "seconds since the start of the trial"
_DASH_NAMES = ("line", "dashed", "dotted", "dashdot")


def load_chart(name: str, series: Timeline, phases: Sequence[PhaseSpan], warm_up: WarmUp | None = None) -> Chart:
    """Offered, submitted, accepted and committed per second, with the marks of the warm-up where it was checked."""
    lines = (
        ("Submitted", series.submitted, SERIES[3], 1),
        ("Accepted", series.accepted, SERIES[1], 2),
        ("Committed and final", series.finalized, SERIES[0], 0),
    )
    offered = series.offered
    peak = max(float(steps.values.max(initial=0)) for steps in (offered, *(steps for _, steps, _, _ in lines)))
    means = (("Offered", offered), *((label, steps) for label, steps, _, _ in lines))
    alternative = "Transactions per second over the trial. " + " ".join(
        f"{label}: mean {fmt.rate(_mean(steps))}." for label, steps in means
    )
    with drawing(name) as canvas:
        axis = canvas.axes[0]
        axis.stairs(offered.values, offered.edges_s, fill=True, color=MUTED, alpha=0.2, linewidth=0)
        for _, steps, colour, dash in reversed(lines):
            axis.stairs(steps.values, steps.edges_s, baseline=None, color=colour, linestyle=DASHES[dash])
        time_axis(axis, series.offered.edges_s, phases)
        axis.set_ylim(0, max(peak * 1.12, 1))
        marks = _warm_up_marks(axis, warm_up) if warm_up else ()
        thousands(axis.yaxis)
        svg = canvas.svg(alternative)
    return Chart(
        title="What was offered, and what came through",
        unit=f"transactions per second · {SECONDS}",
        reading="Lines along the top of the grey area: the ledger kept up. A committed line that stays "
        "below it means that work piled up. Transactions of one block are spread over the time since the block before."
        + (f" {_warm_up_words(warm_up)}" if warm_up else ""),
        alternative=alternative,
        svg=svg,
        keys=(
            Key("Offered (planned)", "muted", "band"),
            *(Key(label, variable(colour), _DASH_NAMES[dash]) for label, _, colour, dash in lines),
            *marks,
        ),
    )


def in_flight_chart(name: str, series: Timeline, phases: Sequence[PhaseSpan]) -> Chart:
    """How many transactions were sent and not yet final or refused."""
    steps = series.in_flight
    peak = round(float(steps.values.max(initial=0)))
    left = round(float(steps.values[-1])) if len(steps.values) else 0
    alternative = (
        f"Transactions under way: at most {fmt.count(peak)} on average, {fmt.count(left)} in the last interval."
    )
    with drawing(name, height=200) as canvas:
        axis = canvas.axes[0]
        axis.stairs(steps.values, steps.edges_s, fill=True, color=SERIES[0], alpha=0.3)
        axis.stairs(steps.values, steps.edges_s, baseline=None, color=SERIES[0], linewidth=1.6)
        time_axis(axis, steps.edges_s, phases)
        axis.set_ylim(0, max(peak * 1.15, 1))
        axis.yaxis.get_major_locator().set_params(integer=True)
        thousands(axis.yaxis)
        svg = canvas.svg(alternative)
    return Chart(
        title="Transactions under way",
        unit=f"sent and not yet final, mean of each interval · {SECONDS}",
        reading="A level line is a ledger in balance. A line that climbs while load is offered means that it takes in "
        "more than it finishes, and waiting times will climb with it.",
        alternative=alternative,
        svg=svg,
    )


def latency_chart(name: str, bands: Bands, phases: Sequence[PhaseSpan]) -> Chart:
    """Finality latency over time as percentile bands, with what never resolved marked at the top."""
    centres = (bands.edges_s[:-1] + bands.edges_s[1:]) / 2
    known = bands.worst[np.isfinite(bands.worst)]
    lost = int(bands.unresolved.sum())
    alternative = _latency_words(bands, known, lost)
    with drawing(name) as canvas:
        axis = canvas.axes[0]
        axis.fill_between(centres, bands.p50, bands.p90, color=SERIES[0], alpha=0.3, linewidth=0)
        axis.fill_between(centres, bands.p90, bands.p99, color=SERIES[0], alpha=0.1, linewidth=0)
        axis.plot(centres, bands.p99, color=SERIES[0], linewidth=1, linestyle=DASHES[1])
        axis.plot(centres, bands.p50, color=SERIES[0])
        axis.plot(centres, bands.worst, linestyle="none", marker="_", markersize=5, color=SERIES[1])
        _latency_axis(axis, bands.p50[np.isfinite(bands.p50)], known)
        if lost:
            at = centres[bands.unresolved > 0]
            axis.scatter(at, np.full(len(at), 0.97), marker="v", color=BAD, s=26, transform=axis.get_xaxis_transform())
        time_axis(axis, bands.edges_s, phases)
        svg = canvas.svg(alternative)
    keys: tuple[Key, ...] = (Key("Half were faster (p50)", "s1"), Key("99 of 100 were faster (p99)", "s1", "dashed"))
    keys += (Key("50–90 of 100, 90–99 of 100", "s1", "band"), Key("Slowest", "s2", "mark"))
    return Chart(
        title="How long it took, over time",
        unit=f"finality latency, from the intended time · {SECONDS}, by the time of intent",
        reading="Flat and narrow is good. A band that rises means waiting lines; a band that jumps means stalls."
        + (" A triangle at the top marks transactions that never finished." if lost else ""),
        alternative=alternative,
        svg=svg,
        keys=(*keys, Key("Never finished", "bad", "triangle")) if lost else keys,
    )


def distribution_chart(name: str, title: str, lines: Mapping[str, Distribution], reading: str) -> Chart | None:
    """Empirical distributions on a log axis, the tail stretched, p50 … p99.9 marked. None without data."""
    shown = {label: line for label, line in lines.items() if line.count}
    if not shown:
        return None
    alternative = "Latency distribution. " + " ".join(_marks_words(label, line) for label, line in shown.items())
    positive = [np.maximum(line.milliseconds, 1e-3) for line in shown.values()]
    low = min(float(np.quantile(values, 0.02)) for values in positive) / 1.6
    high = max(float(values[-1]) for values in positive) * 1.6
    with drawing(name, height=320) as canvas:
        axis = canvas.axes[0]
        for number, (label, line) in enumerate(shown.items()):
            colour, dash = series_colour(number), DASHES[number % len(DASHES)]
            values = np.maximum(line.milliseconds, 1e-3)
            axis.plot(values, _tail(line.share), color=colour, linestyle=dash, drawstyle="steps-post", label=label)
            axis.scatter([v for _, v in line.marks], [_tail(q) for q, _ in line.marks], color=colour, s=22, zorder=3)
        axis.set_xscale("log")
        axis.set_xlim(low, high)
        duration_ticks(axis.xaxis, low, high)
        _share_axis(axis, max(float(line.share[-1]) for line in shown.values()))
        axis.set_xlabel("latency (logarithmic)")
        svg = canvas.svg(alternative)
    keys = tuple(
        Key(label, variable(series_colour(number)), _DASH_NAMES[number % len(DASHES)])
        for number, label in enumerate(shown)
    )
    return Chart(title, "share of transactions that were done within a time", reading, alternative, svg, keys)


def usage_chart(
    name: str, title: str, unit: str, lines: Mapping[str, tuple[Floats, Floats]], reading: str
) -> Chart | None:
    """One line per process over time. `lines` hold (seconds, values). None without data."""
    shown = {label: line for label, line in lines.items() if len(line[0])}
    if not shown:
        return None
    words = (
        f"{label}: mean {fmt.number(float(v.mean()))}, peak {fmt.number(float(v.max()))}."
        for label, (_, v) in shown.items()
    )
    alternative = f"{title}, {unit}. " + " ".join(words)
    with drawing(name, height=220) as canvas:
        axis = canvas.axes[0]
        for number, (seconds, values) in enumerate(shown.values()):
            axis.plot(seconds, values, color=series_colour(number), linestyle=DASHES[number % len(DASHES)])
        ends = [float(seconds[-1]) for seconds, _ in shown.values()]
        axis.set_xlim(min(0.0, *(float(seconds[0]) for seconds, _ in shown.values()), 0.0), max(ends))
        axis.set_ylim(0, max(max(float(values.max()) for _, values in shown.values()) * 1.1, 1e-9))
        axis.set_xlabel(SECONDS)
        thousands(axis.yaxis)
        svg = canvas.svg(alternative)
    keys = tuple(Key(label, variable(series_colour(n)), _DASH_NAMES[n % len(DASHES)]) for n, label in enumerate(shown))
    return Chart(title, unit, reading, alternative, svg, keys)


def time_axis(axis: Any, edges_s: Floats, phases: Sequence[PhaseSpan]) -> None:
    """Seconds from 0 to the last edge, with the phases shaded and named."""
    end = float(edges_s[-1])
    axis.set_xlim(0, end)
    axis.set_xlabel(SECONDS)
    thousands(axis.xaxis)
    for span in phases:
        start, stop = max(0.0, span.start_ns / NS_PER_S), min(end, span.end_ns / NS_PER_S)
        if stop <= start:
            continue
        measured = span.phase == "measure"
        if not measured:
            axis.axvspan(start, stop, color=SHADE, linewidth=0, zorder=0)
        if (stop - start) / end > 0.08:
            label = "measured" if measured else span.phase.replace("_", "-")
            axis.text(
                (start + stop) / 2,
                1.03,
                label,
                transform=axis.get_xaxis_transform(),
                ha="center",
                fontsize=11,
                color=MUTED,
            )


def _warm_up_marks(axis: Any, warm_up: WarmUp) -> tuple[Key, ...]:
    """Upright lines at the end of the declared warm-up and where its check would cut."""
    axis.axvline(warm_up.declared_s, color=INK, linestyle=DASHES[1], linewidth=1.3, zorder=4)
    keys = (Key(f"Warm-up declared ({fmt.seconds(warm_up.declared_s)})", variable(INK), "upright dashed"),)
    if warm_up.cut_s is None:
        return keys
    axis.axvline(warm_up.cut_s, color=SERIES[2], linestyle=DASHES[2], linewidth=1.8, zorder=4)
    return (*keys, Key(f"Check's cut, MSER-5 ({fmt.seconds(warm_up.cut_s)})", variable(SERIES[2]), "upright dotted"))


def _warm_up_words(warm_up: WarmUp) -> str:
    applied = f"The shaded start, up to {fmt.seconds(warm_up.applied_s)}, is left out of all figures."
    if warm_up.cut_s is None:
        return f"{applied} Its check (MSER-5) could not say whether that is long enough."
    if warm_up.applied_s > warm_up.declared_s:
        return f"{applied} The check made the declared warm-up longer."
    if warm_up.cut_s > warm_up.applied_s:
        return f"{applied} What the check would cut beyond it is chance, or too little to matter, and is kept."
    return applied


def _latency_axis(axis: Any, middle: Floats, known: Floats) -> None:
    if not len(known):
        axis.set_yticks([])
        return
    low, high = max(float(middle.min()), 1e-3), float(known.max())
    if high > 20 * low:
        axis.set_yscale("log")
        axis.set_ylim(low / 2, high * 1.8)
        duration_ticks(axis.yaxis, low / 2, high * 1.8)
        return
    from matplotlib.ticker import FuncFormatter

    axis.set_ylim(0, high * 1.15)
    unit, factor = ("s", 1e-3) if high >= 1_000 else ("ms", 1.0) if high >= 2 else ("µs", 1e3)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * factor:,.4g} {unit}" if value else "0"))


def _share_axis(axis: Any, highest: float) -> None:
    ticks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999]
    shown = [share for share in ticks if share <= max(highest, 0.9)]
    axis.set_ylim(0, max(_tail(np.array([highest]))[0], 1.0) * 1.08)
    names = {0.0: "0", 0.5: "50 %", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %", 0.9999: "99.99 %", 0.99999: "99.999 %"}
    axis.set_yticks([float(_tail(np.array([share]))[0]) for share in shown], [names[share] for share in shown])


def _tail(share: Any) -> Any:
    """Each step up is ten times rarer; the last sample (share 1) is drawn where it would be among one more."""
    return -np.log10(np.maximum(1 - np.asarray(share, dtype=float), 1e-6))


def _mean(steps: Steps) -> float:
    width = np.diff(steps.edges_s)
    return float((steps.values * width).sum() / width.sum()) if len(width) else 0.0


def _latency_words(bands: Bands, known: Floats, lost: int) -> str:
    if not len(known):
        return f"No transaction became final. {fmt.count(lost)} never finished."
    middle = bands.p50[np.isfinite(bands.p50)]
    return (
        f"Finality latency over time: the median per interval lies between {fmt.milliseconds(float(middle.min()))} and "
        f"{fmt.milliseconds(float(middle.max()))}, the slowest took {fmt.milliseconds(float(known.max()))}. "
        f"{fmt.count(lost)} never finished."
    )


def _marks_words(label: str, line: Distribution) -> str:
    marks = ", ".join(f"p{100 * q:g} {fmt.milliseconds(value)}" for q, value in line.marks)
    counts = f"{fmt.count(line.count)} samples, {fmt.count(line.censored)} unresolved"
    return f"{label}: {marks or 'too few samples'} ({counts})."
