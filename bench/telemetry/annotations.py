"""A bundle's phases, faults and failures as regions on the dashboards' time axis. Doing it twice adds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.bundle.events import Event
from bench.bundle.reader import Bundle
from bench.telemetry.grafana import Grafana

TAG = "bench"
"""What the dashboards ask for."""

MARKED = ("fault", "failure", "alert")
"""Events, besides phases, that are worth a mark."""

_SAME_MOMENT = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Region:
    """From `time_ms` to `end_ms` (ms since the epoch; equal for a moment)."""

    time_ms: int
    end_ms: int
    text: str
    tags: tuple[str, ...]


def regions(bundle: Bundle) -> list[Region]:
    """One for each phase of each trial, one for each fault, failure and alert, in order of time."""
    result = bundle.result
    about = f"{result.ledger.name} {result.workload}, run {result.run_id}"
    found = []
    for trial in sorted({event.trial for event in bundle.events if event.trial}):
        events = [event for event in bundle.events if event.trial == trial]
        start = start_of_trial(events)
        if start is None:
            continue
        for event in events:
            if event.at_ns is None or not (event.event == "phase" or event.event.startswith(MARKED)):
                continue
            kind = "phase" if event.event == "phase" else next(kind for kind in MARKED if event.event.startswith(kind))
            begin, end = start + _after(event.at_ns), start + _after(_end_ns(event))
            what = event.detail or event.event
            text = f"trial {trial}: {what.splitlines()[0]} ({about})"
            found.append(Region(_ms(begin), _ms(end), text, (TAG, kind, f"run:{result.run_id}")))
    return sorted(found, key=lambda region: (region.time_ms, region.end_ms))


def push_regions(grafana: Grafana, wanted: Sequence[Region]) -> int:
    """Add those that are not there yet; how many were added. Raises GrafanaError."""
    added = 0
    for run in sorted({region.tags[-1] for region in wanted}):
        known = {_key(each) for each in grafana.annotations([TAG, run])}
        for region in wanted:
            key = (region.time_ms, region.end_ms, region.text)
            if region.tags[-1] == run and key not in known:
                grafana.annotate(region.time_ms, region.end_ms, region.text, list(region.tags))
                known.add(key)
                added += 1
    return added


def start_of_trial(events: Sequence[Event]) -> datetime | None:
    """Wall-clock time of the start signal, from the phases of one trial; None without any.

    A phase is stamped when it begins: stamp minus offset is the start, from whichever phase. Older bundles stamp all
    phases together, when the trial is over: there the last phase has just ended.
    """
    phases = [event for event in events if event.event == "phase" and event.at_ns is not None]
    if not phases:
        return None
    starts = [datetime.fromisoformat(event.at) - _after(event.at_ns or 0) for event in phases]
    if max(starts) - min(starts) <= _SAME_MOMENT:
        return min(starts)
    last = max(phases, key=_end_ns)
    return datetime.fromisoformat(last.at) - _after(_end_ns(last))


def _end_ns(event: Event) -> int:
    end = event.data.get("end_ns")
    return end if isinstance(end, int) else event.at_ns or 0


def _after(ns: int) -> timedelta:
    return timedelta(microseconds=ns // 1000)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _key(annotation: dict[str, object]) -> tuple[object, object, object]:
    time = annotation.get("time")
    return time, annotation.get("timeEnd") or time, annotation.get("text")
