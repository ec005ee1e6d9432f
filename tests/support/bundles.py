"""Bundles of trials that never ran: rows drawn from a simple model of a ledger, measured and written by the product.

The model: constant arrivals, blocks at a fixed interval, a transaction is in the first block that comes a drawn time
after its sending. A few are dropped, rejected, refused by business logic, reverted or never seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.bundle.events import Event
from bench.bundle.writer import BundleWriter
from bench.measure.inputs import TrialInput
from bench.measure.record import join_statuses
from bench.measure.summary import summarise
from bench.measure.trials import summarise_trials
from bench.model.ledger_part import ClassInfo, FinalityInfo, LedgerPart
from bench.model.operation import Kind
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.record import BLOCK, NEVER, ROW
from bench.model.resources import ResourceSample
from bench.model.result import Audit, InvariantPart, Result
from bench.model.transaction import ErrorClass
from bench.model.workload import OperationInfo
from bench.monitors.summary import summarise as summarise_resources

S = 1_000_000_000
MS = 1_000_000

SMALLBANK = (
    OperationInfo("amalgamate", Kind.WRITE, 15, "move everything"),
    OperationInfo("balance", Kind.READ, 15, "read a balance"),
    OperationInfo("deposit_checking", Kind.WRITE, 15, "add to checking"),
    OperationInfo("send_payment", Kind.WRITE, 25, "move between accounts"),
    OperationInfo("transact_savings", Kind.WRITE, 15, "add to savings"),
    OperationInfo("write_check", Kind.WRITE, 15, "take from checking"),
)
TRANSFER = (OperationInfo("transfer", Kind.WRITE, 1, "move native coin"),)
READ_SHARE = 0.15
LOST_SHARES = (0.002, 0.001, 0.001, 0.001)  # dropped, rejected, reverted, never included
REFUSED_SHARE = 0.005

CLASSES = {
    "anvil": ClassInfo(
        fault_model="none", tolerated_faults=0, durability="memory only", crypto="secp256k1", operators="one"
    ),
    "sqlite": ClassInfo(
        fault_model="none", tolerated_faults=0, durability="fsync per block", crypto="none", operators="one"
    ),
}


@dataclass(frozen=True)
class SyntheticTrial:
    """Rows with statuses joined, and the blocks they are in."""

    rows: NDArray[np.void]
    blocks: NDArray[np.void]
    phases: Sequence[PhaseSpan]
    planned: int


def synthetic_trial(
    *,
    operations: Sequence[OperationInfo] = SMALLBANK,
    offered: float = 300.0,
    seconds: float = 10.0,
    block_s: float = 1.0,
    seed: int = 1,
    lossless: bool = False,
) -> SyntheticTrial:
    """`offered` writes and reads per second over `seconds`, the first fifth of them warm-up, then 5 s of drain."""
    random = np.random.default_rng(seed)
    planned = round(offered * seconds)
    warm_up, end = round(min(5.0, 0.2 * seconds) * S), round(seconds * S)
    rows = np.zeros(planned, ROW)
    rows["index"] = np.arange(planned)
    rows["intended_ns"] = np.arange(planned) * end // planned
    rows["submitted_ns"] = rows["intended_ns"] + random.gamma(2.0, 0.1 * MS, planned).astype(np.int64)
    rows["accepted_ns"] = rows["submitted_ns"] + random.gamma(3.0, 1.0 * MS, planned).astype(np.int64)
    rows["worker"] = np.arange(planned) % 2
    for name in ("committed_ns", "finalized_ns", "block", "position"):
        rows[name] = NEVER
    weights = np.array([operation.weight for operation in operations], float)
    rows["operation"] = random.choice(len(operations), planned, p=weights / weights.sum())
    reads = np.array([operation.kind is Kind.READ for operation in operations])
    rows["kind"] = reads[rows["operation"]]
    rows["tx_id"] = np.frombuffer(
        b"".join(hashlib.sha256(f"{seed}/{index}".encode()).digest() for index in range(planned)), "V32"
    )
    rows["tx_id"][rows["kind"] == 1] = b""
    blocks = _blocks(block_s, seconds + 5.0, seed)
    _include(rows, blocks, random)
    fate = random.random(planned) if not lossless else np.ones(planned)
    statuses = _fates(rows, blocks, fate)
    join_statuses(rows, blocks, statuses)
    phases = (
        PhaseSpan(Phase.SETUP, -2 * S, 0),
        PhaseSpan(Phase.WARM_UP, 0, warm_up),
        PhaseSpan(Phase.MEASURE, warm_up, end),
        PhaseSpan(Phase.DRAIN, end, end + 5 * S),
    )
    return SyntheticTrial(rows, blocks, phases, planned)


def synthetic_samples(phases: Sequence[PhaseSpan], ledger: str) -> list[ResourceSample]:
    """One sample a second of two workers, an observer and a node."""
    processes = (("worker-0", "harness", 31.0), ("worker-1", "harness", 29.0), ("observer", "harness", 8.0))
    samples = []
    for phase in phases[1:]:
        for at_s in range(phase.start_ns // S, phase.end_ns // S):
            for number, (name, role, cpu) in enumerate((*processes, (f"{ledger}-0", "ledger", 55.0))):
                at_ns = at_s * S + S // 2
                shown = cpu + at_s % 3
                samples.append(
                    ResourceSample(
                        process=name,
                        role=role,
                        pid=4000 + number,
                        at_ns=at_ns,
                        phase=phase.phase,
                        cpu_percent=shown,
                        cpu_s=cpu / 100 * (at_s + 1),
                        rss_bytes=80_000_000 + 100_000 * at_s,
                        read_bytes=0,
                        write_bytes=50_000 * at_s,
                        threads=4,
                        fds=32,
                    )
                )
    return samples


def synthetic_bundle(
    directory: Path,
    *,
    ledger: str = "anvil",
    workload: str = "smallbank",
    trials: int = 2,
    goodput: float = 300.0,
    seed: int = 1,
    seconds: float = 10,
    block_s: float = 1.0,
) -> Path:
    """A closed bundle in `directory` (made if missing), with about `goodput` valid writes per second in every trial."""
    directory.mkdir(parents=True, exist_ok=True)
    operations = SMALLBANK if workload == "smallbank" else TRANSFER
    share = 1 - READ_SHARE if workload == "smallbank" else 1.0
    scenario = f"ledger: {ledger}\nworkload: {workload}\narrival: {{process: constant, rate: {goodput / share:g}}}\n"
    parts = []
    writer = BundleWriter(directory)
    writer.write_scenario(scenario)
    writer.write_environment(synthetic_environment())
    for number in range(1, trials + 1):
        trial = synthetic_trial(
            operations=operations,
            offered=goodput / share / (1 - sum(LOST_SHARES) - REFUSED_SHARE) * (1 + 0.002 * (number - 1)),
            seconds=seconds,
            block_s=block_s,
            seed=seed * 1000 + number,
        )
        samples = synthetic_samples(trial.phases, ledger)
        names = [operation.name for operation in operations]
        writer.add_trial(number, trial.rows, names, trial.blocks, samples)
        for span in trial.phases:
            event = Event("phase_started", f"2026-01-02T03:{number:02d}:00Z", number, span.start_ns, span.phase)
            writer.add_event(event)
        parts.append(
            summarise(
                TrialInput(
                    trial=number,
                    seed=seed * 1000 + number,
                    rows=trial.rows,
                    blocks=trial.blocks,
                    planned=trial.planned,
                    phases=trial.phases,
                    operations=operations,
                    examples={ErrorClass.REVERTED: ["execution reverted: insufficient funds"]},
                    resources=summarise_resources(samples, trial.phases, 0),
                )
            )
        )
    writer.write_result(
        Result(
            run_id=directory.name,
            started_at="2026-01-02T03:04:05Z",
            bench_version="0.1.0",
            command=["bench.py", "run", "--ledger", ledger, "--workload", workload],
            ledger=LedgerPart(
                name=ledger,
                family="evm" if ledger == "anvil" else "sql",
                version="1.7.1",
                nodes=1,
                finality=FinalityInfo(name="1 block", confirmations=0),
                ledger_class=CLASSES.get(ledger, CLASSES["anvil"]),
                flags=["--block-time", f"{block_s:g}"],
            ),
            workload=workload,
            scenario_sha256=hashlib.sha256(scenario.encode()).hexdigest(),
            seed=seed,
            trials=parts,
            summary=summarise_trials(parts),
            audit=Audit(
                invariants=[InvariantPart(name="money_is_conserved", status="held", detail="20,000,000 = 20,000,000")]
            ),
        )
    )
    return writer.close()


def synthetic_environment() -> dict[str, object]:
    """The keys of `environment.json` as the product writes them, with made-up values."""
    return {
        "cpu": {
            "model": "Example CPU @ 3.00GHz",
            "architecture": "x86_64",
            "cores": 4,
            "threads": 8,
            "usable": 8,
            "governor": None,
            "microcode": "0x1",
            "smt": True,
            "turbo": None,
            "flags": ["aes", "avx2", "sha_ni"],
            "mitigations": {"spectre_v1": "Mitigation: usercopy barriers"},
        },
        "memory_bytes": 16_000_000_000,
        "swap_bytes": 0,
        "swappiness": 60,
        "huge_pages": "madvise",
        "numa_nodes": 1,
        "kernel": "6.1.0",
        "kernel_switches": {"mitigations": "auto"},
        "os": "Example Linux 1",
        "virtualisation": "kvm",
        "container": None,
        "clock_source": "tsc",
        "clock_sources": ["tsc", "hpet"],
        "disk": {
            "filesystem": "ext4",
            "kind": "ssd",
            "free_bytes": 1_000_000_000,
            "model": "Example Disk",
            "scheduler": "none",
        },
        "bounds": {"cpu_quota_cores": None, "memory_limit_bytes": None, "open_files": 65_536},
        "busy": {"load_average": [0.1, 0.2, 0.3], "others_cpu_percent": 1.5, "processes": 120},
        "cores_shared_with_ledger": True,
        "network": "loopback",
        "sockets": {"ephemeral_ports": "32768 60999", "listen_backlog_most": "4096"},
        "python": "CPython 3.11.7",
        "python_build": {
            "compiler": "GCC 12.2.0",
            "optimised": True,
            "libc": "glibc 2.36",
            "openssl": "OpenSSL 3.0.0",
            "sqlite": "3.40.1",
        },
        "programs": {"anvil": "1.7.1"},
        "distributions": {"ledger-bench": "0.1.0", "numpy": "2.4.6"},
        "host": "0123456789ab",
    }


def _blocks(block_s: float, until_s: float, seed: int) -> NDArray[np.void]:
    count = int(until_s / block_s)
    random = np.random.default_rng(seed + 7)
    blocks = np.zeros(count, BLOCK)
    blocks["ordinal"] = np.arange(count)
    blocks["height"] = 100 + np.arange(count)
    blocks["observed_ns"] = ((np.arange(count) + 0.37) * block_s * S).astype(np.int64)
    blocks["observed_ns"] += random.integers(0, int(0.01 * block_s * S) + 1, count)
    blocks["gas_used"] = NEVER
    blocks["size_bytes"] = NEVER
    return blocks


def _include(rows: NDArray[np.void], blocks: NDArray[np.void], random: np.random.Generator) -> None:
    writes = np.flatnonzero(rows["kind"] == 0)
    ready = rows["accepted_ns"][writes] + random.gamma(2.0, 15 * MS, len(writes)).astype(np.int64)
    block = np.searchsorted(blocks["observed_ns"], ready)
    rows["outcome"] = Outcome.ANSWERED
    rows["outcome"][writes] = Outcome.FINALIZED
    rows["block"][writes] = block
    rows["committed_ns"][writes] = rows["finalized_ns"][writes] = blocks["observed_ns"][block]
    order = np.argsort(block, kind="stable")
    counts = np.bincount(block, minlength=len(blocks))
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rows["position"][writes[order]] = np.arange(len(writes)) - starts
    blocks["transactions"] = blocks["own"] = counts
    blocks["gas_used"] = counts * 41_000
    blocks["size_bytes"] = 600 + counts * 180


def _fates(rows: NDArray[np.void], blocks: NDArray[np.void], fate: NDArray[np.float64]) -> dict[int, bytes]:
    """Take what is lost out of the rows, and give each block its statuses."""
    write = rows["kind"] == 0
    dropped, rejected, reverted, lost = (float(edge) for edge in np.cumsum(LOST_SHARES))
    _end(rows, write & (fate < dropped), Outcome.DROPPED, ErrorClass.IN_FLIGHT_BOUND)
    _end(rows, write & (fate >= dropped) & (fate < rejected), Outcome.REJECTED, ErrorClass.POOL_FULL)
    _end(rows, write & (fate >= reverted) & (fate < lost), Outcome.UNRESOLVED, ErrorClass.NOT_INCLUDED)
    rows["submitted_ns"][rows["outcome"] == Outcome.DROPPED] = NEVER
    rows["accepted_ns"][(rows["outcome"] == Outcome.DROPPED) | (rows["outcome"] == Outcome.REJECTED)] = NEVER
    refused = write & (fate >= lost) & (fate < lost + REFUSED_SHARE)
    rows["expects_refusal"][refused] = 1
    statuses = {int(block["ordinal"]): bytearray(int(block["transactions"])) for block in blocks}
    for row in rows[write & (fate >= rejected) & (fate < reverted)]:
        statuses[int(row["block"])][int(row["position"])] = ErrorClass.REVERTED
    for row in rows[refused]:
        statuses[int(row["block"])][int(row["position"])] = ErrorClass.BUSINESS_REFUSAL
    return {ordinal: bytes(status) for ordinal, status in statuses.items()}


def _end(rows: NDArray[np.void], which: NDArray[np.bool_], outcome: Outcome, error_class: ErrorClass) -> None:
    rows["outcome"][which] = outcome
    rows["error_class"][which] = error_class
    for name in ("committed_ns", "finalized_ns", "block", "position"):
        rows[name][which] = NEVER
