"""Client CPU per JSON-RPC call: `EvmAdapter.submit` against a bare geventhttpclient loop, in one run.

    .venv/bin/python -m benchmarks.evm_client [--calls 20000] [--lanes 32]

The null EVM ledger in a process of its own answers; each client is a gevent-patched process with so many greenlets that
send one after another. Prints CPU per call, calls per second and the ledger's share of a core, which must stay below
70 %.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RAW = "5c" * 117


def client(name: str, url: str, calls: int, lanes: int, batch: int, rate: float) -> None:
    """Runs in a child: print CPU microseconds per call and wall seconds."""
    from gevent import monkey

    monkey.patch_all()
    import gevent

    work = bare(url, lanes) if name == "bare" else ours(url, batch)
    per_lane = calls // lanes

    interval_s = lanes / rate if rate else 0.0

    def lane(position: int) -> None:
        due = start + position * interval_s / lanes
        for _ in range(per_lane):
            if interval_s and (early_s := due - time.perf_counter()) > 0:
                gevent.sleep(early_s)
            work()
            due += interval_s

    work()
    start = wall = time.perf_counter()
    cpu = time.process_time()
    gevent.joinall([gevent.spawn(lane, position) for position in range(lanes)], raise_error=True)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(cpu / (per_lane * lanes) * 1e6, wall)


def payload() -> bytes:
    """A request as the encoder makes it: 117 bytes of raw transaction."""
    return f'{{"jsonrpc":"2.0","id":188900977659375,"method":"eth_sendRawTransaction","params":["0x{RAW}"]}}'.encode()


def bare(url: str, lanes: int) -> Callable[[], object]:
    """The least one can write with geventhttpclient."""
    from geventhttpclient import HTTPClient

    http = HTTPClient.from_url(url, concurrency=lanes)
    headers = {"Content-Type": "application/json"}
    body = payload()

    def call() -> object:
        return http.post("/", body, headers).read()

    return call


def ours(url: str, batch: int) -> Callable[[], object]:
    """What a worker calls."""
    from bench.adapters.evm.adapter import EvmAdapter
    from bench.api import ACCEPTED, Endpoint, Transaction
    from bench.model.keccak import keccak256

    adapter = EvmAdapter()
    adapter.open(Endpoint(url))
    transactions = [Transaction(keccak256(bytes.fromhex(RAW)), payload()) for _ in range(batch)]
    expected = [ACCEPTED] * batch

    def call() -> object:
        assert adapter.submit(transactions) == expected
        return None

    return call


def run(name: str, calls: int, lanes: int, rate: float, batch: int = 1) -> tuple[float, float, float]:
    """CPU µs per call, calls per second, server CPU share."""
    from bench.ledgers.null_evm import NullEvmLedger
    from benchmarks.load_path import null_cpu_s

    ledger = NullEvmLedger()
    with tempfile.TemporaryDirectory(prefix="bench-null-evm-") as directory:
        network = ledger.up(Path(directory), {}, lambda _: None)
        try:
            shape = {
                "client": name,
                "url": network.endpoint,
                "calls": calls,
                "lanes": lanes,
                "batch": batch,
                "rate": rate,
            }
            arguments = [text for key, value in shape.items() for text in (f"--{key}", str(value))]
            before = null_cpu_s(network)
            output = subprocess.run(
                [sys.executable, "-m", "benchmarks.evm_client", *arguments], capture_output=True, text=True, check=True
            ).stdout
            server_cpu = null_cpu_s(network) - before
        finally:
            ledger.down(network)
    cpu_us, wall = map(float, output.split())
    return cpu_us, calls / wall, server_cpu / wall


def main() -> None:
    """Measure both, twice in turn, and print the better run of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--lanes", type=int, default=32)
    parser.add_argument("--rate", type=float, default=8000.0)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        client(given.client, given.url, given.calls, given.lanes, given.batch, given.rate)
        return
    shape = (given.calls, given.lanes, given.rate)
    rounds = [(run("bare", *shape), run("ours", *shape)) for _ in range(2)]
    bare_run, our_run = min(each[0] for each in rounds), min(each[1] for each in rounds)
    for name, (cpu_us, rate, server) in (("bare geventhttpclient", bare_run), ("EvmAdapter.submit", our_run)):
        print(f"{name:22}{cpu_us:7.1f} µs CPU/call {rate:9,.0f} calls/s  endpoint {server:4.0%} of a core")
    print(f"ratio ours / bare {our_run[0] / bare_run[0]:.2f}")
    cpu_us, rate, server = run("ours", max(given.calls // 20, 640), given.lanes, 0.0, batch=50)
    print(f"{'batches of 50':22}{cpu_us / 50:7.1f} µs CPU/tx   {rate * 50:9,.0f} tx/s     endpoint {server:4.0%}")


if __name__ == "__main__":
    main()
