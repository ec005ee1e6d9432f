"""The five phases of a trial and the outcomes of a transaction: closed sets used in YAML, files, metrics and
reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum, unique


@unique
class Phase(StrEnum):
    """In order. `recovery` exists only where faults are injected."""

    SETUP = "setup"
    WARM_UP = "warm_up"
    MEASURE = "measure"
    DRAIN = "drain"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """Start and end in ns since the start signal (setup is negative)."""

    phase: Phase
    start_ns: int
    end_ns: int


@unique
class Outcome(IntEnum):
    """Where a planned operation ended. The value is written into row files; never renumber."""

    DROPPED = 0
    REJECTED = 1
    UNRESOLVED = 2
    COMMITTED = 3
    FINALIZED = 4
    FAILED = 5
    FAILED_EXPECTED = 6
    ANSWERED = 10
    READ_FAILED = 11

    @property
    def label(self) -> str:
        """snake_case word used in files and reports."""
        return self.name.lower()
