"""Does the interval of a capacity search hold the truth as often as it should?

    .venv/bin/python -m benchmarks.capacity_coverage [--searches N] [--model NAME]… [--processes N] [--seed N] [--dlps]

runs searches on scripted ledgers in virtual time and prints how many intervals hold the known limit, with a 95 %
Clopper–Pearson interval of that share. All but the trials themselves is the product's own: arrivals, ledger, judgement,
search. It exits with 1 when the lower end of that interval is below 93 % for any model.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context

from bench.stats.interval import clopper_pearson
from benchmarks.capacity.models import MODELS, drawn
from benchmarks.capacity.study import Answer, dlps, search

LEAST_COVERAGE = 0.93
_METHODS = {"interval": search, "dlps": dlps}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=1_000, help="per model; 1000")
    parser.add_argument("--model", action="append", choices=list(MODELS), help="repeat for several; default all")
    parser.add_argument("--processes", type=int, default=2, help="2")
    parser.add_argument("--seed", type=int, default=1, help="of the first search; the others follow it")
    parser.add_argument("--dlps", action="store_true", help="also DLPS's method, on the same ledgers")
    chosen = parser.parse_args(arguments)
    covered = True
    print(_HEAD)
    for name in chosen.model or MODELS:
        for method in _METHODS if chosen.dlps else ("interval",):
            began = time.monotonic()
            jobs = [(method, name, seed) for seed in range(chosen.seed, chosen.seed + chosen.searches)]
            with get_context("spawn").Pool(chosen.processes) as pool:
                answers = pool.starmap(_one, jobs, chunksize=max(1, min(10, len(jobs) // 20)))
            print(_row(name, method, answers, time.monotonic() - began), flush=True)
            if method == "interval":
                covered &= _coverage(answers)[0] >= LEAST_COVERAGE
    return 0 if covered else 1


def _one(method: str, name: str, seed: int) -> Answer:
    return _METHODS[method](drawn(name, seed), seed)


def _coverage(answers: Sequence[Answer]) -> tuple[float, float]:
    return clopper_pearson(sum(answer.contains for answer in answers), len(answers))


_HEAD = (
    "model         method    searches  contained  [95 % interval]    too high  within 5 %  low/true  high/true  "
    "width median     95 %  trials  minutes  open   real s"
)


def _row(name: str, method: str, answers: Sequence[Answer], seconds: float) -> str:
    """`too high`: the low end (or the one figure) is above the truth. `within 5 %`: the low end is that close to it.
    `open`: no interval came about. `trials` and `minutes` are means over searches, as they would have been in reality.
    """
    count = len(answers)
    lows = [answer.low_per_s / answer.true_per_s for answer in answers if answer.low_per_s is not None]
    highs = [answer.high_per_s / answer.true_per_s for answer in answers if answer.high_per_s is not None]
    cells = [
        f"{name:<13} {method:<8} {count:>9}",
        _interval_cells(answers) if method == "interval" else " " * 28,
        f"{sum(answer.too_high for answer in answers) / count:>8.1%}",
        f"{sum(abs(low - 1) <= 0.05 for low in lows) / count:>10.1%}",
        f"{_median(lows):>8.3f}  {_median(highs):>9.3f}",
        _width_cells(answers) if method == "interval" else " " * 21,
        f"{statistics.fmean(answer.attempts for answer in answers):>6.1f}",
        f"{statistics.fmean(answer.took_s for answer in answers) / 60:>7.1f}",
        f"{sum(answer.width is None for answer in answers):>4}",
        f"{seconds:>7.0f}",
    ]
    return "  ".join(cells)


def _interval_cells(answers: Sequence[Answer]) -> str:
    low, high = _coverage(answers)
    share = sum(answer.contains for answer in answers) / len(answers)
    return f"{share:>9.1%}  [{low:>6.1%}, {high:>6.1%}]"


def _width_cells(answers: Sequence[Answer]) -> str:
    widths = sorted(answer.width for answer in answers if answer.width is not None)
    wide = widths[int(0.95 * (len(widths) - 1))] if widths else float("nan")
    return f"{_median(widths):>12.1%}  {wide:>7.1%}"


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


if __name__ == "__main__":
    sys.exit(main())
