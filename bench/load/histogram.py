"""A live histogram that costs a worker one append per value; values are sorted into buckets in bulk, once a second."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.model.counters import Buckets


class Histogram:
    """`add` takes ns. What was added since the last `fold` waits in an array."""

    __slots__ = ("_bounds", "_counts", "_fresh", "_sum_ns", "add")

    def __init__(self, bounds_ns: Sequence[int]) -> None:
        self._bounds = np.array(bounds_ns, np.int64)
        self._counts = np.zeros(len(bounds_ns) + 1, np.int64)
        self._sum_ns = 0
        self._fresh = array("q")
        self.add = self._fresh.append

    def fold(self) -> NDArray[np.int64]:
        """Sort in what is new, and return it."""
        fresh = np.array(self._fresh, np.int64)
        if len(fresh):
            del self._fresh[:]
            places = np.searchsorted(self._bounds, fresh)
            self._counts += np.bincount(places, minlength=len(self._counts))
            self._sum_ns += int(fresh.sum())
        return fresh

    @property
    def total(self) -> int:
        """How many values were folded in."""
        return int(self._counts.sum())

    @property
    def buckets(self) -> Buckets:
        """The present state, as a value."""
        return Buckets(self._counts.tolist(), self._sum_ns)


def together(histograms: Iterable[Histogram]) -> Buckets:
    """Several of the same bounds as one."""
    parts = [histogram.buckets for histogram in histograms]
    counts = [sum(column) for column in zip(*(part.counts for part in parts), strict=True)]
    return Buckets(counts, sum(part.sum_ns for part in parts))
