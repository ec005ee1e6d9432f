"""Goodput of three load generators on one litecoin network, in turn: how much of the nodes' speed we reach.

    .venv/bin/python -m benchmarks.utxo_goodput [--repeats 3] [--seconds 16] [--skip-ours]

One network with the product's own flags. Every second repeat in reversed order:

- `minimal`: a process that posts transactions signed beforehand in JSON-RPC batches over raw sockets, as fast as the
  node answers; it measures nothing. (The family's own tool, litecoin-cli, starts a process for every call.)
- `adapter`: the same with our adapter: signed beforehand, sent by `submit`, every answer judged.
- `ours`: `bench.py run`, one worker, as many connections, batches as large, offered 1.1 times what `minimal` reached.
  It signs while it sends, in a process that yields to everybody: on a busy machine that is what it lacks first.

Goodput is counted the same way for both, from outside: a thread notes when each block appears at the mining node and
how many transactions it holds beside its coinbase. The window lies between two blocks, warm-up and drain left out.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.adapters.utxo.adapter import UtxoAdapter
from bench.ledgers.bitcoin_rpc import NodeRpc, read_pair
from bench.ledgers.litecoin import LitecoinLedger
from bench.model.ledger import Network
from bench.model.operation import Account, Operation
from bench.model.transaction import ACCEPTED, Reply, Transaction
from benchmarks.goodput.window import SeenBlock, Window, aligned
from workloads.transfer import WORKLOAD

ACCOUNTS = 200
PRESIGNED_PER_S = 3_500
OVERLOAD = 1.1
WARM_UP_SHARE = 0.25
FASTEST: list[float] = []
"""What minimal reached in each of its turns."""

HERE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Both contenders, several times, then the ratio."""
    options = arguments()
    if options.flood is not None:
        flood(options)
        return
    if options.drive is not None:
        drive(options)
        return
    ledger = LitecoinLedger()
    with tempfile.TemporaryDirectory(prefix="utxo-goodput-") as name:
        directory = Path(name)
        network = ledger.up(directory / "ledger", {}, lambda text: print(text, file=sys.stderr))
        try:
            runs = [repeat(network, directory / str(number), options, number) for number in range(options.repeats)]
        finally:
            ledger.down(network)
    for name in ("adapter",) if options.skip_ours else ("adapter", "ours"):
        ratios = [run[name] / run["minimal"] for run in runs]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name} / minimal, goodput: median {statistics.median(ratios):.2f} of {shown} (target: at least 0.80)")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=16)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--skip-ours", action="store_true", help="compare the adapter alone")
    parser.add_argument("--flood", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--cookie", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def repeat(network: Network, directory: Path, options: argparse.Namespace, number: int) -> dict[str, float]:
    """One turn of each; returns their goodputs. What is offered to ours is learnt from the first turn of minimal."""
    directory.mkdir()
    reached: dict[str, float] = {}
    order = ("minimal", "adapter") if options.skip_ours else ("minimal", "adapter", "ours")
    for contender in order if number % 2 == 0 else order[::-1]:
        if contender == "ours":
            command = ours(network, directory, options, OVERLOAD * max(FASTEST))
        else:
            command = presigned(network, directory, options, contender)
        window = watched(network, command, options)
        reached[contender] = window.per_s
        print(f"{number + 1} {contender:<8} {window.per_s:>7,.0f} committed/s over {window.seconds:.1f} s", flush=True)
        if contender == "minimal":
            FASTEST.append(window.per_s)
    return reached


def presigned(network: Network, directory: Path, options: argparse.Namespace, contender: str) -> list[str]:
    """Prepare outputs; minimal gets requests signed now, the adapter signs its own before it begins."""
    count = int(options.seconds * PRESIGNED_PER_S)
    adapter = UtxoAdapter()
    adapter.open(Endpoint(network.endpoint, options=network.adapter_options))
    file = directory / contender
    try:
        fixture = adapter.prepare(Setup(WORKLOAD, WORKLOAD.defaults, ACCOUNTS, count, 1, network.secrets))
        if contender == "minimal":
            file.write_bytes(b"".join(each.payload + b"\n" for each in signed(adapter, count)))
        else:
            file.write_text(json.dumps(asdict(fixture)))
    finally:
        adapter.close()
    mode = "--flood" if contender == "minimal" else "--drive"
    command = [sys.executable, "-m", "benchmarks.utxo_goodput", mode, str(file), "--url", network.endpoint]
    command += ["--cookie", str(network.adapter_options["cookie_file"]), "--seconds", str(options.seconds)]
    return [*command, "--batch", str(options.batch), "--connections", str(options.connections)]


def signed(adapter: UtxoAdapter, count: int) -> list[Transaction]:
    """Payments, senders in turn."""
    return [
        adapter.encode(Operation("transfer", {"to": Account((index + 1) % ACCOUNTS), "amount": 1}), index % ACCOUNTS, 0)
        for index in range(count)
    ]


def ours(network: Network, directory: Path, options: argparse.Namespace, rate: float) -> list[str]:
    """A scenario of the product."""
    key, scenario = directory / "key", directory / "scenario.yaml"
    key.write_text(network.secrets["funding_key"])
    content = {
        "name": "utxo-goodput",
        "endpoint": {"adapter": "utxo", "url": network.endpoint, "options": dict(network.adapter_options)},
        "workload": "transfer",
        "arrival": {"process": "constant", "rate": round(rate)},
        "phases": {"duration": options.seconds, "warm_up": options.seconds / 5},
        "load": {
            "workers": 1,
            "batch": options.batch,
            "linger": "20ms",
            "lanes": options.connections,
            "max_lanes": options.connections,
            "accounts": ACCOUNTS,
            "in_flight": 20_000,
        },
    }
    scenario.write_text(yaml.safe_dump(content))
    out = str(directory / "results")
    return [sys.executable, "bench.py", "run", str(scenario), "--key-file", str(key), "--out", out]


def watched(network: Network, command: Sequence[str], options: argparse.Namespace) -> Window:
    """Run the command, see every block that comes meanwhile."""
    url = urlsplit(network.endpoint)
    node = NodeRpc(str(url.hostname), url.port or 0, read_pair(Path(str(network.adapter_options["cookie_file"]))))
    seen: list[SeenBlock] = []
    done = threading.Event()

    def watch() -> None:
        height = node.call("getblockcount")
        while not done.is_set():
            if node.call("waitforblockheight", height + 1, 500)["height"] > height:
                stamp = time.monotonic_ns()
                height += 1
                seen.append(
                    SeenBlock(height, stamp, node.call("getblock", node.call("getblockhash", height))["nTx"] - 1)
                )

    thread = threading.Thread(target=watch)
    thread.start()
    finished = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    done.set()
    thread.join()
    node.close()
    if finished.returncode not in (0, 3):  # 3: overload is offered on purpose
        raise SystemExit(f"{command[:4]} ended with {finished.returncode}:\n{finished.stdout}\n{finished.stderr}")
    print("".join(f"    {line}\n" for line in finished.stdout.splitlines() if line.strip()), end="")
    begin = next((index for index, block in enumerate(seen) if _is_load(seen, index)), 0)
    return aligned(seen[begin:], int(options.seconds * WARM_UP_SHARE * 1e9), int((options.seconds - 1) * 1e9))


def _is_load(seen: Sequence[SeenBlock], index: int) -> bool:
    """Preparation's few large transactions come before the load: three blocks in a row with many tell that it runs."""
    return all(block.calls > 100 for block in seen[index : index + 3])


def drive(options: argparse.Namespace) -> None:
    """The adapter without the harness."""
    fixture = Fixture(**json.loads(options.drive.read_text()))
    adapter = UtxoAdapter()
    adapter.open(Endpoint(options.url, options={"cookie_file": str(options.cookie)}), fixture)
    every = signed(adapter, int(options.seconds * PRESIGNED_PER_S))
    batches = [every[start : start + options.batch] for start in range(0, len(every), options.batch)]
    until = time.monotonic() + options.seconds
    refused: list[Reply] = []

    def send(mine: Sequence[Sequence[Transaction]]) -> None:
        for batch in mine:
            if time.monotonic() > until:
                return
            refused.extend(reply for reply in adapter.submit(batch) if reply is not ACCEPTED)

    in_threads(send, batches, options.connections)
    adapter.close()
    if refused:
        raise SystemExit(f"{len(refused)} refused, the first: {refused[0]}")


def flood(options: argparse.Namespace) -> None:
    """The minimal client."""
    lines = options.flood.read_bytes().splitlines()
    batches = [lines[start : start + options.batch] for start in range(0, len(lines), options.batch)]
    url = urlsplit(options.url)
    token = base64.b64encode(options.cookie.read_text().strip().encode()).decode()
    head = f"POST / HTTP/1.1\r\nHost: node\r\nAuthorization: Basic {token}\r\nContent-Length: ".encode()
    until = time.monotonic() + options.seconds

    def send(mine: Sequence[Sequence[bytes]]) -> None:
        with socket.create_connection((url.hostname, url.port)) as connection:
            for batch in mine:
                if time.monotonic() > until:
                    return
                body = b"[" + b",".join(batch) + b"]"
                connection.sendall(b"%b%d\r\n\r\n%b" % (head, len(body), body))
                answer = connection.recv(65_536)
                end = answer.index(b"\r\n\r\n") + 4
                size = int(answer[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
                have = len(answer) - end
                while have < size:
                    have += len(connection.recv(65_536))

    in_threads(send, batches, options.connections)


def in_threads(send: Callable[[Any], None], batches: Sequence[Any], connections: int) -> None:
    """Share the batches out, and wait."""
    threads = [threading.Thread(target=send, args=(batches[index::connections],)) for index in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
