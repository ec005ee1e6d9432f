"""Words that earlier versions wrote where a ledger's class has values now: in bundles, scenarios, records of running
ledgers. What is not listed here was somebody's own text, and is for the reader to keep as an `other`.
"""

from __future__ import annotations

from bench.model.ledger import Durability, FaultModel

_DURABILITY = {
    "fsync per block": Durability.FSYNC,
    "fsync per block, state later": Durability.FSYNC,
    "fsync per commit": Durability.FSYNC,
    "fsync on a majority": Durability.FSYNC,
    "synchronous commit (fsync)": Durability.FSYNC,
    "none against power loss (fsync=off)": Durability.WRITTEN,
    "written, no fsync per block": Durability.WRITTEN,
    "written per block, flushed hourly": Durability.WRITTEN,
    "memory only (tmpfs)": Durability.MEMORY,
    "memory only (ramfs)": Durability.MEMORY,
}
_FAULT_MODEL = {"proof of work, none in regtest": FaultModel.NONE}


def durability_of(words: str) -> Durability:
    """The value that is written so, or was; OTHER for anybody's own text."""
    known = next((one for one in Durability if words == one), None)
    return known or _DURABILITY.get(words, Durability.OTHER)


def fault_model_of(words: str) -> FaultModel:
    """The same of faults."""
    known = next((one for one in FaultModel if words == one), None)
    return known or _FAULT_MODEL.get(words, FaultModel.OTHER)
