"""From a trial's facts to its measured `Trial`: spool files joined with block status, host by host.

No two hosts' clocks are ever subtracted: rows carry ns since their own host's start signal, and a row is joined with
the blocks that its own host's observer saw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.load.watch import PAUSE, STATUS_HEAD
from bench.measure.inputs import Incidents, Limits, TrialInput
from bench.measure.record import Blocks, Rows, join_statuses, read_blocks, read_rows
from bench.measure.summary import summarise
from bench.measure.warm_up import check_warm_up
from bench.model.errors import LedgerError
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.record import BLOCK
from bench.model.result import Trial
from bench.model.transaction import ErrorClass
from bench.model.workload import AuditInput
from bench.monitors.programs import usable_processors
from bench.monitors.summary import summarise as summarise_resources
from bench.run.acknowledged import AcknowledgedWrites, drawing_plan
from bench.run.trial import TrialFacts, TrialRequest

STEADY_ARRIVALS = ("constant", "poisson")
"""Arrival processes of one rate throughout; under the others goodput changes by design."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """One trial as data: its measured values, and what they were made from. `phases` are those applied: the warm-up may
    be longer than declared.
    """

    trial: Trial
    input: TrialInput
    phases: tuple[PhaseSpan, ...]

    @property
    def rows(self) -> Rows:
        """One per planned operation, statuses joined."""
        return self.input.rows

    @property
    def blocks(self) -> Blocks:
        """The first host's."""
        return self.input.blocks


def assemble(request: TrialRequest, facts: TrialFacts, limits: Limits) -> Assembled:
    """Join, measure and judge. A trial that never started gives a trial of zero rows, invalid with its reason."""
    spool = read_rows(facts.spool.glob("rows-*.bin"))
    rows, hosts = spool.rows, _rows_by_host(spool.rows, facts.hosts)
    every_block = []
    for host, of_host in hosts.items():
        blocks = _blocks(facts.spool, host)
        part = rows[of_host]
        join_statuses(part, blocks, dict(_statuses(facts.spool / f"statuses-{host}.bin")))
        rows[of_host] = part
        blocks["own"] = _own(part, blocks)
        every_block.append(blocks)
    blocks = every_block[0] if every_block else np.empty(0, BLOCK)
    steady_load = request.arrival["process"] in STEADY_ARRIVALS
    phases, warm_up = check_warm_up(rows, blocks, phase_spans(request, facts), steady_load=steady_load)
    partial = facts.interrupted or facts.failure is not None
    gathered = TrialInput(
        trial=request.trial,
        seed=request.seed,
        rows=rows,
        blocks=blocks,
        planned=_seen(rows) if partial else request.planned,
        phases=phases,
        operations=request.workload.operations,
        examples={ErrorClass(code): messages for code, messages in facts.error_examples.items()},
        resources=summarise_resources(facts.samples, phases, facts.start_ns) if facts.started else (),
        limits=limits,
        incidents=_incidents(facts, spool.truncated_bytes, partial, _longest_pause(request, facts)),
        fillers=facts.fillers,
        unmatched_commits=_foreign(blocks, facts.fillers, len(hosts)),
        fresh_ledger=request.ledger is not None,
        warm_up=warm_up,
        steady_load=steady_load,
        headroom=request.headroom,
        setup_s=facts.setup_s,
        hosts=max(1, len(hosts)),
        sent_bytes=facts.sent_bytes,
        disk_growth=_disk_growth(facts),
        processors=usable_processors(),
    )
    return Assembled(summarise(gathered), gathered, phases)


def phase_spans(request: TrialRequest, facts: TrialFacts) -> tuple[PhaseSpan, ...]:
    """The trial's phases as they really were: setup before the start signal, the drain until nothing was open. The
    warm-up is the declared one.
    """
    end = max(facts.end_ns, 0)
    measured_until = min(request.duration_ns, end) if facts.interrupted or facts.failure else request.duration_ns
    return (
        PhaseSpan(Phase.SETUP, -facts.setup_ns, 0),
        PhaseSpan(Phase.WARM_UP, 0, min(request.warm_up_ns, measured_until)),
        PhaseSpan(Phase.MEASURE, min(request.warm_up_ns, measured_until), measured_until),
        PhaseSpan(Phase.DRAIN, measured_until, max(end, measured_until)),
    )


