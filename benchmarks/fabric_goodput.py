"""Goodput of two load generators on one Fabric network, in turn: how much of the network's speed the harness reaches.

    .venv/bin/python -m benchmarks.fabric_goodput [--repeats 3] [--seconds 16] [--path pipeline] [--concurrency 128]

One network with the product's own flags. In each repeat, the second and later ones in reversed order:

- `minimal`: a Go program (fabric_minimal/) that has proposals signed beforehand endorsed and ordered, as fast as the
  network takes them, and measures nothing;
- `ours`: `bench.py run`, one worker, offered 1.1 times what `minimal` reached.

Both send transfers, each of another account. Goodput is counted the same way for both, from outside: a thread
follows the blocks and counts VALID transactions. The window lies between two blocks, warm-up and drain left out.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import yaml

from bench.adapters.fabric.adapter import FabricAdapter
from bench.adapters.fabric.process import ClientSpec
from bench.adapters.fabric.profile import read_profile
from bench.adapters.protocol import Endpoint, Setup
from bench.ledgers.fabric.ledger import FabricLedger
from bench.ledgers.install.golang import GoSource, build
from bench.model.ledger import Network
from bench.model.operation import Account, Operation
from bench.model.transaction import Block
from benchmarks.goodput.window import SeenBlock, Window, aligned
from workloads.transfer import WORKLOAD

ACCOUNTS = 5_000  # many more than there are payments in a block interval: none of them conflict
PRESIGNED_PER_S = 1_200
OVERLOAD = 1.1
WARM_UP_SHARE = 0.25
HERE = Path(__file__).resolve().parent
MINIMAL = GoSource("fabric-minimal", HERE / "fabric_minimal", size="about 15 MB of source", takes="half a minute")


def main() -> None:
    """Both contenders, several times, then the ratio."""
    options = arguments()
    ledger = FabricLedger()
    program = build(MINIMAL, say) / MINIMAL.name
    with tempfile.TemporaryDirectory(prefix="fabric-goodput-") as name:
        directory = Path(name)
        network = ledger.up(directory / "ledger", {"chaincodes": ["transfer"], "submit_path": options.path}, say)
        try:
            reached, ratios = 0.0, []
            for number in range(options.repeats):
                found = repeat(network, program, directory / str(number), options, number, reached)
                reached = max(reached, found["minimal"].per_s)
                ratios.append(found["ours"].per_s / found["minimal"].per_s)
        finally:
            ledger.down(network)
    print(f"ours / minimal, goodput: median {statistics.median(ratios):.2f} of {len(ratios)} (target: at least 0.80)")


def say(text: str) -> None:
    """Progress goes beside the figures."""
    print(text, file=sys.stderr)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=16)
    parser.add_argument("--path", choices=("pipeline", "gateway"), default="pipeline")
    parser.add_argument("--concurrency", type=int, default=128)
    return parser.parse_args()


def repeat(
    network: Network, program: Path, directory: Path, options: argparse.Namespace, number: int, reached: float
) -> dict[str, Window]:
    """One turn of each. The first turn of ours needs to know what minimal reached."""
    directory.mkdir()
    windows: dict[str, Window] = {}
    for contender in ("minimal", "ours") if number % 2 == 0 else ("ours", "minimal"):
        if contender == "minimal":
            command = minimal(network, program, directory, options)
        else:
            rate = reached or windows["minimal"].per_s
            command = ours(network, directory, options, OVERLOAD * rate)
        windows[contender] = window = watched(network, command, options)
        print(f"{number + 1} {contender:<8} {window.per_s:>7,.0f} valid/s over {window.seconds:.1f} s", flush=True)
    return windows


def minimal(network: Network, program: Path, directory: Path, options: argparse.Namespace) -> list[str]:
    """Sign everything now; the program only sends."""
    endpoint = Endpoint(network.endpoint, options=network.adapter_options)
    known = {name: Path(str(network.adapter_options[name])) for name in ("profile", "cert", "key")}
    adapter, signed, config = FabricAdapter(), directory / "proposals", directory / "config.json"
    adapter.open(endpoint)
    try:
        adapter.prepare(Setup(WORKLOAD, WORKLOAD.defaults, ACCOUNTS, 1, 1))
        with signed.open("wb") as file:
            for index in range(int(options.seconds * PRESIGNED_PER_S)):
                payment = Operation("transfer", {"to": Account((index + 1) % ACCOUNTS), "amount": 1})
                proposal = adapter.encode(payment, index % ACCOUNTS, 0).payload[1:]
                file.write(len(proposal).to_bytes(4, "big") + proposal)
    finally:
        adapter.close()
    profile = read_profile(known["profile"], None, None, network.endpoint)
    config.write_bytes(ClientSpec(profile, known["cert"], known["key"], "pipeline", 1, 30.0).as_line(Path()))
    return [str(program), str(config), str(signed), str(options.concurrency), str(options.seconds)]


def ours(network: Network, directory: Path, options: argparse.Namespace, rate: float) -> list[str]:
    """A scenario of the product."""
    scenario = directory / "scenario.yaml"
    content = {
        "name": "fabric-goodput",
        "endpoint": {"adapter": "fabric", "url": network.endpoint, "options": dict(network.adapter_options)},
        "workload": "transfer",
        "arrival": {"process": "constant", "rate": round(rate)},
        "phases": {"duration": options.seconds, "warm_up": options.seconds / 5},
        "load": {"workers": 1, "accounts": ACCOUNTS, "in_flight": 20_000},
    }
    scenario.write_text(yaml.safe_dump(content))
    return [sys.executable, "bench.py", "run", str(scenario), "--out", str(directory / "results")]


def watched(network: Network, command: Sequence[str], options: argparse.Namespace) -> Window:
    """Run the command, see every block that comes meanwhile."""
    adapter = FabricAdapter()
    adapter.open(Endpoint(network.endpoint, options=network.adapter_options))
    seen: list[SeenBlock] = []
    done = threading.Event()

    def watch() -> None:
        for block in adapter.commits(None):
            if isinstance(block, Block):
                seen.append(SeenBlock(block.height, block.observed_at_ns, (block.error_classes or b"").count(0)))
            if done.is_set():
                return

    thread = threading.Thread(target=watch)
    thread.start()
    finished = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    done.set()
    thread.join()
    adapter.close()
    if finished.returncode not in (0, 3):  # 3: overload is offered on purpose
        raise SystemExit(f"{command[:4]} ended with {finished.returncode}:\n{finished.stdout}\n{finished.stderr}")
    return aligned(seen, int(options.seconds * WARM_UP_SHARE * 1e9), int((options.seconds - 1) * 1e9))


if __name__ == "__main__":
    main()
