"""The ledger's part of `result.json`: what it is, how final and how durable, which nodes it had."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FinalityInfo(_Part):
    """What the ledger calls final, and how many further blocks it takes."""

    name: str
    confirmations: int

    @property
    def deep(self) -> str:
        """How deep a final transaction is, as every page says it, however its community counts; empty where its own
        block is enough.
        """
        return f"{self.confirmations + 1} blocks deep, its own included" if self.confirmations else ""


class ClassInfo(_Part):
    """The ledger's declared class; see `bench.model.ledger.LedgerClass`, of whose values these are the words."""

    fault_model: str
    tolerated_faults: int
    durability: str
    crypto: str
    operators: str
    remarks: str = ""


class NodePart(_Part):
    """A node of the network that ran; `role` is what it does there ("validator", "orderer", …)."""

    name: str
    role: str
    address: str


class LinkPart(_Part):
    """A connection between two nodes by name, and the delay we added one way."""

    one: str
    other: str
    delay_ms: float = 0.0


class LedgerPart(_Part):
    """Which ledger ran. `managed` says that we started it; `network` and `links` are those of the last trial, and empty
    for a ledger that is not ours.
    """

    name: str
    family: str
    version: str
    nodes: int
    finality: FinalityInfo
    ledger_class: ClassInfo
    flags: list[str] = []
    managed: bool = True
    network: list[NodePart] = []
    links: list[LinkPart] = []
