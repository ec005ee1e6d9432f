"""When each transaction of a run is due: pure values, fixed before the run, that know nothing of workers or ledgers.

The model is vegeta's `lib/pacer.go`: a process is its rate over time, and the k-th arrival (k = 0, 1, 2 …) is due when
the cumulative rate R reaches k. So the first is due at 0, and a run of length D holds ⌈R(D)⌉ arrivals, which is
exactly rate × duration wherever that is a whole number. Piecewise constant rates are inverted in integers (no drift
however long the run), smooth ones in closed form. Only `Poisson` draws at random, from the seed.

Times are int64 ns since the start signal, nondecreasing, all in [0, duration). They come in chunks, so memory does not
grow with the run. Rates have a resolution of 10⁻⁶ per second.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.model.clock import NS_PER_S

Times = NDArray[np.int64]
Indices = NDArray[np.uint64]
CHUNK = 16_384
HIGHEST_RATE = 1_000_000.0
"""Per second; keeps the integer arithmetic of a chunk inside 64 bits (CHUNK × HIGHEST_RATE × 10⁶ < 2⁶³)."""

_MICRO = 1_000_000
_UNIT = _MICRO * NS_PER_S  # one arrival, counted in (10⁻⁶/s) × ns
_NOISE = 1e-6  # of an arrival: what float rounding may add to R(D) before it counts as one more
_GRID = 10_000
_POISSON_STREAM = 0x0A1  # keeps these draws apart from others made from the same seed


class ArrivalProcess(Protocol):
    """A rate over time. Frozen, cheap to pickle, safe to share."""

    def planned(self, duration_ns: int) -> int:
        """How many arrivals lie in [0, duration_ns); for a sampled process the rounded mean (see `planned_count`)."""

    def rate_at(self, t_ns: int) -> float:
        """Arrivals per second at `t_ns`."""

    def times(self, duration_ns: int, seed: int, chunk: int) -> Iterator[Times]:
        """The due times, at most `chunk` at once; deterministic processes ignore the seed."""


def intended_times(process: ArrivalProcess, duration_ns: int, seed: int, chunk: int = CHUNK) -> Iterator[Times]:
    """Due times in ns since the start signal, in nonempty chunks of at most `chunk`; the same whatever the chunk."""
    return process.times(duration_ns, seed, chunk)


def planned_count(process: ArrivalProcess, duration_ns: int, seed: int) -> int:
    """Exactly how many times `intended_times` yields. For `Poisson` the schedule is drawn once to be counted."""
    if isinstance(process, Poisson):
        return sum(len(times) for times in intended_times(process, duration_ns, seed))
    return process.planned(duration_ns)


def highest_rate(process: ArrivalProcess, duration_ns: int) -> float:
    """The highest rate of `process` in [0, duration_ns), per second, on a grid of 10,000 points."""
    return max(process.rate_at(duration_ns * point // _GRID) for point in range(_GRID))


def shard(times: Iterable[Times], worker: int, workers: int) -> Iterator[tuple[Indices, Times]]:
    """The part of a schedule that `worker` of `workers` sends: global index i goes to worker i mod workers.

    All shards together are exactly the schedule, and neighbours in time go to different workers, so workers do not fire
    in phase. Yields (global indices, due times) of equal, nonzero length.
    """
    first = 0
    for chunk in times:
        mine = chunk[(worker - first) % workers :: workers]
        if len(mine):
            start = first + (worker - first) % workers
            yield np.arange(start, first + len(chunk), workers, dtype=np.uint64), mine
        first += len(chunk)


@dataclass(frozen=True, slots=True)
class Constant:
    """`rate` arrivals per second: the k-th is due at ⌊k / rate⌋ ns."""

    rate: float

    def planned(self, duration_ns: int) -> int:
        """⌈rate × duration⌉, computed in integers."""
        return _piecewise_count(self._segments(duration_ns))

    def rate_at(self, t_ns: int) -> float:
        """The rate, at any time."""
        del t_ns
        return self.rate

    def times(self, duration_ns: int, seed: int, chunk: int) -> Iterator[Times]:
        """See `ArrivalProcess`."""
        del seed
        return _piecewise_times(self._segments(duration_ns), chunk)

    def _segments(self, duration_ns: int) -> Iterator[tuple[int, int]]:
        yield duration_ns, _micro(self.rate)


@dataclass(frozen=True, slots=True)
class Steps:
    """Rates held one after the other, each as (length in ns, rate per s); 0 after the last. A trace is one too."""

    steps: tuple[tuple[int, float], ...]

    @property
    def length_ns(self) -> int:
        """Where the last step ends."""
        return sum(length for length, _ in self.steps)

    def planned(self, duration_ns: int) -> int:
        """⌈Σ rate × length⌉ up to the duration, computed in integers."""
        return _piecewise_count(self._segments(duration_ns))

    def rate_at(self, t_ns: int) -> float:
        """The rate of the step that holds at `t_ns`."""
        ends = np.cumsum([length for length, _ in self.steps]).tolist()
        step = bisect_right(ends, t_ns)
        return self.steps[step][1] if step < len(self.steps) else 0.0

    def times(self, duration_ns: int, seed: int, chunk: int) -> Iterator[Times]:
        """See `ArrivalProcess`. An arrival that falls in a pause is due when the pause ends."""
        del seed
        return _piecewise_times(self._segments(duration_ns), chunk)

    def _segments(self, duration_ns: int) -> Iterator[tuple[int, int]]:
        left = duration_ns
        for length, rate in self.steps:
            yield min(length, left), _micro(rate)
            left -= min(length, left)


@dataclass(frozen=True, slots=True)
class Burst:
    """`base` per second; each period of `every_ns` ends with `length_ns` at `peak`, so that a run begins calmly."""

    base: float
    peak: float
    every_ns: int
    length_ns: int

    def planned(self, duration_ns: int) -> int:
        """⌈R(duration)⌉, computed in integers."""
        return _piecewise_count(self._segments(duration_ns))

    def rate_at(self, t_ns: int) -> float:
        """Peak in the last `length_ns` of each period, base before."""
        return self.peak if t_ns % self.every_ns >= self.every_ns - self.length_ns else self.base

    def times(self, duration_ns: int, seed: int, chunk: int) -> Iterator[Times]:
        """See `ArrivalProcess`."""
        del seed
        return _piecewise_times(self._segments(duration_ns), chunk)

    def _segments(self, duration_ns: int) -> Iterator[tuple[int, int]]:
        calm = self.every_ns - self.length_ns
        for start in range(0, duration_ns, self.every_ns):
            left = duration_ns - start
            yield min(calm, left), _micro(self.base)
            yield max(0, min(self.length_ns, left - calm)), _micro(self.peak)


@dataclass(frozen=True, slots=True)
class Ramp:
    """The rate goes in a straight line from `start` to `end` over `length_ns`, and stays there."""

    start: float
    end: float
    length_ns: int

    def planned(self, duration_ns: int) -> int:
        """⌈R(duration)⌉; (start + end) / 2 × duration when the duration is the ramp's length."""
        slope_s = min(duration_ns, self.length_ns) / NS_PER_S
        hold_s = max(0, duration_ns - self.length_ns) / NS_PER_S
        return _count((self.start + self.rate_at(duration_ns)) / 2 * slope_s + self.end * hold_s)

    def rate_at(self, t_ns: int) -> float:
        """Linear in time up to `length_ns`, then `end`."""
        return self.start + (self.end - self.start) * min(1.0, t_ns / self.length_ns)

    def times(self, duration_ns: int, seed: int, chunk: int) -> Iterator[Times]:
        """See `ArrivalProcess`."""
        del seed
        for k, limit in _smooth_chunks(self.planned(duration_ns), chunk, duration_ns):
            yield np.minimum((self._inverse_s(k) * NS_PER_S).astype(np.int64), limit)

    def _inverse_s(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        # R(t) = start·t + slope·t²/2 = k, in the form that cancels nothing: t = 2k / (start + √(start² + 2·slope·k))
        length_s = self.length_ns / NS_PER_S
        slope = (self.end - self.start) / length_s
        root = np.sqrt(np.maximum(self.start**2 + 2 * slope * k, 0.0))
        rising = 2 * k / np.maximum(self.start + root, np.finfo(np.float64).tiny)
        beyond = k - (self.start + self.end) / 2 * length_s
        holding = length_s + beyond / self.end if self.end > 0 else np.full_like(k, length_s)
        return np.where(beyond > 0, holding, np.minimum(rising, length_s))


@dataclass(frozen=True, slots=True)
class Sine:
    """`mean` + `amplitude` × sin(2πt / period): starts at the mean, rising. The amplitude is at most the mean."""

    mean: float
    amplitude: float
    period_ns: int

    def planned(self, duration_ns: int) -> int:
        """⌈R(duration)⌉; mean × duration over whole periods."""
        whole, rest_ns = divmod(duration_ns, self.period_ns)
        period_s = self.period_ns / NS_PER_S
        rest = self._cumulative(np.array([rest_ns / NS_PER_S]))[0]
        return _count(whole * self.mean * period_s + float(rest))

    def rate_at(self, t_ns: int) -> float:
        """The sine at `t_ns`, never below zero."""
        return max(0.0, self.mean + self.amplitude * math.sin(2 * math.pi * (t_ns % self.period_ns) / self.period_ns))

    def times(self, duration_ns: int, seed: int, chunk: int) -> Iterator[Times]:
        """See `ArrivalProcess`."""
        del seed
        grid_s = np.linspace(0.0, self.period_ns / NS_PER_S, 4097)
        grid = np.maximum.accumulate(self._cumulative(grid_s))
        last = 0
        for k, limit in _smooth_chunks(self.planned(duration_ns), chunk, duration_ns):
            times = np.minimum((self._inverse_s(k, grid_s, grid) * NS_PER_S).astype(np.int64), limit)
            times[0] = max(int(times[0]), last)
            np.maximum.accumulate(times, out=times)
            last = int(times[-1])
            yield times

    def _cumulative(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        omega = 2 * np.pi * NS_PER_S / self.period_ns
        # 1 − cos x as 2·sin²(x/2): exact near the period's ends
        swing: NDArray[np.float64] = self.mean * t_s + self.amplitude / omega * 2 * np.sin(omega * t_s / 2) ** 2
        return swing

    def _inverse_s(
        self, k: NDArray[np.float64], grid_s: NDArray[np.float64], grid: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # Newton inside the cell of a table over one period; clipped, because the rate may touch zero
        period_s = self.period_ns / NS_PER_S
        omega = 2 * np.pi / period_s
        periods = np.floor(k / (self.mean * period_s))
        rest = np.clip(k - periods * self.mean * period_s, 0.0, grid[-1])
        cell = np.clip(np.searchsorted(grid, rest, side="right") - 1, 0, len(grid) - 2)
        t = np.interp(rest, grid, grid_s)
        for _ in range(4):
            rate = np.maximum(self.mean + self.amplitude * np.sin(omega * t), 1e-9 * self.mean)
            t = np.clip(t - (self._cumulative(t) - rest) / rate, grid_s[cell], grid_s[cell + 1])
        return periods * period_s + t


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent exponential gaps of mean 1 / `rate`: how many arrive is random too, and fixed by the seed."""

    rate: float

    def planned(self, duration_ns: int) -> int:
        """The mean, rounded. How many a seed really gives is `planned_count`."""
        return round(self.rate * duration_ns / NS_PER_S)

    def rate_at(self, t_ns: int) -> float:
        """The rate, at any time."""
        del t_ns
        return self.rate

    def times(self, duration_ns: int, seed: int, chunk: int) -> Iterator[Times]:
        """See `ArrivalProcess`. From raw PCG64 words: numpy keeps those the same over versions, and nothing else."""
        words = np.random.PCG64(np.random.SeedSequence([seed, _POISSON_STREAM]))
        last = 0
        while last < duration_ns:
            # NEP 19 promises the words of a bit generator and not the values of distributions
            uniform = (words.random_raw(chunk) >> np.uint64(11)) * 2.0**-53
            gaps = np.rint(-np.log1p(-uniform) * (NS_PER_S / self.rate)).astype(np.int64)
            times = last + np.cumsum(gaps)
            last = int(times[-1])
            times = times[: int(np.searchsorted(times, duration_ns))]
            if len(times):
                yield times


def _micro(rate: float) -> int:
    return round(rate * _MICRO)


def _ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _count(cumulative: float) -> int:
    return math.ceil(cumulative - _NOISE)


def _piecewise_count(segments: Iterable[tuple[int, int]]) -> int:
    return _ceil_div(sum(length * micro for length, micro in segments), _UNIT)


def _piecewise_times(segments: Iterable[tuple[int, int]], chunk: int) -> Iterator[Times]:
    """Invert a piecewise constant rate exactly. Segments are (length ns, rate in 10⁻⁶/s); `area` is R in `_UNIT`ths."""
    start_ns, area = 0, 0
    for length, micro in segments:
        first, stop = _ceil_div(area, _UNIT), _ceil_div(area + length * micro, _UNIT)
        for k in range(first, stop, chunk):
            yield start_ns + _constant_times(k * _UNIT - area, min(chunk, stop - k), micro)
        start_ns += length
        area += length * micro


def _constant_times(offset: int, count: int, micro: int) -> Times:
    """⌊(offset + j × _UNIT) / micro⌋ for j = 0 … count − 1, split so that nothing leaves 64 bits."""
    base, rest = divmod(offset, micro)
    gap, gap_rest = divmod(_UNIT, micro)
    j = np.arange(count, dtype=np.int64)
    return base + j * gap + (rest + j * gap_rest) // micro


def _smooth_chunks(total: int, chunk: int, duration_ns: int) -> Iterator[tuple[NDArray[np.float64], int]]:
    for first in range(0, total, chunk):
        yield np.arange(first, min(first + chunk, total), dtype=np.float64), duration_ns - 1
