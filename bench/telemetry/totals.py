"""Totals of a run from what its workers and processes report: counts that never go back, whatever happens on the way.

Every report is cumulative since its sender began, so a lost one is healed by the next, a repeated or late one changes
nothing, and a sender that dies or ends leaves what it last said. Senders are told apart by trial, name and incarnation:
one that comes back begins from zero, and its counts are added to what its earlier life left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

SUM = -1
"""`Key.part` of a histogram's sum."""


class Key(NamedTuple):
    """One count: a metric, its own label values, and in a histogram the bucket's number."""

    metric: str
    labels: tuple[str, ...] = ()
    part: int = 0


class Source(NamedTuple):
    """One life of one sender."""

    trial: int
    name: str
    incarnation: str


class Totals:
    """Sums over all sources. Not thread-safe."""

    def __init__(self) -> None:
        self._sums: dict[Key, int] = {}
        self._known: dict[Source, dict[Key, int]] = {}
        self._oldest = 0

    def declare(self, keys: Iterable[Key]) -> None:
        """Let them exist from the start, at zero: a rate needs a value before the first event."""
        for key in keys:
            self._sums.setdefault(key, 0)

    def take(self, source: Source, values: Mapping[Key, int]) -> None:
        """One cumulative report. What is below the source's own highest value so far is passed over."""
        if source.trial < self._oldest:
            return
        known = self._known.setdefault(source, {})
        for key, value in values.items():
            new = value - known.get(key, 0)
            if new > 0:
                known[key] = value
                self._sums[key] = self._sums.get(key, 0) + new
            else:
                self._sums.setdefault(key, 0)

    def take_since_first(self, source: Source, values: Mapping[Key, int]) -> None:
        """As `take`, of a source that counted before anybody looked: its first value of each key counts as nothing."""
        if source.trial >= self._oldest:
            known = self._known.setdefault(source, {})
            for key, value in values.items():
                known.setdefault(key, value)
        self.take(source, values)

    def keep_from(self, trial: int) -> None:
        """Reports of trials before this one can no longer come; what they counted stays in the sums."""
        self._oldest = max(self._oldest, trial)
        self._known = {source: known for source, known in self._known.items() if source.trial >= self._oldest}

    def __getitem__(self, key: Key) -> int:
        return self._sums.get(key, 0)

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        return iter(self._sums.items())

    def total(self, metric: str) -> int:
        """A counter over all values of its labels."""
        return sum(value for key, value in self._sums.items() if key.metric == metric)

    def buckets(self, metric: str, size: int) -> list[int]:
        """A histogram's counts, over all values of its labels; `size` bounds and one bucket above them."""
        counts = [0] * (size + 1)
        for key, value in self._sums.items():
            if key.metric == metric and key.part != SUM:
                counts[key.part] += value
        return counts
