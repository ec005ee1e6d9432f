"""Goodput of two load generators on one litecoin network, in turn: how much of the nodes' speed the harness reaches.

    .venv/bin/python -m benchmarks.utxo_goodput [--repeats 3] [--seconds 16] [--batch 50] [--connections 4]

One network with the product's own flags. In each repeat, the second and later ones in reversed order:

- `minimal`: a process that posts transactions signed beforehand in JSON-RPC batches over raw sockets, as fast as the
  node answers; it measures nothing. (The family's own tool, litecoin-cli, starts a process for every call.)
- `ours`: `bench.py run`, one worker, as many connections, batches as large, offered 1.1 times what `minimal` reached.

Goodput is counted the same way for both, from outside: a thread notes when each block appears at the mining node and
how many transactions it holds beside its coinbase. The window lies between two blocks, warm-up and drain left out.
"""

from __future__ import annotations

import argparse
import base64
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from bench.adapters.protocol import Endpoint, Setup
from bench.adapters.utxo.adapter import UtxoAdapter
from bench.ledgers.bitcoin_rpc import NodeRpc, read_pair
from bench.ledgers.litecoin import LitecoinLedger
from bench.model.ledger import Network
from bench.model.operation import Account, Operation
from benchmarks.goodput.window import SeenBlock, Window, aligned
from workloads.transfer import WORKLOAD

ACCOUNTS = 200
PRESIGNED_PER_S = 3_500
OVERLOAD = 1.1
WARM_UP_SHARE = 0.25
HERE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Both contenders, several times, then the ratio."""
    options = arguments()
    if options.flood is not None:
        flood(options)
        return
    ledger = LitecoinLedger()
    with tempfile.TemporaryDirectory(prefix="utxo-goodput-") as name:
        directory = Path(name)
        network = ledger.up(directory / "ledger", {}, lambda text: print(text, file=sys.stderr))
        try:
            ratios = [repeat(network, directory / str(number), options, number) for number in range(options.repeats)]
        finally:
            ledger.down(network)
    print(f"ours / minimal, goodput: median {statistics.median(ratios):.2f} of {len(ratios)} (target: at least 0.80)")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=16)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--flood", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--cookie", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def repeat(network: Network, directory: Path, options: argparse.Namespace, number: int) -> float:
    """One turn of each; returns ours divided by minimal. The first turn of ours needs to know what minimal reached."""
    directory.mkdir()
    if number == 0:
        repeat.rate = 0.0  # type: ignore[attr-defined] # learnt in the first turn, kept for all
    windows: dict[str, Window] = {}
    for contender in ("minimal", "ours") if number % 2 == 0 else ("ours", "minimal"):
        if contender == "minimal":
            command = minimal(network, directory, options)
        else:
            command = ours(network, directory, options, repeat.rate)  # type: ignore[attr-defined] # see above
        windows[contender] = window = watched(network, command, options)
        print(f"{number + 1} {contender:<8} {window.per_s:>7,.0f} committed/s over {window.seconds:.1f} s", flush=True)
        if contender == "minimal":
            repeat.rate = max(repeat.rate, OVERLOAD * window.per_s)  # type: ignore[attr-defined] # see above
    return windows["ours"].per_s / windows["minimal"].per_s


def minimal(network: Network, directory: Path, options: argparse.Namespace) -> list[str]:
    """Sign everything now; the process only sends."""
    count = int(options.seconds * PRESIGNED_PER_S)
    adapter = UtxoAdapter()
    adapter.open(Endpoint(network.endpoint, options=network.adapter_options))
    try:
        adapter.prepare(Setup(WORKLOAD, WORKLOAD.defaults, ACCOUNTS, count, 1, network.secrets))
        file = directory / "signed"
        with file.open("wb") as lines:
            for index in range(count):
                payment = Operation("transfer", {"to": Account((index + 1) % ACCOUNTS), "amount": 1})
                lines.write(adapter.encode(payment, index % ACCOUNTS, 0).payload + b"\n")
    finally:
        adapter.close()
    command = [sys.executable, "-m", "benchmarks.utxo_goodput", "--flood", str(file), "--url", network.endpoint]
    command += ["--cookie", str(network.adapter_options["cookie_file"]), "--seconds", str(options.seconds)]
    return [*command, "--batch", str(options.batch), "--connections", str(options.connections)]


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
    begin = next((index for index, block in enumerate(seen) if _is_load(seen, index)), 0)
    return aligned(seen[begin:], int(options.seconds * WARM_UP_SHARE * 1e9), int((options.seconds - 1) * 1e9))


def _is_load(seen: Sequence[SeenBlock], index: int) -> bool:
    """Preparation's few large transactions come before the load: three blocks in a row with many tell that it runs."""
    return all(block.calls > 100 for block in seen[index : index + 3])


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

    threads = [
        threading.Thread(target=send, args=(batches[index :: options.connections],))
        for index in range(options.connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
