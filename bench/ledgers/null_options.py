"""What null ledgers have in common: far ends that take everything, so that only the harness is measured.

They are `Ledger` objects like others, but no candidates: no plug-in registers them and no list shows them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench.ledgers.options import Options
from bench.model.ledger import CryptoSuite, Durability, FaultModel, LedgerClass

NULL_CLASS = LedgerClass(FaultModel.NONE, 0, Durability.MEMORY, CryptoSuite.NONE, "one")


class NullOptions(Options):
    """`block_interval_ms` of 0 makes a block as soon as a transaction has come."""

    block_interval_ms: Annotated[float, Field(ge=0, le=60_000)]
