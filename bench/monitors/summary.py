"""Resource samples attributed to the phases of a trial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from bench.model.clock import NS_PER_S
from bench.model.phase import PhaseSpan
from bench.model.resources import UNKNOWN, ResourceSample
from bench.model.result import ProcessResources
from bench.monitors.processes import Role


def attribute(samples: Iterable[ResourceSample], phases: Sequence[PhaseSpan], start_ns: int) -> list[ResourceSample]:
    """The same samples with `at_ns` since the start signal and the phase they fall in ("" outside all of them).

    `start_ns` is the start signal on the samples' clock. A phase holds its start and not its end.
    """
    return [
        replace(sample, at_ns=sample.at_ns - start_ns, phase=_phase_at(sample.at_ns - start_ns, phases))
        for sample in samples
    ]


def summarise(samples: Iterable[ResourceSample], phases: Sequence[PhaseSpan], start_ns: int) -> list[ProcessResources]:
    """One row per process and phase in which it was seen, by name, then phase, from samples as a monitor took them.

    `start_ns` is the start signal on the samples' clock. Cumulative counts are read between samples by linear
    interpolation, so a phase is charged only with its own time, also when it begins between two samples. Means are over
    the part of the phase the process was there for. Bytes the machine does not tell are -1.
    """
    by_process: dict[tuple[str, int], list[ResourceSample]] = {}
    for sample in samples:
        by_process.setdefault((sample.process, sample.pid), []).append(sample)
    rows = []
    for _, series in sorted(by_process.items()):
        series.sort(key=lambda sample: sample.at_ns)
        for phase in phases:
            row = _row(series, phase, phase.start_ns + start_ns, phase.end_ns + start_ns)
            if row is not None:
                rows.append(row)
    return rows


def _phase_at(at_ns: int, phases: Sequence[PhaseSpan]) -> str:
    return next((span.phase.value for span in phases if span.start_ns <= at_ns < span.end_ns), "")


def _row(series: list[ResourceSample], phase: PhaseSpan, start_ns: int, end_ns: int) -> ProcessResources | None:
    start_ns = max(start_ns, series[0].at_ns)
    end_ns = min(end_ns, series[-1].at_ns)
    if end_ns <= start_ns:
        return None
    # a sample's percentage covers the time before it, so the first sample after the end still tells of the phase
    inside = [sample for sample in series if start_ns < sample.at_ns <= end_ns]
    inside = inside or [next(sample for sample in series if sample.at_ns >= end_ns)]
    cpu_s = _grown([sample.cpu_s for sample in series], series, start_ns, end_ns)
    return ProcessResources(
        process=series[0].process,
        role=cast(Role, series[0].role),
        phase=phase.phase.value,
        cpu_percent_mean=100 * cpu_s * NS_PER_S / (end_ns - start_ns),
        cpu_percent_max=max(sample.cpu_percent for sample in inside),
        rss_bytes_max=max(sample.rss_bytes for sample in inside),
        cpu_s=cpu_s,
        read_bytes=_bytes([sample.read_bytes for sample in series], series, start_ns, end_ns),
        write_bytes=_bytes([sample.write_bytes for sample in series], series, start_ns, end_ns),
    )


def _bytes(counts: list[int], series: list[ResourceSample], start_ns: int, end_ns: int) -> int:
    return UNKNOWN if UNKNOWN in counts else round(_grown(counts, series, start_ns, end_ns))


def _grown(counts: Sequence[float], series: list[ResourceSample], start_ns: int, end_ns: int) -> float:
    """Growth of a cumulative count from `start_ns` to `end_ns`."""
    origin = series[0].at_ns  # floats hold small differences exactly, absolute nanoseconds not
    times = [sample.at_ns - origin for sample in series]
    before, after = np.interp([start_ns - origin, end_ns - origin], times, counts)
    return float(after - before)
