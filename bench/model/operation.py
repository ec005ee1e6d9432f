"""What a workload asks for, in words no ledger owns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

Argument = int | str | bytes | bool


class Kind(Enum):
    """A write is ordered by the ledger and becomes a transaction; a read is answered by one node and is counted
    apart.
    """

    WRITE = "write"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Account:
    """An argument that names an account of the fixture by its index; each adapter turns it into an address of its
    own.
    """

    index: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of a workload.

    `name` is snake_case and closed per workload (it becomes a label). `arguments` are plain values or `Account`s, in
    the
    order of the operation's signature. `sender` is an index into the fixture's accounts; None lets the engine assign
    one of the worker's own. `expects_refusal` says that the ledger's business logic may rightly refuse it
    (`failed_expected`).
    """

    name: str
    arguments: Mapping[str, Argument | Account] = field(default_factory=dict)
    kind: Kind = Kind.WRITE
    sender: int | None = None
    expects_refusal: bool = False
