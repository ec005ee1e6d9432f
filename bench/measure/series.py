"""A trial's course in bins of whole blocks: goodput of each bin, and the backlog that stood at each of their edges."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bench.measure.record import Blocks, Rows
from bench.model.clock import NS_PER_S
from bench.model.phase import Outcome, PhaseSpan
from bench.stats.percentiles import nearest_rank
from bench.stats.window import block_window

Ns = NDArray[np.int64]
Values = NDArray[np.float64]

MOST_BINS = 500
LEAST_INTERVAL = 0.5
"""Of the median: blocks heard of sooner after each other come from one burst and share a bin, for a rate over the
microseconds between them says nothing."""
QUICKEST = Fraction(1, 100)
_REFUSED = (Outcome.DROPPED, Outcome.REJECTED)


@dataclass(frozen=True, slots=True)
class Bins:
    """Bin i holds edges[i] < time ≤ edges[i+1]. `unit` is what a bin is, for sentences. There may be no bin."""

    edges: Ns
    unit: str = "blocks"

    @classmethod
    def of(cls, blocks: Blocks, span: PhaseSpan) -> Bins:
        """Blocks of `span` as goodput's window has them; a grid of seconds where that window is not aligned."""
        window = block_window(blocks["observed_ns"][blocks["orphaned"] == 0], span.start_ns, span.end_ns)
        least = -(-(window.end_ns - window.start_ns) // MOST_BINS)
        if not window.blocks:
            width = max(NS_PER_S, least)
            return cls(np.arange(window.start_ns, window.end_ns + 1, width, dtype=np.int64), "seconds")
        stamps = np.unique(blocks["observed_ns"][blocks["orphaned"] == 0])
        stamps = stamps[(stamps >= window.start_ns) & (stamps <= window.end_ns)]
        usual = float(np.median(np.diff(stamps)))
        edges = _apart(stamps, max(1, least, int(LEAST_INTERVAL * usual)))
        return cls(edges, "blocks" if len(edges) == len(stamps) else "groups of blocks")

    def __len__(self) -> int:
        return max(0, len(self.edges) - 1)

    @property
    def edges_s(self) -> Values:
        """Since the first edge, so that nothing is lost to rounding."""
        return (self.edges - self.edges[:1]) / NS_PER_S

    @property
    def centres_s(self) -> Values:
        """Likewise."""
        edges = self.edges_s
        return (edges[1:] + edges[:-1]) / 2

    def until(self, times: Ns) -> Ns:
        """How many of `times` lie at or before each edge; negative times never happened."""
        places = np.searchsorted(self.edges, times[times >= 0], side="left")
        return np.cumsum(np.bincount(places, minlength=len(self.edges) + 1)[: len(self.edges)])

    def per_second(self, times: Ns) -> Values:
        """Rate of `times` in each bin; bins of equal length and count give exactly equal rates."""
        return np.diff(self.until(times)) * NS_PER_S / np.diff(self.edges)


def goodput(rows: Rows, bins: Bins) -> Values:
    """Valid, own, final transactions per second in each bin."""
    return bins.per_second(rows["finalized_ns"][rows["outcome"] == Outcome.FINALIZED])


def quickest_ns(latencies: Ns) -> int:
    """The 1st percentile of the finality latencies, 0 without any: how long even a lucky transaction takes."""
    return nearest_rank(np.sort(latencies), QUICKEST) if len(latencies) else 0


def backlog(rows: Rows, bins: Bins, lag_ns: int) -> Ns:
    """Transactions in flight at each edge that were due at least `lag_ns` ago: what the block there left behind.

    In flight is what was intended, not dropped or refused, and is not final or failed. With `lag_ns` = `quickest_ns` a
    ledger that puts all it has into each block scores about 0 at every block, however lumpy its blocks and however
    random the arrivals: those too young for the block are chance, and would hide or feign a trend in a short trial.
    """
    taken = (rows["kind"] == 0) & ~np.isin(rows["outcome"], _REFUSED)
    due = rows["intended_ns"][taken]
    return bins.until(due + lag_ns) - bins.until(rows["finalized_ns"][taken])


def _apart(stamps: Ns, least: int) -> Ns:
    """Ascending stamps thinned so that neighbours are at least `least` > 0 apart; the first and the last stay."""
    kept = [0]
    while (place := int(np.searchsorted(stamps, stamps[kept[-1]] + least))) < len(stamps):
        kept.append(place)
    if len(kept) > 1:
        kept.pop()
    return stamps[[*kept, len(stamps) - 1]]
