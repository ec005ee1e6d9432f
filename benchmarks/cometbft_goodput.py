"""Goodput of our adapter and of the family's own tool, in turn on the same validators.

    .venv/bin/python -m benchmarks.cometbft_goodput [--application|--kvstore] [--rate 1500] [--seconds 15] [--repeats 3]

- `--kvstore`: against `loadtime`, CometBFT's own load tool (test/loadtime of its module, on tm-load-test): one
  WebSocket per validator, 250-byte transactions, broadcast_tx_sync. Built with go from the pinned version.
- `--application`: against `benchmarks/cometbft/flooder.py`, signed beforehand, raw sockets, because no tool of the
  family speaks our format.
- `ours` is `bench.py run` with one worker on the same network, all four validators named. On the kvstore it sends the
  reads of `notary` on top of the rate; loadtime has none.

Both are offered the same rate, at or above what the validators take. The network is fresh for each repeat, the order
alternates, and the next one begins when all mempools are empty. Goodput is everything valid that was committed, over
the time from the block before the first with load to the last with load, by the blocks' own times: what is still in
mempools when sending ends counts with the time it needs. What a client says does not count. CPU per transaction is the
client's whole process tree over its life, signing included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.adapters.cometbft.adapter import CometBftAdapter
from bench.adapters.protocol import Endpoint, Setup
from bench.ledgers.cometbft.ledger import VERSION, CometBftLedger, KvStoreLedger
from bench.ledgers.install.golang import GoProgram, build
from bench.model.ledger import Network
from workloads.transfer import WORKLOAD as TRANSFER

ROOT = Path(__file__).resolve().parents[1]
LOADTIME = GoProgram(
    module="github.com/cometbft/cometbft",
    version=f"v{VERSION}",
    sum="h1:jtGSyssudmkjED2fk9wFGfd/fNyPKvLIinW62ELxZH4=",
    packages=("test/loadtime/cmd/load",),
    size="about 120 MB of Go modules",
    takes="about a minute",
)
TARGET = 0.8
FEW = 10
"""A block with no more than so many transactions is one of the preparation."""


@dataclass(frozen=True, slots=True)
class Load:
    """What both are told."""

    rate: float
    seconds: float
    batch: int


@dataclass(frozen=True, slots=True)
class Result:
    """One contender's turn."""

    name: str
    per_s: float
    committed: int
    client_us: float


def main() -> None:
    """Both, several times, then the ratio."""
    options = arguments()
    load = Load(options.rate, options.seconds, options.batch)
    results: dict[str, list[Result]] = {"ours": [], "native": []}
    for repeat in range(options.repeats):
        with tempfile.TemporaryDirectory(prefix="cometbft-goodput-") as name:
            ledger = KvStoreLedger() if options.kvstore else CometBftLedger()
            network = ledger.up(Path(name) / "network", {}, lambda _: None)
            try:
                for contender in ("native", "ours") if repeat % 2 == 0 else ("ours", "native"):
                    result = turn(contender, network, load, Path(name), options.kvstore)
                    results[contender].append(result)
                    print(
                        f"{contender:<7} {result.per_s:7,.0f} valid/s, {result.committed:,} committed, "
                        f"client {result.client_us:.0f} µs/tx",
                        flush=True,
                    )
            finally:
                ledger.down(network)
    ratios = [ours.per_s / native.per_s for ours, native in zip(results["ours"], results["native"], strict=True)]
    for name, runs in results.items():
        print(f"{name:<7} median {statistics.median(run.per_s for run in runs):,.0f} valid/s")
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"ours / native in the same run: {shown}; median {statistics.median(ratios):.2f} (target: at least {TARGET})")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--kvstore", action="store_true", help="against loadtime")
    which.add_argument("--application", action="store_true", help="against the flooder (default)")
    parser.add_argument("--rate", type=float, default=1500, help="offered, transactions per second")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=20, help="transactions per request of ours and of the flooder")
    return parser.parse_args()


