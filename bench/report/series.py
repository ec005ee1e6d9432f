"""Rows of one trial, thinned to what a chart can show. Numpy arrays in, small arrays out; one sort per chart.

Stamps are int64 nanoseconds since the start signal, -1 where the event did not happen. What comes out is in seconds and
milliseconds, because it is only looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.model.phase import Outcome
from bench.stats.percentiles import minimal_count

Ns = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_BINS = 240
BIN_WIDTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600)
OPEN = (Outcome.UNRESOLVED, Outcome.COMMITTED)
"""Without finality when the trial ended: their finality latency is known only to be longer."""
NS_PER_S = 1e9
NS_PER_MS = 1e6
_NAMES = {0.5: "p50", 0.9: "p90", 0.99: "p99", 0.999: "p999"}
TAIL = tuple(_NAMES)


@dataclass(frozen=True, slots=True)
class Writes:
    """The planned writes of one trial, one array element each, in any order."""

    intended: Ns
    submitted: Ns
    accepted: Ns
    committed: Ns
    finalized: Ns
    outcome: NDArray[np.uint8]

    def between(self, start_s: float, end_s: float) -> Writes:
        """Those that were intended inside [start, end)."""
        keep = (self.intended >= start_s * NS_PER_S) & (self.intended < end_s * NS_PER_S)
        return Writes(*(getattr(self, name)[keep] for name in self.__slots__))

    def count(self, *outcomes: Outcome) -> int:
        """How many ended in one of these."""
        return int(np.count_nonzero(np.isin(self.outcome, outcomes)))

    def accepted_only(self) -> Ns:
        """Accept stamps of those that were not refused at once; -1 elsewhere."""
        return np.where(np.isin(self.outcome, (Outcome.DROPPED, Outcome.REJECTED)), -1, self.accepted)

    def committed_valid(self) -> Ns:
        """Commit stamps of the valid ones only; -1 elsewhere."""
        return np.where(np.isin(self.outcome, (Outcome.COMMITTED, Outcome.FINALIZED)), self.committed, -1)


@dataclass(frozen=True, slots=True)
class Usage:
    """One process over one trial: seconds since the start signal, CPU in percent of one core, resident bytes."""

    seconds: Floats
    cpu_percent: Floats
    rss_bytes: Floats


@dataclass(frozen=True, slots=True)
class Steps:
    """A step line: `values[i]` holds from `edges_s[i]` to `edges_s[i + 1]`."""

    edges_s: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rates per second by the time of each event, and how many were under way in each bin, on average over its time:
    a count at the bins' ends would depend on how they lie to the blocks.
    """

    offered: Steps
    submitted: Steps
    accepted: Steps
    finalized: Steps
    in_flight: Steps


