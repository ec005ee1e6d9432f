"""Charts that put candidates side by side: every trial as a dot with its interval, and rates over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.report import format as fmt
from bench.report.charts import SECONDS, time_axis
from bench.report.figure import DASHES, MUTED, Chart, Key, drawing, duration_ticks, series_colour, thousands, variable
from bench.report.series import Steps
from bench.stats.interval import median_interval

_DASH_NAMES = ("line", "dashed", "dotted", "dashdot")
_ROW_HEIGHT = 44


def trials_chart(
    name: str, title: str, unit: str, rows: Mapping[str, Sequence[float]], offered: float | None
) -> Chart | None:
    """One row per candidate, one dot per trial, a bar for the interval where there is one.

    `unit` is "rate" or "milliseconds". None without data.
    """
    shown = {label: values for label, values in rows.items() if len(values)}
    if not shown:
        return None
    intervals = {label: median_interval(values) for label, values in shown.items()}
    alternative = f"{title}. " + " ".join(
        f"{label}: median {fmt.UNITS[unit](found.median)}, {fmt.interval(found, unit)}."
        for label, found in intervals.items()
    )
    everything = [value for values in shown.values() for value in values]
    with drawing(name, height=70 + _ROW_HEIGHT * len(shown), left=118) as canvas:
        axis = canvas.axes[0]
        for number, (label, values) in enumerate(shown.items()):
            colour, row, found = series_colour(number), -number, intervals[label]
            if found.ci_low is not None:
                axis.plot([found.ci_low, found.ci_high], [row, row], color=colour, linewidth=9, alpha=0.3)
            axis.scatter(values, np.full(len(values), row), s=30, color=colour, alpha=0.8, linewidth=0, zorder=3)
            axis.plot([found.median] * 2, [row - 0.28, row + 0.28], color=colour, linewidth=2.4)
        axis.set_yticks([-number for number in range(len(shown))], list(shown))
        axis.set_ylim(-len(shown) + 0.4, 0.6)
        axis.grid(visible=False, axis="y")
        axis.grid(visible=True, axis="x")
        if unit == "milliseconds":
            low, high = max(min(everything) / 1.8, 1e-3), max(everything) * 1.8
            axis.set_xscale("log")
            axis.set_xlim(low, high)
            duration_ticks(axis.xaxis, low, high)
        else:
            axis.set_xlim(0, max(*everything, offered or 0.0, 1e-9) * 1.06)
            thousands(axis.xaxis)
            if offered:
                axis.axvline(offered, color=MUTED, linestyle=DASHES[2], linewidth=1.4)
        svg = canvas.svg(alternative)
    keys: tuple[Key, ...] = (Key("One trial", "muted", "dot"), Key("Median", "muted", "mark"))
    keys += (Key("Interval", "muted", "band"),) if any(found.ci_low is not None for found in intervals.values()) else ()
    keys += (Key("Offered", "muted", "dotted"),) if offered and unit == "rate" else ()
    scale = "latency, logarithmic: each step is a multiple" if unit == "milliseconds" else "transactions per second"
    reading = "Dots far apart in one row mean that repeats disagree. Rows whose intervals overlap are not told apart."
    return Chart(title, scale, reading, alternative, svg, keys)


def rates_chart(name: str, lines: Mapping[str, Steps], offered: Steps) -> Chart:
    """What became final per second, one line per candidate, over the same offered load."""
    end = max(float(steps.edges_s[-1]) for steps in (*lines.values(), offered))
    alternative = "Final transactions per second over time. " + " ".join(
        f"{label}: at most {fmt.rate(float(steps.values.max(initial=0)))}." for label, steps in lines.items()
    )
    peak = max(float(steps.values.max(initial=0)) for steps in (*lines.values(), offered))
    with drawing(name) as canvas:
        axis = canvas.axes[0]
        axis.stairs(offered.values, offered.edges_s, fill=True, color=MUTED, alpha=0.2, linewidth=0)
        for number, steps in enumerate(lines.values()):
            dash = DASHES[number % len(DASHES)]
            axis.stairs(steps.values, steps.edges_s, baseline=None, color=series_colour(number), linestyle=dash)
        time_axis(axis, np.array([0.0, end]), ())
        axis.set_ylim(0, max(peak * 1.12, 1))
        thousands(axis.yaxis)
        svg = canvas.svg(alternative)
    keys = [Key("Offered (planned)", "muted", "band")]
    keys += [Key(label, variable(series_colour(n)), _DASH_NAMES[n % len(DASHES)]) for n, label in enumerate(lines)]
    return Chart(
        title="What came through, over time",
        unit=f"final transactions per second · {SECONDS}",
        reading="The grey area is the load. A line along its top kept up with it. One trial of each candidate "
        "is drawn, the one with its median goodput.",
        alternative=alternative,
        svg=svg,
        keys=tuple(keys),
    )
