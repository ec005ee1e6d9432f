"""A run of a million transactions: peak memory of every process, and the time its report takes.

    .venv/bin/python benchmarks/million.py [--transactions 1000000] [--rate 12000]

The simulated ledger takes the load, so that the harness is what is stretched. Memory must not follow the run's length:
a tenth of the run comes first, for comparison.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.bundle.reader import read_bundle
from bench.run.coordinator import RunOptions, run
from bench.scenario.loader import scenario_from_mapping


class Quiet:
    """A listener that shows nothing."""

    def step(self, text: str) -> None:
        """Ignore."""

    def live(self, view: object) -> None:
        """Ignore."""

    def warn(self, text: str) -> None:
        """Ignore."""


def main() -> None:
    """A tenth, then the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=12_000)
    options = parser.parse_args()
    for count in (options.transactions // 10, options.transactions):
        one(count, options.rate)


def one(count: int, rate: int) -> None:
    """Run, then report in a process of its own; print what each took."""
    seconds = count / rate
    scenario = scenario_from_mapping(
        {
            "name": "million",
            "ledgers": [{"name": "simulated", "options": {"block_interval_ms": 500}}],
            "workload": "transfer",
            "arrival": {"process": "constant", "rate": rate},
            "phases": {"duration": f"{seconds:.3f}s"},
            "load": {"batch": 50},
            "trials": 1,
        }
    )
    out = Path(tempfile.mkdtemp(prefix="bench-million-"))
    outcome = run(scenario, RunOptions(out, ["benchmarks/million.py"], lambda _: None), Quiet())
    bundle = read_bundle(outcome.bundles[0])
    (trial,) = bundle.result.trials
    print(f"\n{trial.counts.planned} planned, {trial.counts.finalized} finalized, verdict {trial.verdict.status}")
    for reason in trial.verdict.reasons:
        print(f"  {reason}")
    peaks: dict[str, int] = {}
    for process in trial.resources:
        if process.role == "harness":
            peaks[process.process] = max(peaks.get(process.process, 0), process.rss_bytes_max)
    peaks["coordinator"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for name, peak in sorted(peaks.items()):
        print(f"  {name:14} {peak / 1e6:6.0f} MB at its peak")
    code = "import sys, pathlib; from bench.report.build import write_report; write_report(pathlib.Path(sys.argv[1]))"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code, str(bundle.directory)], check=True)
    print(f"  report         {time.monotonic() - began:6.1f} s")


if __name__ == "__main__":
    main()
