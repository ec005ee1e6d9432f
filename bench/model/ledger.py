"""What a ledger is, as declared values: its class, its finality, its nodes. Printed in every bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path

from bench.model.errors import ConfigurationError
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
    it. Communities count differently: Bitcoin's "6 confirmations" include the transaction's own block (5 further ones),
    clique's 3 are further blocks. Pages say how deep that is, its own block included (`FinalityInfo.deep`).
    """

    name: str
    confirmations: int = 0


@unique
class CryptoSuite(StrEnum):
    """The signatures that a ledger's transactions carry."""

    NONE = "none"
    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"
    P256 = "P-256"
    SM2 = "SM2/SM3"
    OTHER = "other"
    NOT_DECLARED = "not declared"


@unique
class FaultModel(StrEnum):
    """What the tolerated nodes may do while the ledger goes on and stays right. The values are shown as they are."""

    NONE = "none"
    CRASH = "crash"
    CRASH_OF_ORDERERS = "crash of orderers"
    """Nodes that order may fail; those that execute or endorse are trusted, and all of them are needed."""
    BYZANTINE = "byzantine"
    OTHER = "other"
    NOT_DECLARED = "not declared"


@unique
class Durability(StrEnum):
    """Where a transaction is when the ledger says that it is committed. The values are shown as they are."""

    MEMORY = "memory only"
    WRITTEN = "written, fsync later"
    FSYNC = "fsync before acknowledged"
    """On the disks of as many nodes as the ledger's agreement asks for."""
    OTHER = "other"
    NOT_DECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class LedgerClass:
    """What speed must not be compared across without saying so. `operators` and `remarks` are short enough for a
    table's cell; `remarks` say what the values cannot, and must say what an "other" is. ConfigurationError otherwise.
    """

    fault_model: FaultModel
    tolerated_faults: int
    durability: Durability
    crypto: CryptoSuite
    operators: str  # "one", "two organisations", …
    remarks: str = ""

    def __post_init__(self) -> None:
        if not self.remarks and "other" in (self.fault_model, self.durability, self.crypto):
            raise ConfigurationError(
                "a ledger's class is `other` without a word on what it is",
                value=f"{self.fault_model}, {self.durability}, {self.crypto}",
                remedy="describe it in `remarks`",
            )


@dataclass(frozen=True, slots=True)
class Node:
    """One ledger process we may watch. `pid` is None for a node that is not ours.

    `role` is what the process does in its network ("validator", "orderer", "peer"); `metrics_url` is where it tells
    Prometheus about itself (None: it does not).
    """

    name: str
    address: str
    pid: int | None
    data_directory: Path | None
    command: tuple[str, ...] = ()
    role: str = "node"
    metrics_url: str | None = None


SERVANT_ROLES = frozenset({"chaincode", "miner", "sequencer"})
"""Roles of processes that a network needs beside its members; they are watched, and not counted as nodes."""


@dataclass(frozen=True, slots=True)
class Link:
    """A declared connection between two nodes by name; `delay_ms` is what we add one way (0: loopback as it is)."""

    one: str
    other: str
    delay_ms: float = 0.0


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
    links: tuple[Link, ...] = ()
    fresh: bool = True
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    adapter_options: dict[str, JsonValue] = field(default_factory=dict)  # what the adapter should know of this network
