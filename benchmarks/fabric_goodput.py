"""Goodput of two load generators on one Fabric network, in turn: how much of the network's speed the harness reaches.

    .venv/bin/python -m benchmarks.fabric_goodput [--repeats 3] [--seconds 12] [--path pipeline] [--concurrency 128]
                                                  [--in-flight 800] [--batch 1]

One network with the product's own flags. In each repeat, the second and later ones in reversed order:

- `minimal`: a Go program (fabric_minimal/) that has proposals signed beforehand endorsed by both peers and ordered,
  `--concurrency` at a time, each next one as soon as one is done. It reads no blocks and measures nothing;
- `ours`: `bench.py run`, one worker, offered 1.2 times the most that `minimal` reached, `--in-flight` transactions
  open at once: what arrives beyond is dropped, so that the network is full and nothing piles up. The bound has to
  cover what waits for its block to be committed too, which `minimal` does not wait for.

Both send transfers, each of another account. Goodput is counted the same way for both, from outside: a thread
follows the blocks and counts VALID transactions. The window lies between two blocks, warm-up and drain left out; it
begins with the load, not with what the harness does before it (opening accounts, calibration, encoding).

On a small machine nodes and load share the processors. So the CPU time of each process per valid transaction is shown
too, and what of the machine went to others meanwhile. Nodes' and load's CPU together, of `minimal` in proportion to
`ours`, is what the ratio of goodputs would be if the processors were full and CPU cost the same in every turn. What
else runs disturbs both ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
from benchmarks.goodput.usage import MACHINE, Usage, role_of
from benchmarks.goodput.window import SeenBlock, Window, aligned, used_between
from workloads.transfer import WORKLOAD

ACCOUNTS = 5_000  # many more than there are payments in a block interval: none of them conflict
PRESIGNED_PER_S = 1_200
OVERLOAD = 1.2
WARM_UP_SHARE = 0.25
SHOWN_US = 5
HERE = Path(__file__).resolve().parent
MINIMAL = GoSource("fabric-minimal", HERE / "fabric_minimal", size="about 15 MB of source", takes="half a minute")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contender reached, and CPU in µs per valid transaction: by process, and of others on the machine."""

    window: Window
    cpu_us: Mapping[str, float]
    others_us: float

    @property
    def all_us(self) -> float:
        """Of the nodes and the load."""
        return sum(self.cpu_us.values())


def main() -> None:
    """Both contenders, several times, then the ratios."""
    options = arguments()
    ledger = FabricLedger()
    program = build(MINIMAL, say) / MINIMAL.name
    with tempfile.TemporaryDirectory(prefix="fabric-goodput-") as name:
        directory = Path(name)
        network = ledger.up(directory / "ledger", {"chaincodes": ["transfer"], "submit_path": options.path}, say)
        try:
            reached, turns = 0.0, []
            for number in range(options.repeats):
                turns.append(repeat(network, program, directory / str(number), options, number, reached))
                reached = max(reached, turns[-1]["minimal"].window.per_s)
        finally:
            ledger.down(network)
    summary(turns)


def summary(turns: Sequence[Mapping[str, Turn]]) -> None:
    """Medians of the repeats' ratios, and CPU by process."""
    for contender in turns[0]:
        names = sorted({name for turn in turns for name in turn[contender].cpu_us})
        medians = {name: statistics.median(turn[contender].cpu_us.get(name, 0.0) for turn in turns) for name in names}
        shown = ", ".join(f"{name} {used:,.0f}" for name, used in medians.items() if used >= SHOWN_US)
        print(f"{contender}: median µs of CPU per valid transaction: {shown}")
    goodput = sorted(turn["ours"].window.per_s / turn["minimal"].window.per_s for turn in turns)
    cpu = sorted(turn["minimal"].all_us / turn["ours"].all_us for turn in turns)
    for what, ratios in (("goodput", goodput), ("CPU of nodes and load, minimal / ours", cpu)):
        middle = statistics.median(ratios)
        print(f"{what}: median {middle:.2f} of {len(ratios)}, {ratios[0]:.2f} to {ratios[-1]:.2f} (target: 0.80)")


def say(text: str) -> None:
    """Progress goes beside the figures."""
    print(text, file=sys.stderr)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--path", choices=("pipeline", "gateway"), default="pipeline")
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--in-flight", type=int, default=800)
    parser.add_argument("--batch", type=int, default=1)
    return parser.parse_args()


def repeat(
    network: Network, program: Path, directory: Path, options: argparse.Namespace, number: int, reached: float
) -> dict[str, Turn]:
    """One turn of each. The first turn of ours needs to know what minimal reached."""
    directory.mkdir()
    turns: dict[str, Turn] = {}
    for contender in ("minimal", "ours") if number % 2 == 0 else ("ours", "minimal"):
        if contender == "minimal":
            command = minimal(network, program, directory, options)
        else:
            rate = reached or turns["minimal"].window.per_s
            command = ours(network, directory, options, OVERLOAD * rate)
        turns[contender] = turn = watched(network, command, options, directory)
        window, cpu = turn.window, f"CPU/tx {turn.all_us:,.0f} µs, others {turn.others_us:,.0f}"
        print(
            f"{number + 1} {contender:<8} {window.per_s:>7,.0f} valid/s over {window.seconds:.1f} s; {cpu}", flush=True
        )
    return turns


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
        "load": {"workers": 1, "accounts": ACCOUNTS, "in_flight": options.in_flight, "batch": options.batch},
    }
    scenario.write_text(yaml.safe_dump(content))
    return [sys.executable, "bench.py", "run", str(scenario), "--out", str(directory / "results")]


def watched(network: Network, command: Sequence[str], options: argparse.Namespace, directory: Path) -> Turn:
    """Run the command, see every block that comes meanwhile and the CPU that is used."""
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
    with (directory / "said").open("w+") as said:
        child = subprocess.Popen(command, cwd=HERE.parent, stdout=said, stderr=said)
        usage = Usage({node.pid: role_of(node.name) for node in network.nodes if node.pid is not None}, child.pid)
        code = child.wait()
        usage.stop()
        done.set()
        thread.join()
        adapter.close()
        if code not in (0, 3):  # 3: overload is offered on purpose
            said.seek(0)
            raise SystemExit(f"{command[:4]} ended with {code}:\n{said.read()}")
    begin = load_began(directory / "results")
    load = [block for block in seen if block.seen_ns >= begin]
    window = aligned(load, int(options.seconds * WARM_UP_SHARE * 1e9), int((options.seconds - 1) * 1e9))
    used = used_between(usage.samples, window.start_ns, window.end_ns)
    cpu_us = {name: 1e6 * seconds / window.calls for name, seconds in used.items()}
    machine_us = cpu_us.pop(MACHINE)
    return Turn(window, cpu_us, machine_us - sum(cpu_us.values()))


def load_began(results: Path) -> int:
    """When the newest run began to send, on our monotonic clock; 0 where there is none."""
    for events in results.glob("*/events.jsonl"):
        for line in events.read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "phase" and event["detail"] == "warm_up":
                age_s = time.time() - datetime.fromisoformat(event["at"]).timestamp()
                return time.monotonic_ns() - int(age_s * 1e9)
    return 0


if __name__ == "__main__":
    main()
