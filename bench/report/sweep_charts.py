"""Charts of a sweep in which one key varies: what came through, and how long it took, over the values of that key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.report.figure import (
    DASHES,
    MUTED,
    Chart,
    Drawing,
    Key,
    drawing,
    duration_ticks,
    series_colour,
    thousands,
    variable,
)

_DASH_NAMES = ("line", "dashed", "dotted", "dashdot")
_READING = "A bar at a point is the interval over the trials; a point without one had fewer than five of them."


@dataclass(frozen=True, slots=True)
class Point:
    """One cell on one ledger: the varied value, the median over trials, its interval where there is one."""

    at: object
    median: float
    low: float | None
    high: float | None


Line = Sequence[Point]


def goodput_chart(key: str, lines: Mapping[str, Line], offered: Line) -> Chart | None:
    """Goodput of each ledger over the varied key, with the offered load. None without data."""
    if not any(lines.values()):
        return None
    peak = max(_top(point) for line in (*lines.values(), offered) for point in line)
    with drawing("sweep-goodput") as canvas:
        places = _axis(canvas, [*lines.values(), offered])
        axis = canvas.axes[0]
        x = [places[_id(point.at)] for point in offered]
        axis.plot(x, [point.median for point in offered], color=MUTED, linestyle=DASHES[2], linewidth=1.4)
        _draw(axis, lines, places)
        axis.set_ylim(0, max(peak * 1.12, 1))
        thousands(axis.yaxis)
        alternative = _alternative("Goodput", key, lines, "per second")
        svg = canvas.svg(alternative)
    keys = (Key("Offered", "muted", "dotted"), *_keys(lines))
    return Chart("What came through", f"final transactions per second · {key}", _READING, alternative, svg, keys)


def latency_chart(key: str, lines: Mapping[str, Line]) -> Chart | None:
    """99th percentile of the time until final over the varied key. None where none is known."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return None
    low = min(point.low if point.low is not None else point.median for point in points)
    low, high = max(low / 1.8, 1e-3), max(map(_top, points)) * 1.8
    with drawing("sweep-latency") as canvas:
        places = _axis(canvas, list(lines.values()))
        axis = canvas.axes[0]
        _draw(axis, lines, places)
        axis.set_yscale("log")
        axis.set_ylim(low, high)
        duration_ticks(axis.yaxis, low, high)
        alternative = _alternative("Time until final, p99", key, lines, "ms")
        svg = canvas.svg(alternative)
    unit = f"99th percentile of the time from due to final, logarithmic · {key}"
    return Chart("How long it took", unit, _READING, alternative, svg, tuple(_keys(lines)))


def _axis(canvas: Drawing, lines: Sequence[Line]) -> dict[str, float]:
    """Where each value stands: numbers at their value, anything else in the order of the file."""
    axis = canvas.axes[0]
    values = {_id(point.at): point.at for line in lines for point in line}
    numbers = {name: float(at) for name, at in values.items() if isinstance(at, int | float) and not _is_flag(at)}
    places = numbers if len(numbers) == len(values) else {name: float(n) for n, name in enumerate(values)}
    axis.set_xticks(list(places.values()), [name if len(name) < 20 else f"{name[:18]}…" for name in places])
    span = max(places.values()) - min(places.values()) or 1.0
    axis.set_xlim(min(places.values()) - 0.06 * span, max(places.values()) + 0.06 * span)
    return places


def _draw(axis: object, lines: Mapping[str, Line], places: Mapping[str, float]) -> None:
    for number, line in enumerate(lines.values()):
        colour, dash = series_colour(number), DASHES[number % len(DASHES)]
        ordered = sorted(line, key=lambda point: places[_id(point.at)])
        x = [places[_id(point.at)] for point in ordered]
        axis.plot(x, [p.median for p in ordered], color=colour, linestyle=dash, marker="o", markersize=5)  # type: ignore[attr-defined]
        for at, point in zip(x, ordered, strict=True):
            if point.low is not None and point.high is not None:
                axis.plot([at, at], [point.low, point.high], color=colour, linewidth=6, alpha=0.3)  # type: ignore[attr-defined]


def _keys(lines: Mapping[str, Line]) -> list[Key]:
    return [Key(label, variable(series_colour(n)), _DASH_NAMES[n % len(DASHES)]) for n, label in enumerate(lines)]


def _alternative(what: str, key: str, lines: Mapping[str, Line], unit: str) -> str:
    said = (
        f"{label}: " + ", ".join(f"{point.median:,.4g} {unit} at {_id(point.at)}" for point in line)
        for label, line in lines.items()
    )
    return f"{what} over {key}. " + ". ".join(said) + "."


def _top(point: Point) -> float:
    return point.median if point.high is None else point.high


def _id(at: object) -> str:
    return at if isinstance(at, str) else f"{at:,g}" if isinstance(at, int | float) and not _is_flag(at) else str(at)


def _is_flag(at: object) -> bool:
    return isinstance(at, bool)