def turn(contender: str, network: Network, load: Load, directory: Path, kvstore: bool) -> Result:
    """One contender on validators with empty mempools."""
    first = height(network)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if contender == "ours":
        ours(network, load, directory, "notary" if kvstore else "transfer")
    elif kvstore:
        loadtime(network, load)
    else:
        flooder(network, load)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    wait_until_empty(network)
    per_s, committed = goodput(network, first)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(contender, per_s, committed, used_s * 1e6 / max(1, committed))


def ours(network: Network, load: Load, directory: Path, workload: str) -> None:
    """As a user runs it, on a network that is already there."""
    share = 0.7 if workload == "notary" else 1.0  # of notary's operations are writes; reads come on top
    key = directory / "key"
    key.write_text(network.secrets.get("funding_key", ""))
    scenario = {
        "name": "cometbft-goodput",
        "endpoint": {
            "adapter": "cometbft",
            "url": network.endpoint,
            "options": network.adapter_options,
            **({"key_file": str(key)} if network.secrets else {}),
        },
        "workload": {"name": workload},
        "arrival": {"process": "constant", "rate": load.rate / share},
        "phases": {"duration": f"{load.seconds:g}s", "drain": "60s"},
        "load": {"batch": load.batch, "in_flight": 1_000_000},
        "trials": 1,
    }
    path = directory / "scenario.yaml"
    path.write_text(json.dumps(scenario))  # JSON is YAML
    command = [sys.executable, "bench.py", "run", str(path), "--out", str(directory / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):  # 3: harness-bound on a small machine; what was committed counts all the same
        raise SystemExit(f"bench.py run failed:\n{done.stderr}")


def loadtime(network: Network, load: Load) -> None:
    """CometBFT's own tool."""
    program = build(LOADTIME, lambda line: print(line, file=sys.stderr)) / "load"
    urls = [f"ws://{node.address}/websocket" for node in network.nodes]
    command = [
        *(str(program), "-c", "1", "-T", f"{load.seconds:.0f}", "-r", f"{load.rate / len(urls):.0f}", "-s", "250"),
        *("--broadcast-tx-method", "sync", "--endpoints", ",".join(urls)),
    ]
    subprocess.run(command, capture_output=True, check=True)


def flooder(network: Network, load: Load) -> None:
    """The least client."""
    adapter = CometBftAdapter()
    adapter.open(Endpoint(network.endpoint))
    writes = int(load.rate * load.seconds)
    fixture = adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 100, writes, 1, network.secrets))
    adapter.close()
    orders = {
        "urls": [f"http://{node.address}" for node in network.nodes],
        "fixture": asdict(fixture),
        "seconds": load.seconds,
        "rate": load.rate,
        "connections": 8,
        "batch": load.batch,
    }
    command = [sys.executable, "-m", "benchmarks.cometbft.flooder"]
    subprocess.run(command, cwd=ROOT, input=json.dumps(orders), capture_output=True, text=True, check=True)


def goodput(network: Network, first: int) -> tuple[float, int]:
    """Valid transactions per second, and how many were committed at all, in the blocks after `first`."""
    blocks: list[tuple[float, int]] = []
    for number in range(first + 1, height(network) + 1):
        results = ask(network, f"block_results?height={number}")["txs_results"] or []
        header = ask(network, f"header?height={number}")["header"]
        blocks.append((time_of(header["time"]), sum(each["code"] == 0 for each in results)))
    loaded = [at for at, (_, count) in enumerate(blocks) if count > FEW]
    began_s, ended_s = blocks[loaded[0] - 1][0], blocks[loaded[-1]][0]
    committed = sum(count for _, count in blocks)
    return committed / (ended_s - began_s), committed


def time_of(text: str) -> float:
    """Seconds; CometBFT writes nanoseconds, more digits than Python reads."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")


def wait_until_empty(network: Network) -> None:
    """Until no mempool holds anything."""
    while any(int(ask(network, "num_unconfirmed_txs", node)["total"]) for node in range(len(network.nodes))):
        time.sleep(0.5)


def height(network: Network) -> int:
    """The last block's."""
    return int(ask(network, "status")["sync_info"]["latest_block_height"])


def ask(network: Network, query: str, node: int = 0) -> Any:
    """One question by GET."""
    with urllib.request.urlopen(f"http://{network.nodes[node].address}/{query}", timeout=30) as answer:
        return json.load(answer)["result"]


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