@dataclass(frozen=True, slots=True)
class Bands:
    """Finality latency in ms of the transactions intended in each bin; NaN where none finished in it."""

    edges_s: Floats
    p50: Floats
    p90: Floats
    p99: Floats
    worst: Floats
    unresolved: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Latency in ms at growing shares (0…1) of all transactions; it ends below 1 where some never resolved.

    `marks` are the tail shares that were reached, with their values.
    """

    milliseconds: Floats
    share: Floats
    marks: tuple[tuple[float, float], ...]
    count: int
    censored: int


def bin_edges(end_s: float) -> Floats:
    """Edges of at most `MAX_BINS` equal bins of a round width that cover [0, end]."""
    width = next((width for width in BIN_WIDTHS_S if width >= 1 and end_s / width <= MAX_BINS), BIN_WIDTHS_S[-1])
    if end_s < 5:
        width = next(width for width in BIN_WIDTHS_S if end_s / width <= 25)
    return np.arange(max(1, int(np.ceil(end_s / width))) + 1, dtype=np.float64) * float(width)


def timeline(writes: Writes, end_s: float) -> Timeline:
    """Event rates over [0, end]. Finalizations that come in blocks are spread over the time since the block before."""
    edges = bin_edges(end_s)
    resolved = np.maximum(writes.finalized, _failed_at(writes))
    under_way = writes.outcome != Outcome.REJECTED
    waiting = _waited(writes.submitted[under_way], edges) - _waited(resolved[under_way], edges)
    return Timeline(
        offered=_rate(writes.intended, edges),
        submitted=_rate(writes.submitted, edges),
        accepted=_rate(writes.accepted, edges),
        finalized=_block_rate(writes.finalized, edges),
        in_flight=Steps(edges, np.maximum(waiting, 0.0) / np.diff(edges)),
    )


def finality_bands(writes: Writes, end_s: float) -> Bands:
    """Percentiles of the finality latency per bin of the intended time."""
    edges = bin_edges(end_s)
    done = writes.finalized >= 0
    which = np.digitize(writes.intended[done] / NS_PER_S, edges) - 1
    latency = (writes.finalized[done] - writes.intended[done]) / NS_PER_MS
    order = np.lexsort((latency, which))
    which, latency = which[order], latency[order]
    bounds = np.searchsorted(which, np.arange(len(edges)))
    starts, sizes = bounds[:-1], np.diff(bounds)
    open_ended = writes.intended[np.isin(writes.outcome, OPEN)] / NS_PER_S
    return Bands(
        edges_s=edges,
        p50=_ranked(latency, starts, sizes, 0.5),
        p90=_ranked(latency, starts, sizes, 0.9),
        p99=_ranked(latency, starts, sizes, 0.99),
        worst=_ranked(latency, starts, sizes, 1.0),
        unresolved=np.histogram(open_ended, edges)[0],
    )


def distribution(later: Ns, earlier: Ns, censored: int = 0) -> Distribution:
    """The latencies `later - earlier` where both happened, with `censored` more that are known only to be longer."""
    both = (later >= 0) & (earlier >= 0)
    values = np.sort((later[both] - earlier[both]) / NS_PER_MS)
    total = len(values) + censored
    if not len(values):
        return Distribution(np.empty(0), np.empty(0), (), 0, censored)
    share = np.unique(
        np.concatenate([np.linspace(0, 0.98, 160), 1 - np.geomspace(0.02, 0.5 / total, 120), np.array(TAIL)])
    )
    rank = np.ceil(share * total).astype(np.int64)
    known = rank <= len(values)
    share, rank = share[known], np.maximum(rank[known], 1)
    marks = tuple((float(q), float(values[int(np.ceil(q * total)) - 1])) for q in TAIL if _supported(q, total, values))
    return Distribution(values[rank - 1], share, marks, len(values), censored)


def quantile(later: Ns, earlier: Ns, q: float) -> float | None:
    """One quantile of `later - earlier` in ms by nearest rank, None where nothing happened."""
    both = (later >= 0) & (earlier >= 0)
    values = np.sort(later[both] - earlier[both])
    return float(values[max(1, int(np.ceil(q * len(values)))) - 1] / NS_PER_MS) if len(values) else None


def _supported(q: float, total: int, values: Floats) -> bool:
    """The rules of the percentiles in the result: enough samples, and within what resolved."""
    return total >= minimal_count(_NAMES[q]) and int(np.ceil(q * total)) <= len(values)


def _failed_at(writes: Writes) -> Ns:
    """When a failed transaction left the ledger: its inclusion."""
    failed = np.isin(writes.outcome, (Outcome.FAILED, Outcome.FAILED_EXPECTED))
    return np.where(failed, writes.committed, -1)


def _waited(stamps: Ns, edges: Floats) -> Floats:
    """Per bin, the seconds that lie in it and after each of the stamps, summed over the stamps."""
    ordered = np.sort(stamps[stamps >= 0]) / NS_PER_S
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    before = np.searchsorted(ordered, edges)
    return np.diff(before * edges - sums[before])


def _rate(stamps: Ns, edges: Floats) -> Steps:
    happened = stamps[stamps >= 0] / NS_PER_S
    return Steps(edges, np.histogram(happened, edges)[0] / np.diff(edges))


def _block_rate(stamps: Ns, edges: Floats) -> Steps:
    """Rates between block arrivals where there are few blocks (a bin edge would cut blocks in two); else plain bins.

    Blocks that follow each other within half a bin are taken together, so that no short gap makes a spike.
    """
    times, sizes = np.unique(stamps[stamps >= 0], return_counts=True)
    if not 2 <= len(times) <= MAX_BINS:
        return _rate(stamps, edges)
    at = times / NS_PER_S
    shortest = float(edges[1] - edges[0]) / 2
    ends, counts = [max(0.0, at[0] - float(np.median(np.diff(at))))], [0]
    for time, size in zip(at.tolist(), sizes.tolist(), strict=True):
        counts[-1] += size
        if time - ends[-1] >= shortest:
            ends.append(time)
            counts.append(0)
    if counts[-1]:
        ends.append(ends[-1] + shortest)
    block_edges = np.array(ends)
    return Steps(block_edges, np.array(counts[: len(ends) - 1]) / np.diff(block_edges))


def _ranked(ordered: Floats, starts: Ns, sizes: Ns, q: float) -> Floats:
    """The nearest-rank quantile of each slice of an array that is sorted within slices."""
    at = starts + np.maximum(np.ceil(q * sizes).astype(np.int64), 1) - 1
    out = np.full(len(sizes), np.nan)
    filled = sizes > 0
    out[filled] = ordered[at[filled]]
    return out
