"""What a ledger is, as declared values: its class, its finality, its nodes. Printed in every bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path

from bench.model.values import JsonValue


@unique
class Sequencing(StrEnum):
    """How a ledger orders one sender's transactions: by a gapless account sequence (nonce), inside a window, or not."""

    ACCOUNT = "account"
    WINDOW = "window"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Finality:
    """`name` is what the ledger's community calls it; a block is final when `confirmations` further blocks follow
    it.
    """

    name: str
    confirmations: int = 0


@dataclass(frozen=True, slots=True)
class LedgerClass:
    """What speed must not be compared across without saying so. Free text is short enough for a table cell."""

    fault_model: str  # "none", "crash", "byzantine"
    tolerated_faults: int
    durability: str  # "memory only", "fsync per block", "synchronous commit"
    crypto: str  # "secp256k1", "ed25519", "P-256", "none"
    operators: str  # "one", "two organisations", …


@dataclass(frozen=True, slots=True)
class Node:
    """One ledger process we may watch. `pid` is None for a node that is not ours."""

    name: str
    address: str
    pid: int | None
    data_directory: Path | None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A running ledger. `endpoint` is what an adapter opens; `secrets` (a funding key, say) never reach a bundle."""

    ledger: str
    family: str
    adapter: str
    version: str
    endpoint: str
    nodes: tuple[Node, ...]
    finality: Finality
    ledger_class: LedgerClass
    flags: tuple[str, ...] = ()
    fresh: bool = True
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    adapter_options: dict[str, JsonValue] = field(default_factory=dict)  # what the adapter should know of this network
