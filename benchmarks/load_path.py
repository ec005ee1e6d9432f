"""The whole load path against a null endpoint: what a worker costs, and how late it sends.

    .venv/bin/python benchmarks/load_path.py [--rate 3000] [--batch 1] [--seconds 10]

A real Locust worker with its encoder, observer and recorder drives the null EVM ledger, which takes everything and
makes a block every quarter of a second. In the same run, right before and right after, a bare geventhttpclient loop
sends transactions to it, and its CPU per call is the yardstick. Prints one line per quantity. `bench.py calibrate`
searches for the highest rate on the same path.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import registry
from bench.adapters.protocol import Endpoint
from bench.ledgers.null_evm import NullEvmLedger
from bench.measure.record import read_rows
from bench.model.clock import NS_PER_S
from bench.model.ledger import Network
from bench.run.interrupts import Interrupts
from bench.run.trial import TrialFacts, TrialRequest, TrialRunner

BARE_CALLS = 15_000


class Quiet:
    """A listener that shows nothing."""

    def step(self, text: str) -> None:
        """Ignore."""

    def live(self, view: object) -> None:
        """Ignore."""

    def warn(self, text: str) -> None:
        """Ignore."""


@dataclass(frozen=True)
class Measured:
    """What one run of the load path gave."""

    rows: int
    seconds: float
    worker_us_per_tx: float
    worker_cpu_percent: float
    encoder_us_per_tx: float
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float


def main() -> None:
    """Bare loop, load path, bare loop; then the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=3000)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    ledger = NullEvmLedger()
    with tempfile.TemporaryDirectory(prefix="bench-null-evm-") as directory:
        network = ledger.up(Path(directory), {}, lambda _: None)
        try:
            before = bare(network.endpoint)
            began, used = time.monotonic(), null_cpu_s(network)
            measured = load(network, options.rate, options.batch, options.seconds)
            null_share = (null_cpu_s(network) - used) / (time.monotonic() - began)
            after = bare(network.endpoint)
        finally:
            ledger.down(network)
    yardstick = (before + after) / 2
    lag = f"p50 {measured.lag_p50_ms:.2f}  p99 {measured.lag_p99_ms:.2f}  max {measured.lag_max_ms:.2f} ms"
    share = f"{measured.worker_cpu_percent:.0f} % of a core"
    for name, value in (
        ("sent", f"{measured.rows} in {measured.seconds:.1f} s, batch {options.batch}"),
        ("rate", f"{measured.rows / measured.seconds:,.0f} tx/s"),
        ("worker CPU", f"{measured.worker_us_per_tx:.1f} µs/tx, {share}"),
        ("encoder CPU", f"{measured.encoder_us_per_tx:.1f} µs/tx"),
        ("bare geventhttpclient loop", f"{yardstick:.1f} µs/call (before {before:.1f}, after {after:.1f})"),
        ("ratio bare / worker", f"{yardstick / measured.worker_us_per_tx:.2f}"),
        ("submit lag", lag),
        ("null ledger CPU", f"{100 * null_share:.0f} % of a core from setting up to the last row"),
    ):
        print(f"{name:28}{value}")


def null_cpu_s(network: Network) -> float:
    """CPU seconds of the null ledger so far."""
    times = psutil.Process(network.nodes[0].pid).cpu_times()
    return float(times.user + times.system)


def load(network: Network, rate: float, batch: int, seconds: float) -> Measured:
    """One trial of the real load processes."""
    workload = registry.workload("transfer")
    planned = int(rate * seconds)
    work = Path(tempfile.mkdtemp(prefix="bench-load-path-"))
    request = TrialRequest(
        ledger_name="null",
        workload=workload,
        parameters=dict(workload.defaults),
        adapter_name="evm",
        endpoint=Endpoint(network.endpoint, options=network.adapter_options),
        ledger=None,
        ledger_options={},
        secrets={},
        arrival={"process": "constant", "rate": rate},
        seed=1,
        trial=1,
        trials=1,
        planned=planned,
        duration_ns=int(seconds * NS_PER_S),
        warm_up_ns=0,
        drain_ns=2 * NS_PER_S,
        workers=1,
        batch=batch,
        linger_ns=5_000_000,
        accounts=200,
        lanes=32,
        max_lanes=512,
        in_flight=planned,
    )
    facts = TrialRunner(request, work, Quiet(), Interrupts()).run(registry.adapter, lambda *_: None)
    if facts.failure is not None:
        raise SystemExit(f"{facts.failure}\n{(work / 'load.log').read_text()}")
    rows = read_rows(facts.spool.glob("rows-*.bin")).rows
    sent = rows[rows["submitted_ns"] >= 0]
    lag_ms = (sent["submitted_ns"] - sent["intended_ns"]) / 1e6
    lag_ms.sort()
    span = float(sent["submitted_ns"].max() - sent["submitted_ns"].min()) / 1e9
    worker, percent = cpu(facts, "worker-0", seconds)
    encoder, _ = cpu(facts, "encoder-0", seconds)
    return Measured(
        rows=len(sent),
        seconds=span,
        worker_us_per_tx=worker * 1e6 / len(sent),
        worker_cpu_percent=percent,
        encoder_us_per_tx=encoder * 1e6 / len(sent),
        lag_p50_ms=float(lag_ms[len(lag_ms) // 2]),
        lag_p99_ms=float(lag_ms[int(len(lag_ms) * 0.99)]),
        lag_max_ms=float(lag_ms[-1]),
    )


def cpu(facts: TrialFacts, process: str, seconds: float) -> tuple[float, float]:
    """(CPU seconds from the start signal to the last arrival, percent of a core)."""
    series = [sample for sample in facts.samples if sample.process == process]
    end_ns = facts.start_ns + int(seconds * NS_PER_S)
    first = next((sample for sample in reversed(series) if sample.at_ns <= facts.start_ns), series[0])
    last = next((sample for sample in series if sample.at_ns >= end_ns), series[-1])
    used = last.cpu_s - first.cpu_s
    return used, 100 * used / ((last.at_ns - first.at_ns) / NS_PER_S)


BARE = """
import sys, time
from gevent import monkey; monkey.patch_all()
import gevent
from geventhttpclient import HTTPClient
url, calls = sys.argv[1], int(sys.argv[2])
body = b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x' + b"02" * 112 + b'"]}'
client = HTTPClient.from_url(url, concurrency=32)
def loop(n):
    for _ in range(n):
        client.post("/", body, headers={"Content-Type": "application/json"}).read()
before = time.process_time()
gevent.joinall([gevent.spawn(loop, calls // 32) for _ in range(32)], raise_error=True)
print((time.process_time() - before) * 1e6 / (calls // 32 * 32))
"""


def bare(url: str) -> float:
    """CPU microseconds per call of the smallest loop around geventhttpclient, 32 connections."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, url, str(BARE_CALLS)], capture_output=True, text=True, check=True, env=os.environ
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
