"""Checks the declared warm-up against what goodput did afterwards. It may only be made longer.

MSER-5 (White 1997; batches of five) looks for the place from which on the mean of goodput is known best, block by block
from the end of the declared warm-up. Where it cuts, the measure phase begins at that block. But MSER-5 also cuts a
third of all series that are steady from the start (simulated: Poisson counts, 60 to 300 blocks), and says of a tenth
that they never settle. So what it says is acted upon only where the part before differs from the rest beyond chance,
and leaving it in would move goodput by `LEAST_BIAS` or more. Then at most 2.4 % of steady trials lose anything and
0.5 % are called unsteady (worst at 60 blocks of 20), and a first 15 % that is 40 % slower is noticed in 61 % there, in
88 % with blocks of 50, and nearly always from 100 on.

A stall is not a warm-up. Where goodput had already been good, in the declared warm-up or after, and then broke down,
nothing is cut: the stall is a result, and belongs into the percentiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.measure.record import Blocks, Rows
from bench.measure.series import Bins, Values, goodput
from bench.model.clock import NS_PER_S
from bench.model.phase import Phase, PhaseSpan
from bench.model.result import WarmUp
from bench.stats.steady_state import BATCH, FEWEST_BATCHES, mser5

LEAST_BIAS = 0.01
BEYOND_CHANCE = 4.0
"""Standard errors of the difference of the two parts' means. MSER-5 chose the parts, so two or three come often."""
LEAST_STALL_NS = NS_PER_S // 2
BLOCKS_OF_STALL = 3
"""A stall is looked for in bins of half a second, or of three usual block intervals if that is longer."""
GOOD, BROKEN = 0.9, 0.5
NOT_STEADY = "not steady: "
"""How a note begins when no steady state was found in the measure phase."""


def check_warm_up(
    rows: Rows, blocks: Blocks, phases: Sequence[PhaseSpan], *, steady_load: bool
) -> tuple[tuple[PhaseSpan, ...], WarmUp]:
    """The phases as they are to be applied, and how that came about. `rows` have their statuses joined.

    `steady_load` False: the arrivals change their rate by design, goodput follows, and nothing is cut.
    """
    measure = next(span for span in phases if span.phase is Phase.MEASURE)
    bins = Bins.of(blocks, measure)
    series = goodput(rows, bins)
    cut, applied, note = _judge(series, bins.unit) if steady_load else (None, 0, _BY_DESIGN)
    if applied and _broke_down(rows, blocks, int(bins.edges[applied]), float(series[applied:].mean())):
        applied, note = 0, f"{NOT_STEADY}goodput had been good and then broke down: that is a stall and not a warm-up"
    start_ns = int(bins.edges[applied]) if applied else measure.start_ns
    cut_ns = None if cut is None else int(bins.edges[cut]) if cut else measure.start_ns
    if applied:
        note = f"lengthened from {measure.start_ns / NS_PER_S:.1f} s to {start_ns / NS_PER_S:.1f} s: {note}"
    return _begun_at(phases, start_ns), WarmUp(
        declared_s=measure.start_ns / NS_PER_S,
        cut_s=None if cut_ns is None else cut_ns / NS_PER_S,
        applied_s=start_ns / NS_PER_S,
        note=note,
    )


_BY_DESIGN = "not checked: the offered load changes by design, and goodput with it"


@dataclass(frozen=True, slots=True)
class _Difference:
    """`bias`: how far the mean of all is from that of the later part, as a share of it."""

    bias: float
    beyond_chance: bool

    @property
    def matters(self) -> bool:
        return self.beyond_chance and self.bias >= LEAST_BIAS


def _judge(series: Values, unit: str) -> tuple[int | None, int, str]:
    """Where MSER-5 would cut, where to cut, and why: bins from the first."""
    found = mser5(series)
    judged = f"MSER-5 on {found.batches} batches of {BATCH} {unit}"
    if found.batches < FEWEST_BATCHES:
        return None, 0, f"not checked: {found.reason} ({judged})"
    if found.cut is None:
        halves = _difference(series, found.batches // 2)
        if halves.matters:
            return None, 0, f"{NOT_STEADY}goodput had not settled half way through the measure phase ({judged})"
        return None, 0, f"long enough: the halves of the measure phase differ by no more than chance or 1 % ({judged})"
    if not found.cut:
        return 0, 0, f"long enough ({judged})"
    if not series[found.cut : found.batches * BATCH].any():
        return found.cut, 0, f"{NOT_STEADY}nothing became final any more from where {judged} would cut"
    early = _difference(series, found.cut // BATCH)
    if not early.matters:
        return found.cut, 0, f"long enough: what {judged} would cut is chance, or moves goodput by less than 1 %"
    return found.cut, found.cut, f"goodput settled only then; with what came before it would be {early.bias:.1%} off"


def _broke_down(rows: Rows, blocks: Blocks, until_ns: int, steady: float) -> bool:
    """Whether goodput, before `until_ns`, had been near `steady` per second and later fell to less than half of it."""
    stamps = np.unique(blocks["observed_ns"][(blocks["orphaned"] == 0) & (blocks["observed_ns"] >= 0)])
    usual = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    width = max(LEAST_STALL_NS, int(BLOCKS_OF_STALL * usual))
    early = Bins(np.arange(0, until_ns + 1, width, dtype=np.int64), "seconds")
    rates = goodput(rows, early) / steady
    good = np.flatnonzero(rates >= GOOD)
    return bool(len(good)) and bool((rates[good[0] :] < BROKEN).any())


def _difference(series: Values, batches: int) -> _Difference:
    """Of the first `batches` batches against the others."""
    count = len(series) // BATCH
    means = series[: count * BATCH].reshape(count, BATCH).mean(axis=1)
    early, late = means[:batches], means[batches:]
    steady, shift = float(late.mean()), abs(float(early.mean() - late.mean()))
    chance = float(late.std(ddof=1)) * np.sqrt(1 / len(early) + 1 / len(late))
    bias = abs(float(means.mean()) - steady) / steady if steady else float(shift > 0)
    return _Difference(bias, shift > BEYOND_CHANCE * chance)


def _begun_at(phases: Sequence[PhaseSpan], start_ns: int) -> tuple[PhaseSpan, ...]:
    """`phases` with the border between warm-up and measure phase at `start_ns`."""
    applied = []
    for span in phases:
        match span.phase:
            case Phase.WARM_UP:
                applied.append(replace(span, end_ns=start_ns))
            case Phase.MEASURE:
                applied.append(replace(span, start_ns=start_ns))
            case _:
                applied.append(span)
    return tuple(applied)
