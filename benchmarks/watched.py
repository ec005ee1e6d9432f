"""What being watched costs: the same load in turns with and without live figures and a scrape a second.

    .venv/bin/python benchmarks/watched.py [--pairs 4] [--rate 2000] [--seconds 3]

Each pair is one trial unwatched and one watched, in an order that changes from pair to pair; only ratios within a pair
are of interest. The scraper is a process of its own, as Prometheus is. About 50 s.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from bench.bundle.reader import read_bundle
from bench.model.phase import Phase
from bench.run.coordinator import RunOptions, run
from bench.run.events import TrialWatcher
from bench.scenario.loader import scenario_from_mapping
from bench.telemetry.server import serving

_SCRAPER = """
import sys, time, urllib.request
while True:
    time.sleep(1)
    urllib.request.urlopen(sys.argv[1], timeout=0.9).read()
"""


class Quiet:
    """A listener that shows nothing."""

    def step(self, text: str) -> None:
        """Ignore."""

    def live(self, view: object) -> None:
        """Ignore."""

    def warn(self, text: str) -> None:
        """Ignore."""


@dataclass(frozen=True)
class Figures:
    """Of one trial. CPU of the load processes in % of a core over the measure phase, of the coordinator in s."""

    goodput_per_s: float
    submit_lag_p50_ms: float
    submit_lag_p99_ms: float
    load_cpu_percent: float
    coordinator_cpu_s: float


NAMES = tuple(Figures.__dataclass_fields__)


def main() -> None:
    """Pairs of trials, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=2_000)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    pairs = []
    for number in range(options.pairs):
        found = {}
        for live in (False, True) if number % 2 == 0 else (True, False):
            with watched() if live else contextlib.nullcontext(()) as watchers:
                found[live] = trial(options.rate, options.seconds, watchers)
        pairs.append((found[False], found[True]))
        print(f"pair {number + 1}: unwatched {found[False]}\n        watched   {found[True]}", flush=True)
    print(f"\n{'watched / unwatched':24}{'median':>8}{'least':>8}{'most':>8}")
    for name in NAMES:
        ratios = [getattr(after, name) / max(getattr(before, name), 1e-9) for before, after in pairs]
        print(f"{name:24}{statistics.median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):8.3f}")


@contextlib.contextmanager
def watched() -> Iterator[Sequence[TrialWatcher]]:
    """The exporter, and somebody who scrapes it."""
    with serving() as server:
        scraper = subprocess.Popen([sys.executable, "-c", _SCRAPER, f"{server.url}metrics"])
        try:
            yield server.watchers
        finally:
            scraper.kill()
            scraper.wait()


def trial(rate: float, seconds: float, watchers: Sequence[TrialWatcher]) -> Figures:
    """One trial on the simulated ledger, so that the harness is what is seen."""
    mapping: dict[str, JsonValue] = {
        "name": "watched",
        "ledgers": [{"name": "simulated", "options": {"block_interval_ms": 200}}],
        "workload": "transfer",
        "arrival": {"process": "constant", "rate": rate},
        "phases": {"duration": f"{seconds + 1}s", "warm_up": "1s", "drain": "5s"},
        "trials": 1,
    }
    out = Path(tempfile.mkdtemp(prefix="bench-watched-"))
    options = RunOptions(out, ["benchmarks/watched.py"], lambda _: None, watchers=watchers)
    before = _cpu_s()
    outcome = run(scenario_from_mapping(mapping, []), options, Quiet())
    spent = _cpu_s() - before
    (made,) = read_bundle(outcome.bundles[0]).result.trials
    used = [
        one.cpu_percent_mean for one in made.resources if one.phase == Phase.MEASURE.value and one.role == "harness"
    ]
    lag = made.latency_ms.submit_lag
    assert lag.p50 is not None
    assert lag.p99 is not None
    return Figures(made.rates.goodput_per_s, lag.p50, lag.p99, sum(used), spent)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
