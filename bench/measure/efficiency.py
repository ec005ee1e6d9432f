"""What one valid transaction cost, per node, for the network, and on our side. Unknown stays unknown: no sum leaves out
a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bench.measure.inputs import TrialInput
from bench.measure.latencies import Mask
from bench.model.phase import Outcome, Phase
from bench.model.resources import UNKNOWN
from bench.model.result import Efficiency, ProcessResources
from bench.stats.window import plain_window

NETWORK = "network"
HARNESS = "harness"


def efficiency(trial: TrialInput) -> list[Efficiency]:
    """One row per node, then the network, then the harness.

    CPU and storage traffic are of the measure phase, divided by the transactions that became final in it; gas and bytes
    of blocks are of its blocks, divided by the final transactions in those; growth on disk and bytes sent are of the
    whole trial, divided by all its final transactions. Reads are not divided by, so what they took is in the figures:
    `reads_share_it` says so.
    """
    final = trial.rows["outcome"] == Outcome.FINALIZED
    measure = plain_window(trial.measure.start_ns, trial.measure.end_ns)
    in_phase, in_trial = measure.count(trial.rows["finalized_ns"][final]), int(np.count_nonzero(final))
    used = [part for part in trial.resources if part.phase == Phase.MEASURE]
    of_ledger = [part for part in used if part.role == "ledger"]
    watched = {part.process for part in of_ledger}
    nodes = sorted(watched | trial.disk_growth.keys())
    gas, size = _chain(trial, final)
    return [
        *(
            Efficiency(
                node=node,
                **_of_processes([part for part in of_ledger if part.process == node], in_phase),
                disk_growth_bytes_per_tx=_per(trial.disk_growth.get(node), in_trial),
            )
            for node in nodes
        ),
        Efficiency(
            node=NETWORK,
            **_of_processes(of_ledger if watched == set(nodes) else [], in_phase),
            disk_growth_bytes_per_tx=_per(_sum(trial.disk_growth.get(node) for node in nodes), in_trial),
            gas_per_tx=gas,
            block_bytes_per_tx=size,
        ),
        Efficiency(
            node=HARNESS,
            **_of_processes(_ours(trial, used), in_phase),
            sent_bytes_per_tx=_per(trial.sent_bytes, in_trial),
        ),
    ]


def reads_share_it(trial: TrialInput) -> str:
    """That what reads took is in the cost of a valid transaction; empty where none was sent in the measure phase."""
    rows, measure = trial.rows, plain_window(trial.measure.start_ns, trial.measure.end_ns)
    reads = measure.count(rows["submitted_ns"][rows["kind"] != 0])
    if not reads:
        return ""
    valid = measure.count(rows["finalized_ns"][rows["outcome"] == Outcome.FINALIZED])
    return (
        f"{reads:,} reads share the cost of {valid:,} valid transactions: processor time, storage traffic and bytes "
        "sent per valid transaction include what the reads took, so compare them only at the same mix of operations"
    )


def _ours(trial: TrialInput, used: Sequence[ProcessResources]) -> list[ProcessResources]:
    """All our processes, or none where some ran on hosts that are not watched."""
    ours = [part for part in used if part.role == "harness"]
    whole = trial.hosts == 1 and any(part.process.startswith("worker") for part in ours)
    return ours if whole else []


def _of_processes(parts: Sequence[ProcessResources], transactions: int) -> dict[str, float | None]:
    if not parts:
        return {}
    return {
        "cpu_s_per_tx": _per(sum(part.cpu_s for part in parts), transactions),
        "written_bytes_per_tx": _per(_sum(_known(part.write_bytes) for part in parts), transactions),
        "read_bytes_per_tx": _per(_sum(_known(part.read_bytes) for part in parts), transactions),
    }


def _chain(trial: TrialInput, final: Mask) -> tuple[float | None, float | None]:
    """Gas and bytes of the measure phase's blocks; None where transactions are in them that are neither rows nor
    fillers: what is whose cannot be told.
    """
    stamps = trial.blocks["observed_ns"]
    inside = (stamps >= trial.measure.start_ns) & (stamps < trial.measure.end_ns) & (trial.blocks["orphaned"] == 0)
    blocks = trial.blocks[inside]
    others = int(blocks["transactions"].sum()) - int(blocks["own"].sum())
    if trial.hosts > 1 or others > trial.fillers:
        return None, None
    transactions = int(np.count_nonzero(np.isin(trial.rows["block"][final], blocks["ordinal"])))
    return (
        _per(_sum(_known(gas) for gas in blocks["gas_used"].tolist()), transactions),
        _per(_sum(_known(size) for size in blocks["size_bytes"].tolist()), transactions),
    )


def _known(count: int) -> int | None:
    return None if count == UNKNOWN else count


def _sum(counts: Iterable[int | None]) -> int | None:
    """None when there is nothing to add up, or when any part is not known."""
    known = list(counts)
    return None if not known or None in known else sum(count for count in known if count is not None)


def _per(amount: float | None, transactions: int) -> float | None:
    return None if amount is None or not transactions else amount / transactions
