"""The window in which goodput is counted: a whole number of blocks, because finalisations come in lumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.model.clock import NS_PER_S

Ns = NDArray[np.int64]

FEWEST_BOUNDARIES = 3
USUAL_SHARE = 0.95
"""Blocks come regularly when this share of the intervals is within `REGULAR` medians."""
REGULAR = 1.5
EDGE_INTERVALS, EDGE_INTERVALS_IRREGULAR = 1.5, 2.0
"""How many of the longest of the usual intervals an edge may last, where blocks come regularly and where not."""
NEGLIGIBLE_SHARE = 0.005
"""An edge of this share of the phase cannot change goodput by more than that share."""


@dataclass(frozen=True, slots=True)
class Window:
    """Events with start < time ≤ end count. `blocks` is 0 for a plain window, and `note` then says why."""

    start_ns: int
    end_ns: int
    blocks: int
    note: str = ""

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / NS_PER_S

    def count(self, times: Ns) -> int:
        """How many of `times` (-1: never) fall into it."""
        return int(np.count_nonzero((times > self.start_ns) & (times <= self.end_ns) & (times >= 0)))


def plain_window(start_ns: int, end_ns: int, reason: str = "") -> Window:
    """[start, end) of a phase, which in whole nanoseconds is (start - 1, end - 1]."""
    note = f"goodput is over the plain measure phase: {reason}" if reason else ""
    return Window(start_ns - 1, end_ns - 1, 0, note)


def block_window(stamps: Ns, start_ns: int, end_ns: int) -> Window:
    """A whole number of blocks inside a phase; `stamps` are the arrival times of the chain's blocks, in any order.

    Without three blocks there is no rhythm to align to. And a ledger that stops making blocks must not be measured over
    the part in which it still did: when an edge outside the blocks is longer than `EDGE_INTERVALS` of the interval that
    `USUAL_SHARE` of them do not exceed, and than `NEGLIGIBLE_SHARE` of the phase, the whole phase counts. Simulated, 60
    blocks that keep coming: normal intervals of 30 % deviation never lose their window, exponential ones in 1 %.
    """
    inside = np.sort(stamps[(stamps >= start_ns) & (stamps <= end_ns)])
    if len(inside) < FEWEST_BOUNDARIES:
        reason = f"{len(inside)} block boundaries lie in it, {FEWEST_BOUNDARIES} are needed"
        return plain_window(start_ns, end_ns, reason)
    first, last = int(inside[0]), int(inside[-1])
    edge = max(first - start_ns, end_ns - last)
    usual = float(np.median(np.diff(inside)))
    if last == first or edge > max(_longest_edge(np.diff(inside)), NEGLIGIBLE_SHARE * (end_ns - start_ns)):
        reason = (
            f"no block came for {edge / NS_PER_S:.1f} s at an edge of it, while blocks usually come every "
            f"{usual / NS_PER_S:.3f} s"
        )
        return plain_window(start_ns, end_ns, reason)
    return Window(first, last, len(inside) - 1)


def _longest_edge(intervals: Ns) -> float:
    """How long no block may come at an edge of the phase, ns."""
    usual, long = (float(value) for value in np.quantile(intervals, (0.5, USUAL_SHARE)))
    return long * (EDGE_INTERVALS if long <= REGULAR * usual else EDGE_INTERVALS_IRREGULAR)