def audit_input(request: TrialRequest, facts: TrialFacts, rows: Rows) -> AuditInput:
    """What the record says happened: outcomes of writes per operation, and which writes were committed."""
    outcomes: dict[str, dict[str, int]] = defaultdict(dict)
    writes = rows[rows["kind"] == 0]
    pairs, counts = np.unique(np.stack([writes["operation"], writes["outcome"]]), axis=1, return_counts=True)
    for (operation, outcome), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        outcomes[request.workload.operations[operation].name][Outcome(outcome).label] = count
    acknowledged = AcknowledgedWrites(drawing_plan(request, facts.accounts), request.workload, rows)
    return AuditInput(outcomes, facts.accounts, request.parameters, facts.fillers, acknowledged)


def _disk_growth(facts: TrialFacts) -> dict[str, int | None]:
    """Of every node; none is left out because nothing is known of it."""
    nodes = facts.network.nodes if facts.network else ()
    return {node.name: facts.disk_growth.get(node.name) for node in nodes}


def _longest_pause(request: TrialRequest, facts: TrialFacts) -> int:
    """For how long an observer stood still at most, in ns, while it had to stamp what was due in the declared measure
    phase: until the end of the drain.
    """
    spans = {span.phase: span for span in phase_spans(request, facts)}
    began, end = spans[Phase.MEASURE].start_ns, spans[Phase.DRAIN].end_ns
    longest = 0
    for path in facts.spool.glob("pauses-*.bin"):
        data = path.read_bytes()
        whole = data[: len(data) - len(data) % PAUSE.size]
        for from_ns, until_ns in PAUSE.iter_unpack(whole):
            longest = max(longest, min(until_ns, end) - max(from_ns, began))
    return longest


def _incidents(facts: TrialFacts, truncated: int, partial: bool, pause_ns: int) -> Incidents:
    failure = facts.failure
    what = failure.what.splitlines()[0] if failure is not None else ""
    return Incidents(
        harness_failure=what if what and not isinstance(failure, LedgerError) else "",
        ledger_failure=what if isinstance(failure, LedgerError) else "",
        partial=partial,
        truncated_bytes=truncated,
        observer_pause_ns=pause_ns,
    )


def _rows_by_host(rows: Rows, hosts: Sequence[str]) -> Mapping[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Which rows came from which host; `hosts[w]` is worker w's."""
    masks = {}
    for host in dict.fromkeys(hosts):
        workers = [worker for worker, at in enumerate(hosts) if at == host]
        masks[host] = np.isin(rows["worker"], workers)
    return masks


def _blocks(spool: Path, host: str) -> Blocks:
    path = spool / f"blocks-{host}.bin"
    blocks = read_blocks(path) if path.exists() else np.empty(0, BLOCK)
    orphans = spool / f"orphans-{host}.bin"
    if orphans.exists():
        blocks["orphaned"] = np.isin(blocks["ordinal"], np.fromfile(orphans, "<i4"))
    return blocks


def _statuses(path: Path) -> Iterator[tuple[int, bytes]]:
    if not path.exists():
        return
    data = path.read_bytes()
    offset = 0
    while offset + STATUS_HEAD.size <= len(data):
        ordinal, count = STATUS_HEAD.unpack_from(data, offset)
        offset += STATUS_HEAD.size
        yield ordinal, data[offset : offset + count]
        offset += count


def _seen(rows: Rows) -> int:
    """How far into the plan a trial that was cut short came."""
    return int(rows["index"].max()) + 1 if len(rows) else 0


def _foreign(blocks: Blocks, fillers: int, hosts: int) -> int:
    """Transactions in blocks seen after the start that nobody here sent."""
    if hosts > 1:
        return 0  # a host's own count leaves out what other hosts sent
    seen = blocks[(blocks["orphaned"] == 0) & (blocks["observed_ns"] >= 0)]
    return max(0, int(seen["transactions"].sum()) - int(seen["own"].sum()) - fillers)


def _own(rows: Rows, blocks: Blocks) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many of our transactions each block holds."""
    included = rows["block"][rows["block"] >= 0]
    if not len(blocks):
        return np.zeros(0, np.int64)
    size = int(blocks["ordinal"].max()) + 1
    own: np.ndarray[tuple[int], np.dtype[np.int64]] = np.bincount(included, minlength=size)[blocks["ordinal"]]
    return own
