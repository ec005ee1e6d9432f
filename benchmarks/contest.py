"""Contenders in turns on one ledger, and how the first of them stands to each other one, round by round."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.closed_loop import Orders

HERE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Contender:
    """`run` loads the ledger once and returns transactions per second."""

    name: str
    run: Callable[[], float]


def ours(orders: Orders) -> Callable[[], float]:
    """The closed loop over our adapter, in a process of its own."""

    def run() -> float:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.closed_loop"],
            input=replace(orders).text(),
            capture_output=True,
            text=True,
            check=False,
            cwd=HERE,
            timeout=300,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        said = json.loads(done.stdout)
        if said["refused"] > said["accepted"] // 100:
            print(f"  {said['refused']} refused beside {said['accepted']} accepted")
        return float(said["accepted"] / said["seconds"])

    return run


def contest(contenders: Sequence[Contender], rounds: int) -> Mapping[str, list[float]]:
    """Each once in every round, the order turned round from one to the next; prints as it goes."""
    found: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders if number % 2 == 0 else list(reversed(contenders)):
            rate = contender.run()
            found[contender.name].append(rate)
            print(f"  round {number + 1}: {contender.name}: {rate:,.0f}/s", flush=True)
            time.sleep(0.5)
    return found


def show(found: Mapping[str, list[float]]) -> None:
    """Medians, and the first contender in percent of each other one: median and range of the rounds' ratios."""
    first, *others = found
    for name, rates in found.items():
        print(f"{name}: {statistics.median(rates):,.0f}/s, {len(rates)} rounds")
    for name in others:
        shares = sorted(100 * mine / theirs for mine, theirs in zip(found[first], found[name], strict=True))
        print(f"{first} / {name}: {statistics.median(shares):.0f} % ({shares[0]:.0f} to {shares[-1]:.0f})")
