"""What one valid transaction cost: processor time, bytes, gas; for the whole ledger, each node, and our own harness.

Rows are measures and columns are who spent it. What was not measured is said once per measure, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure.efficiency import HARNESS, NETWORK
from bench.model.result import Efficiency, Trial
from bench.report import format as fmt
from bench.report.spread import Spread, figure

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Measure:
    """One row: what is counted, its unit for a reader, and why it may be missing."""

    key: str
    name: str
    meaning: str
    unit: str
    missing: str


@dataclass(frozen=True, slots=True)
class EfficiencyRow:
    """One measure with a cell per column; `million` says what a million transactions take, of the whole ledger."""

    name: str
    meaning: str
    cells: tuple[Spread, ...]
    million: str


@dataclass(frozen=True, slots=True)
class EfficiencyTable:
    """The table, and one sentence per measure that nothing was measured of, and one where reads are in the figures."""

    columns: tuple[str, ...]
    rows: tuple[EfficiencyRow, ...]
    missing: tuple[str, ...]


MEASURES = (
    Measure(
        "cpu_s_per_tx",
        "Processor time",
        "how long one core worked for it",
        "milliseconds",
        "no process was sampled often enough in the measured part",
    ),
    Measure(
        "written_bytes_per_tx",
        "Written to disk",
        "handed to the storage device in the measured part",
        "size",
        "this machine does not tell what a process writes",
    ),
    Measure(
        "read_bytes_per_tx",
        "Read from disk",
        "fetched from the storage device in the measured part",
        "size",
        "this machine does not tell what a process reads",
    ),
    Measure(
        "disk_growth_bytes_per_tx",
        "Growth of the book",
        "how much larger the stored data became over the whole trial",
        "size",
        "the ledger's data is not in a folder of this machine that the harness can measure",
    ),
    Measure(
        "block_bytes_per_tx",
        "Size in the blocks",
        "bytes of the blocks, shared out over their transactions",
        "size",
        "this ledger does not tell the size of its blocks, or others used it at the same time",
    ),
    Measure(
        "sent_bytes_per_tx",
        "Sent over the network",
        "requests of our client, without the network's own headers",
        "size",
        "the client of this ledger does not count what it sends",
    ),
    Measure(
        "gas_per_tx",
        "Gas",
        "the computation that the ledger charges for",
        "number",
        "this ledger charges no gas, or others used it at the same time",
    ),
)


def efficiency(trials: Sequence[Trial]) -> EfficiencyTable | None:
    """The table over the trials; None when no trial recorded any of it."""
    by_node: dict[str, list[Efficiency]] = {}
    for trial in trials:
        for part in trial.efficiency:
            by_node.setdefault(part.node, []).append(part)
    if not by_node:
        return None
    nodes = [node for node in by_node if node not in (NETWORK, HARNESS)]
    columns = [node for node in (NETWORK, *(nodes if len(nodes) != 1 else ()), HARNESS) if node in by_node]
    rows, missing = [], []
    for measure in MEASURES:
        cells = tuple(_cell(by_node[node], measure, len(trials)) for node in columns)
        if all(cell.value is None for cell in cells):
            missing.append(f"{measure.name}: not measured, because {measure.missing}.")
            continue
        rows.append(EfficiencyRow(measure.name, measure.meaning, cells, _million(measure, cells[0])))
    return EfficiencyTable(tuple(_title(node, nodes) for node in columns), tuple(rows), (*missing, *_shared(trials)))


def _shared(trials: Sequence[Trial]) -> tuple[str, ...]:
    reads = sum(trial.reads.issued for trial in trials)
    if not reads:
        return ()
    return (
        f"{fmt.count(reads)} reads share this cost: processor time, disk traffic and bytes sent per valid transaction "
        "include what the reads took. Compare them only at the same mix of operations.",
    )


def _cell(parts: Sequence[Efficiency], measure: Measure, trials: int) -> Spread:
    found: list[float | None] = [getattr(part, measure.key) for part in parts]
    factor = 1e3 if measure.unit == "milliseconds" else 1.0
    values = [None if value is None else max(value * factor, 0.0) for value in found]  # a folder may have shrunk
    return figure([*values, *[None] * (trials - len(values))], measure.unit)


def _million(measure: Measure, cell: Spread) -> str:
    """The same for a million transactions, in the units of an invoice."""
    if cell.value is None or measure.unit == "number":
        return ""
    if measure.unit == "milliseconds":
        return fmt.seconds(cell.value * _MILLION / 1e3)
    return fmt.size(cell.value * _MILLION)


def _title(node: str, nodes: Sequence[str]) -> str:
    if node == NETWORK:
        return "Ledger, its one node" if len(nodes) == 1 else f"Ledger, all {len(nodes)} nodes" if nodes else "Ledger"
    return "Our load generator" if node == HARNESS else node
