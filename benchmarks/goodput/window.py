"""What was committed, and at what CPU, between two blocks: pure arithmetic over what was seen from outside."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A block, when its height was first seen, and how many valid calls it holds."""

    height: int
    seen_ns: int
    calls: int


@dataclass(frozen=True, slots=True)
class CpuSample:
    """CPU seconds used so far, by process name; a process that has ended keeps its last value."""

    at_ns: int
    used_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """From the sight of one block to the sight of another; `calls` are those of the blocks after the first."""

    start_ns: int
    end_ns: int
    calls: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / 1e9

    @property
    def per_s(self) -> float:
        """Valid calls committed per second."""
        return self.calls / self.seconds


def aligned(blocks: Sequence[SeenBlock], warm_up_ns: int, duration_ns: int) -> Window:
    """The longest window between blocks seen `warm_up_ns` to `duration_ns` after the first block that holds a call.

    Blocks are in order of height. Raises ValueError when fewer than two blocks lie there.
    """
    first = next((block.seen_ns for block in blocks if block.calls), None)
    if first is None:
        raise ValueError("no block holds a call")
    inside = [block for block in blocks if first + warm_up_ns <= block.seen_ns <= first + duration_ns]
    if len(inside) < 2 or inside[0].seen_ns == inside[-1].seen_ns:
        raise ValueError("fewer than two blocks in the window")
    return Window(inside[0].seen_ns, inside[-1].seen_ns, sum(block.calls for block in inside[1:]))


def used_between(samples: Sequence[CpuSample], start_ns: int, end_ns: int) -> dict[str, float]:
    """CPU seconds per process name between two times, interpolated between samples."""
    return {name: _at(samples, end_ns, name) - _at(samples, start_ns, name) for name in samples[-1].used_s}


def _at(samples: Sequence[CpuSample], time_ns: int, name: str) -> float:
    after = bisect_left(samples, time_ns, key=lambda sample: sample.at_ns)
    if after == 0:
        return samples[0].used_s.get(name, 0.0)
    if after == len(samples):
        return samples[-1].used_s.get(name, 0.0)
    left, right = samples[after - 1], samples[after]
    share = (time_ns - left.at_ns) / (right.at_ns - left.at_ns)
    before = left.used_s.get(name, 0.0)
    return before + share * (right.used_s.get(name, before) - before)
