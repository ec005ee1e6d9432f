"""A workload as a declared value. The Locust user class stays a reference until a worker or encoder needs it, so that
listing workloads imports neither Locust nor gevent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.model.operation import Kind, Operation

Parameter = int | float | str | bool


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """A row of the per-operation table. `weight` is the declared share, relative to the other operations."""

    name: str
    kind: Kind
    weight: float
    summary: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """One audited statement. `status` is "held", "broken" or "not checked"; `detail` carries the counterexample."""

    name: str
    status: str
    detail: str


class StateReader(Protocol):
    """Read access to the ledger's state after the drain, for audits. `name` is a read operation of the workload."""

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        """The ledger's answer now; None when this ledger cannot tell."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A write that the ledger committed as valid, with the id of its transaction."""

    operation: Operation
    tx_id: bytes


@dataclass(frozen=True, slots=True)
class AuditInput:
    """What the record says happened: counts per operation name and outcome label, writes only. `fillers` were sent
    beside them, to close gaps in senders' sequences; some of them may have been executed.

    `acknowledged` gives every committed write with its arguments, drawn again from the seed one after the other: each
    pass costs the drawing, and none holds them all. None: they are not known.
    """

    outcomes: Mapping[str, Mapping[str, int]]
    accounts: int
    parameters: Mapping[str, Parameter]
    fillers: int = 0
    acknowledged: Iterable[Acknowledged] | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """`user` is "package.module:ClassName" of a `LedgerUser`. `directory` holds the contract per family (`evm/`,
    `sql/`).

    `defaults` are the parameters a scenario may override. `audit` computes invariants from the ledger's own state; a
    workload without one says so in its bundle.
    """

    name: str
    summary: str
    user: str
    directory: Path
    operations: Sequence[OperationInfo]
    families: frozenset[str]
    defaults: Mapping[str, Parameter] = field(default_factory=dict)
    audit: Callable[[StateReader, AuditInput], list[Invariant]] | None = None
