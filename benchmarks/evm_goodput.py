"""Goodput of load generators on one EVM ledger, and what each costs the machine.

    .venv/bin/python -m benchmarks.evm_goodput [--ledger anvil] [--repeats 3] [--seconds 20] [--skip-caliper]

Each contender gets a fresh ledger with the product's own flags (blocks of 1 s, a gas limit no block reaches) and calls
`depositChecking` of the same SmallBank contract: one existing storage slot rewritten, customers in turn.

- `flooder`: `benchmarks/goodput/flooder.py`, signed beforehand, raw sockets, nothing measured.
- `ours`: `bench.py run`, one worker, offered a rate above what the flooder reached.
- `caliper W:CONTROLLER:VALUE`: Hyperledger Caliper 0.6.0 with its ethereum connector and W workers; on anvil only.

Goodput is counted the same way for all, from outside: a thread of this command notes when each block appears, and when
the load is over it reads blocks and receipts from the chain. Counted are valid calls between two blocks, warm-up and
drain left out. Client CPU is that of the whole process tree over the same window; what is signed ahead of the window
is added (the flooder's signing; all of our encoder's life, its start included). Percentages are of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import registry
from bench.model.ledger import Network
from benchmarks.goodput.chain import read_blocks
from benchmarks.goodput.contenders import Caliper, Command, Contender, Flooder, Load, Ours, install_caliper
from benchmarks.goodput.usage import MACHINE
from benchmarks.goodput.watch import NODE, Watch
from benchmarks.goodput.window import SeenBlock, Window, aligned, used_between

OVERLOAD = 1.1
WARM_UP_SHARE = 0.25
PATIENCE_S = 150
CALIPER_RUNS = ("1:fixed-rate:500", "1:fixed-rate:600", "1:fixed-rate:800", "1:fixed-load:2000", "2:fixed-rate:600")


@dataclass(frozen=True, slots=True)
class Result:
    """One contender on one ledger. CPU in microseconds per valid call, `parts` by process of the client, and in percent
    of a core; `others_percent` is what anything else on the machine used meanwhile.
    """

    name: str
    window: Window
    parts: dict[str, float]
    node_us: float
    node_percent: float
    others_percent: float
    said: str

    @property
    def client_us(self) -> float:
        """All processes of the client."""
        return sum(self.parts.values())


def main() -> None:
    """All contenders, several times, then the table."""
    options = arguments()
    load = Load(options.seconds, options.batch, options.in_flight)
    ours = Ours(options.rate)
    contenders: list[Contender] = [Flooder(options.connections), ours]
    if options.ledger == "anvil" and not options.skip_caliper:
        program = install_caliper()
        contenders += [caliper(text, program) for text in options.caliper]
    results: dict[str, list[Result]] = defaultdict(list)
    for repeat in range(options.repeats):
        for contender in contenders if repeat % 2 == 0 else reversed(contenders):
            result = run(options.ledger, contender, load)
            results[contender.name].append(result)
            print(line(result), flush=True)
            if contender.name == "flooder" and not options.rate:
                ours.rate = max(ours.rate, round(OVERLOAD * result.window.per_s, -2))
    print()
    table(results)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", default="anvil", help="any managed ledger of family evm")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="length of the load, warm-up included")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=4, help="of the flooder")
    parser.add_argument(
        "--rate", type=float, default=0, help="offered by ours; 0: 1.1 times the flooder's best goodput"
    )
    parser.add_argument("--skip-caliper", action="store_true")
    parser.add_argument("--caliper", nargs="+", metavar="W:CONTROLLER:VALUE", default=CALIPER_RUNS)
    return parser.parse_args()


def caliper(text: str, program: Path) -> Caliper:
    """From `workers:controller:value`."""
    workers, controller, value = text.split(":")
    return Caliper(int(workers), controller, int(value), program)


def run(name: str, contender: Contender, load: Load) -> Result:
    """One contender on a fresh ledger."""
    with tempfile.TemporaryDirectory(prefix="evm-goodput-") as scratch:
        directory = Path(scratch)
        ledger = registry.ledger(name)
        network = ledger.up(directory / "ledger", {}, lambda text: print(text, file=sys.stderr))
        try:
            command = contender.prepare(network, directory, load)
            said, watch = drive(command, network, directory / "contender.log")
            blocks = read_blocks(network.endpoint, watch.seen)
            return measured(contender, load, blocks, watch, said)
        finally:
            ledger.down(network)


def drive(command: Command, network: Network, log: Path) -> tuple[str, Watch]:
    """Run the contender until it ends or has said its last words; returns what it printed."""
    node = network.nodes[0].pid
    assert node is not None
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.arguments,
            cwd=command.directory,
            env={**os.environ, **command.environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    watch = Watch(network.endpoint, node, process.pid)
    try:
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(command.orders.encode())
        wait(process, log, command.last_words)
    finally:
        end_group(process)
        watch.stop()
    return log.read_text(), watch


def wait(process: subprocess.Popen[bytes], log: Path, last_words: str) -> None:
    """Until it ends; a program that then stays (Caliper's open connections keep it) is known by its last words."""
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and not (last_words and last_words in log.read_text()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{process.args!r} did not end in {PATIENCE_S} s:\n{log.read_text()}")
        time.sleep(0.2)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Nothing of the contender outlives its run."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of it has ended
    process.wait()


def measured(contender: Contender, load: Load, blocks: Sequence[SeenBlock], watch: Watch, said: str) -> Result:
    """Goodput and CPU of the window."""
    try:
        window = aligned(blocks, int(load.seconds * WARM_UP_SHARE * 1e9), int((load.seconds - 1) * 1e9))
    except ValueError as error:
        raise SystemExit(f"{contender.name}: {error}\n{said}") from error
    used = used_between(watch.samples, window.start_ns, window.end_ns)
    machine, node = used.pop(MACHINE), used.pop(NODE)
    others = machine - node - sum(used.values())
    parts = {name: seconds * 1e6 / window.calls for name, seconds in used.items()}
    if contender.ahead in parts:
        parts[contender.ahead] = watch.samples[-1].used_s[contender.ahead] * 1e6 / sum(block.calls for block in blocks)
    if isinstance(contender, Flooder):
        parts["signing ahead"] = json.loads(said.splitlines()[-1])["signing_us"]
    return Result(
        contender.name,
        window,
        parts,
        node * 1e6 / window.calls,
        100 * node / window.seconds,
        100 * others / window.seconds,
        said,
    )


def line(result: Result) -> str:
    """One run, in words."""
    parts = ", ".join(f"{name} {us:.0f}" for name, us in result.parts.items())
    return (
        f"{result.name:<26} {result.window.per_s:>7,.0f} valid/s over {result.window.seconds:.1f} s; "
        f"client {result.client_us:.0f} µs/tx ({parts}); node {result.node_us:.0f} µs/tx, "
        f"{result.node_percent:.0f} % of a core; other programs {result.others_percent:.0f} %"
    )


def table(results: dict[str, list[Result]]) -> None:
    """Medians and the three ratios."""
    goodput = {name: statistics.median(run.window.per_s for run in runs) for name, runs in results.items()}
    client = {name: statistics.median(run.client_us for run in runs) for name, runs in results.items()}
    heads = f"{'valid/s':>8} {'client µs/tx':>13} {'node µs/tx':>11} {'node':>6} {'others':>7} {'runs':>5}"
    print(f"{'contender':<26} {heads}")
    for name, runs in results.items():
        node_us, node, others = (
            statistics.median(values)
            for values in zip(*((run.node_us, run.node_percent, run.others_percent) for run in runs), strict=True)
        )
        print(
            f"{name:<26} {goodput[name]:>8,.0f} {client[name]:>13,.0f} {node_us:>11,.0f} {node:>5.0f}% {others:>6.0f}% "
            f"{len(runs):>5}"
        )
    print(f"\nours / flooder, goodput         {goodput['ours'] / goodput['flooder']:.2f}   (target: at least 0.90)")
    calipers = [name for name in results if name.startswith("caliper")]
    if calipers:
        best = max(calipers, key=goodput.__getitem__)
        print(f"ours / best Caliper, goodput    {goodput['ours'] / goodput[best]:.2f}   (target: at least 6; {best})")
        print(f"ours / best Caliper, client CPU {client['ours'] / client[best]:.3f}  (target: at most 0.100)")


if __name__ == "__main__":
    main()
