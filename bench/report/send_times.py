"""The same latencies counted from the due time and from the time of sending, side by side over all trials.

The second way is what a generator prints that forgets its own lateness (coordinated omission). It is shown so that a
reader sees what it would have hidden, and is used nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measure.inputs import Limits as Bounds
from bench.model.clock import NS_PER_MS
from bench.model.result import Percentiles, Trial
from bench.report import format as fmt
from bench.report.figure import DASHES, MUTED, SERIES, Chart, Key, drawing, duration_ticks
from bench.report.spread import NAMES, QUANTITIES, LatencyRow, Spread, latency_row

_SHOWN = ("p50", "p90", "p95", "p99", "p999", "max")
_STAGES = ("accept", "commit", "finality")
_LABELS = {"accept": "accepted", "commit": "committed", "finality": "final"}
_ROW_HEIGHT = 34
_SAME = 0.01
_DECIDING = ("p99", "p999", "max", "p95", "p90", "p50")
_PUNCTUAL_MS = Bounds().submit_lag_p99_ns / NS_PER_MS
"""Up to here the generator was on time; what the verdict asks of 99 of 100 is asked here of the latest."""
_NAMED = NAMES | {"max": "its slowest"}
_KEYS = (
    Key("From the due time (used everywhere)", "s1", "dot"),
    Key("From the sending (hides lateness)", "s2", "square"),
)


@dataclass(frozen=True, slots=True)
class SendTimes:
    """Per stage the row from the due time and the row from the sending. `sentence` says what the second would hide."""

    rows: tuple[tuple[str, LatencyRow, LatencyRow], ...]
    sentence: str


def send_times(trials: Sequence[Trial]) -> SendTimes | None:
    """None when a trial did not record its latencies from the sending."""
    sent = [trial.latency_from_send_ms for trial in trials]
    known = [part for part in sent if part is not None]
    if not known or len(known) < len(sent):
        return None
    rows = []
    for stage in _STAGES:
        due: list[Percentiles] = [getattr(trial.latency_ms, stage) for trial in trials]
        from_send: list[Percentiles] = [getattr(part, stage) for part in known]
        rows.append((_LABELS[stage], latency_row("from the due time", due), latency_row("from the sending", from_send)))
    _, due_row, sent_row = rows[-1]
    return SendTimes(tuple(rows), _sentence(_by_key(due_row), _by_key(sent_row), _lateness(trials)))


def send_times_chart(found: SendTimes | None) -> Chart | None:
    """Two dots per percentile of the finality latency, joined by what the later count hides."""
    if found is None:
        return None
    _, due_row, sent_row = found.rows[-1]
    due, sent = _by_key(due_row), _by_key(sent_row)
    pairs = [(key, a, b) for key in _SHOWN if (a := due[key].value) is not None and (b := sent[key].value) is not None]
    if not pairs:
        return None
    alternative = "Finality latency from the due time and from the sending. " + " ".join(
        f"{NAMES.get(key, key)}: {fmt.milliseconds(a)} and {fmt.milliseconds(b)}." for key, a, b in pairs
    )
    values = [max(value, 1e-3) for _, a, b in pairs for value in (a, b)]
    low, high = min(values) / 1.3, max(values) * 1.3
    with drawing("send-times", height=70 + _ROW_HEIGHT * len(pairs), left=74) as canvas:
        axis = canvas.axes[0]
        for row, (_, a, b) in enumerate(pairs):
            axis.plot([a, b], [-row, -row], color=MUTED, linewidth=2.4, alpha=0.5)
        rows = [-row for row in range(len(pairs))]
        axis.scatter([b for *_, b in pairs], rows, color=SERIES[1], marker="s", s=30, zorder=3)
        axis.scatter([a for _, a, _ in pairs], rows, color=SERIES[0], s=34, zorder=4)
        axis.set_yticks(rows, [NAMES.get(key, key) for key, *_ in pairs])
        axis.set_ylim(-len(pairs) + 0.4, 0.6)
        axis.set_xscale("log")
        axis.set_xlim(low, high)
        axis.grid(visible=False, axis="y")
        axis.grid(visible=True, axis="x", linestyle=DASHES[0])
        duration_ticks(axis.xaxis, low, high)
        svg = canvas.svg(alternative)
    return Chart(
        "From the due time, and from the sending",
        "finality latency, median over the trials, logarithmic",
        "Where the two marks of a row lie apart, the grey line between them is waiting that only the first way of "
        "counting sees. Where they lie on each other, our generator was on time.",
        alternative,
        svg,
        _KEYS,
    )


def _sentence(due: Mapping[str, Spread], sent: Mapping[str, Spread], late: str) -> str:
    start = "A generator that forgets its own lateness would have printed"
    widest = None
    for key in _DECIDING:
        a, b = due[key], sent[key]
        if a.value is None or b.value is None:
            continue
        if a.value > b.value * (1 + _SAME):
            return (
                f"{start} {b.text} instead of {a.text} as {_NAMED.get(key, key)}: it starts its clock only "
                "when it sends, and so leaves out the time for which it made the customer wait."
            )
        if key != "max":
            widest = widest or (_NAMED.get(key, key), b.text, a.text)
    if widest is None:
        return f"{start} less wherever it was late. Here too few transactions finished to say how much."
    key, b_text, a_text = widest
    same = "the same" if a_text == b_text else f"{b_text} instead of {a_text}"
    if late:
        return f"{start} {same} here ({key}), although ours was not always on time: {late}. Only the due time shows it."
    return f"{start} {same} here ({key}), because ours was on time; when it is not, only the due time shows it."


def _lateness(trials: Sequence[Trial]) -> str:
    """How late the latest were sent, of the trial in which that was worst; empty when all were on time."""
    lags = [trial.latency_ms.submit_lag for trial in trials]
    latest = max((lag.max for lag in lags if lag.max is not None), default=0.0)
    if latest <= _PUNCTUAL_MS:
        return ""
    tail = max((lag.p999 for lag in lags if lag.p999 is not None), default=0.0)
    one = f"1 of 1,000 was sent {fmt.milliseconds(tail)} or more after its due time, " if tail > _PUNCTUAL_MS else ""
    return f"{one}the latest {fmt.milliseconds(latest)}{'' if one else ' after its due time'}"


def _by_key(row: LatencyRow) -> dict[str, Spread]:
    return dict(zip(QUANTITIES, row.cells, strict=True))
