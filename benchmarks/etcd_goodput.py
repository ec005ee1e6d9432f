"""Writes per second on three etcd nodes: through the product's adapter, and by etcd's own tool, in turns.

    .venv/bin/python -m benchmarks.etcd_goodput --tool PATH [--rounds 3] [--seconds 6] [--all]

- `adapter, anchor`: 64 lanes, one notary transaction per request: two comparisons and two puts.
- `adapter, transfer`: transfers among 200 accounts: three comparisons and three puts, lost races repeated.
- `txn-put`, `put`: etcd's `benchmark` (go.etcd.io/etcd/v3/tools/benchmark), 64 clients on 64 connections to the leader:
  transactions of two puts without comparisons, and single puts; keys as long as ours.

The tool is not part of the product. It is built in a scratch module, because its own declares replacements:
`go mod init x && go get go.etcd.io/etcd/v3/tools/benchmark@v3.5.9 && go build go.etcd.io/etcd/v3/tools/benchmark`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.adapters.etcd.client import EtcdClient
from bench.ledgers.etcd import EtcdLedger
from bench.model.ledger import Network
from benchmarks.closed_loop import Orders, prepared
from benchmarks.contest import Contender, contest, ours, show

CLIENTS = 64
KEY_BYTES = 41  # of "bench/tx/" and an id
ASSUMED_PER_S = 2_000  # the tool ends by count, not by time


def main() -> None:
    """Run the contest on a fresh cluster."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, required=True, help="etcd's benchmark program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--all", action="store_true", help="transfers and single puts too")
    chosen = parser.parse_args()
    ledger = EtcdLedger()
    with tempfile.TemporaryDirectory(prefix="etcd-goodput-") as folder:
        network = ledger.up(Path(folder), {}, lambda _: None)
        try:
            total = int(chosen.seconds * ASSUMED_PER_S)
            contenders = [
                Contender("adapter, anchor", ours(_orders(network, "notary", "anchor", chosen.seconds))),
                Contender("txn-put", lambda: native(network, chosen.tool, ["txn-put", "--txn-ops", "2"], total)),
            ]
            if chosen.all:
                transfers = ours(_orders(network, "transfer", "transfer", chosen.seconds))
                contenders.append(Contender("adapter, transfer", transfers))
                puts = ["put", "--sequential-keys"]
                contenders.append(Contender("put", lambda: native(network, chosen.tool, puts, total)))
            show(contest(contenders, chosen.rounds))
        finally:
            ledger.down(network)


def native(network: Network, program: Path, what: list[str], total: int) -> float:
    """What etcd's tool reports."""
    members = [node.address for node in network.nodes]
    host, port = EtcdClient([_split(member) for member in members], 5.0).addresses[0]  # the leader
    command = [str(program), f"--endpoints={host}:{port}", f"--conns={CLIENTS}", f"--clients={CLIENTS}", *what]
    command += [f"--key-size={KEY_BYTES}", "--val-size=4", f"--total={total}"]
    command += ["--key-space-size=100000000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    return float(found[1])


def _orders(network: Network, workload: str, operation: str, seconds: float) -> Orders:
    fixture: dict[str, Any] = prepared(network, workload)
    return Orders("etcd", network.endpoint, network.adapter_options, fixture, operation, CLIENTS, 1, seconds)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
