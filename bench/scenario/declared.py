"""What a scenario's author declares of a network that is not ours, so that its pages name it and what it promises.

Nothing here is checked by the product: it is the word of who runs the network, printed as such.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from bench.model.earlier_words import durability_of
from bench.model.ledger import CryptoSuite, Durability, FaultModel
from bench.scenario.fields import Mistake, Part, Whole, refuse

NOT_DECLARED = "not declared"


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,39}", value):
        refuse([Mistake("is not a ledger's name", "use up to 40 lower-case letters, digits, '-', '_' and '.'")])
    return value


Short = Annotated[str, Field(min_length=1, max_length=60)]
"""Free text that fits into a table's cell."""


class DeclaredLedger(Part):
    """The network behind an endpoint, as its operators declare it; not checked, and shown as declared."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        description="What the network is called on all pages, such as vendor-besu."
    )
    version: Short = Field(
        default=NOT_DECLARED, description="Version of its software; what the node itself says comes before this."
    )
    nodes: Annotated[Whole, Field(ge=1, le=100_000)] = Field(default=1, description="Nodes that take part in it.")
    fault_model: FaultModel = Field(
        default=FaultModel.NOT_DECLARED, description="What its tolerated nodes may do: nothing, fail, or lie."
    )
    tolerated_faults: Annotated[Whole, Field(ge=0, le=100_000)] = Field(
        default=0, description="How many nodes may do so at once."
    )
    durability: Durability = Field(
        default=Durability.NOT_DECLARED, description="Where a transaction is when the ledger says it is committed."
    )
    crypto: CryptoSuite = Field(default=CryptoSuite.NOT_DECLARED, description="Signatures that its transactions carry.")
    operators: Short = Field(default="not ours", description="Who runs the nodes, such as `two organisations`.")
    remarks: Annotated[str, Field(max_length=120)] = Field(
        default="", description="What the values do not say; must say what an `other` is."
    )
    finality: Short | None = Field(
        default=None,
        description="What its final is called, such as `instant (QBFT)`. How many confirmations are waited for is a "
        "setting of the adapter.",
    )

    _earlier_durability: str | None = PrivateAttr(default=None)
    """The words of an earlier version, as they were read: written again like that, digests stay what they were."""

    @model_validator(mode="wrap")
    @classmethod
    def _understand_earlier(cls, data: Any, handler: ModelWrapValidatorHandler[DeclaredLedger]) -> DeclaredLedger:
        words = data.get("durability") if isinstance(data, dict) else None
        meant = durability_of(words) if isinstance(words, str) else Durability.OTHER
        if meant in (words, Durability.OTHER):  # somebody's own words are a mistake: a bundle's cannot be told apart
            return handler(data)
        declared = handler(data | {"durability": meant})
        declared._earlier_durability = words
        return declared

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What earlier versions did not know or wrote otherwise is left as they had it."""
        written: dict[str, Any] = handler(self)
        if not self.remarks:
            written.pop("remarks", None)
        if self._earlier_durability is not None:
            written["durability"] = self._earlier_durability
        return written

    @model_validator(mode="after")
    def _describe_others(self) -> DeclaredLedger:
        others = [name for name in ("fault_model", "durability", "crypto") if getattr(self, name) == "other"]
        if others and not self.remarks:
            refuse([Mistake("is not described", "say in remarks what it is", (name,)) for name in others])
        return self
