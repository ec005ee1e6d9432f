"""One trial on the scripted ledger in virtual time: rows and blocks as a real trial leaves them, without the waiting.

Left out: the network, the harness's own lateness and noise of the machine. Kept: the arrivals, the ledger, the bound on
what is in flight, the phases, and blocks that are out of step with the start of the trial.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from bench.ledgers.simulated_chain import Pending, SimulatedChain
from bench.ledgers.simulated_options import SimulatedOptions
from bench.measure.inputs import TrialInput
from bench.measure.warm_up import check_warm_up
from bench.model.clock import NS_PER_S
from bench.model.operation import Kind
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.record import BLOCK, NEVER, ROW
from bench.model.result import ProcessResources
from bench.model.transaction import ErrorClass
from bench.model.workload import OperationInfo
from bench.run.search import Ask
from bench.scenario.arrival import ArrivalProcess, intended_times
from bench.scenario.schema import IN_FLIGHT, IN_FLIGHT_S

DRAIN_NS = 5 * NS_PER_S
OPERATIONS = (OperationInfo("pay", Kind.WRITE, 1, "pay"),)
CALM_WORKER = ProcessResources(
    process="worker-0",
    role="harness",
    phase="measure",
    cpu_percent_mean=10,
    cpu_percent_max=10,
    rss_bytes_max=1,
    cpu_s=1,
    read_bytes=0,
    write_bytes=0,
)


def virtual_trial(
    options: SimulatedOptions, arrivals: ArrivalProcess, asked: Ask, number: int, seed: int
) -> TrialInput:
    """What a trial of the load `arrivals`, of the lengths asked for, leaves behind."""
    duration_ns = asked.warm_up_ns + asked.measure_ns
    due = np.concatenate(list(intended_times(arrivals, duration_ns, seed)))
    bound = max(IN_FLIGHT, round(IN_FLIGHT_S * asked.offered_per_s))
    rows, blocks = _run(options.model_copy(update={"seed": seed}), due, duration_ns + DRAIN_NS, bound)
    end_ns = duration_ns + DRAIN_NS
    phases, warm_up = check_warm_up(
        rows,
        blocks,
        (
            PhaseSpan(Phase.WARM_UP, 0, asked.warm_up_ns),
            PhaseSpan(Phase.MEASURE, asked.warm_up_ns, duration_ns),
            PhaseSpan(Phase.DRAIN, duration_ns, end_ns),
        ),
        steady_load=True,
    )
    return TrialInput(
        trial=number,
        seed=seed,
        rows=rows,
        blocks=blocks,
        planned=len(rows),
        phases=phases,
        operations=OPERATIONS,
        resources=[CALM_WORKER],
        warm_up=warm_up,
    )


def _run(
    options: SimulatedOptions, due: NDArray[np.int64], end_ns: int, bound: int
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Submit everything when it is due, and look at every block when it is made."""
    interval_ns = round(options.block_interval_ms * 1_000_000)
    started_ns = -round(random.Random(options.seed).random() * interval_ns)
    chain = SimulatedChain(options, started_ns)
    final_ns = [NEVER] * len(due)
    block_of = [NEVER] * len(due)
    made: list[tuple[int, int]] = []
    dropped: list[int] = []
    open_count = 0
    times = due.tolist()
    place, tick_ns = 0, started_ns + interval_ns
    while tick_ns <= end_ns:
        while place < len(times) and times[place] <= tick_ns:
            if open_count < bound:
                chain.submit(times[place], Pending(place.to_bytes(4, "big"), 0, place))
                open_count += 1
            else:
                dropped.append(place)
            place += 1
        for block in chain.advance(tick_ns):
            for tx_id in block.tx_ids:
                which = int.from_bytes(tx_id, "big")
                final_ns[which], block_of[which] = tick_ns, len(made)
            open_count -= len(block.tx_ids)
            made.append((tick_ns, len(block.tx_ids)))
        if place == len(times) and not open_count:
            break
        tick_ns += interval_ns
    return _rows(due, final_ns, block_of, dropped), _blocks(made)


def _rows(due: NDArray[np.int64], final_ns: list[int], block_of: list[int], dropped: list[int]) -> NDArray[np.void]:
    rows = np.zeros(len(due), ROW)
    final = np.array(final_ns)
    rows["index"] = np.arange(len(due))
    for stamp in ("intended_ns", "submitted_ns", "accepted_ns"):
        rows[stamp] = due
    rows["committed_ns"] = rows["finalized_ns"] = final
    rows["block"] = block_of
    rows["outcome"] = np.where(final >= 0, Outcome.FINALIZED, Outcome.UNRESOLVED)
    rows["error_class"] = np.where(final >= 0, ErrorClass.NONE, ErrorClass.NOT_INCLUDED)
    rows["submitted_ns"][dropped] = rows["accepted_ns"][dropped] = NEVER
    rows["outcome"][dropped] = Outcome.DROPPED
    rows["error_class"][dropped] = ErrorClass.IN_FLIGHT_BOUND
    return rows


def _blocks(made: list[tuple[int, int]]) -> NDArray[np.void]:
    blocks = np.zeros(len(made), BLOCK)
    blocks["ordinal"] = blocks["height"] = np.arange(len(made))
    blocks["observed_ns"] = [at for at, _ in made]
    blocks["transactions"] = blocks["own"] = [count for _, count in made]
    return blocks
