"""What a run tells whoever is watching: the CLI's progress bar, plain lines, tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bench.model.phase import Phase


@dataclass(frozen=True, slots=True)
class LiveView:
    """One second of a run. Rates are per second over the last second; counters are totals of this trial."""

    ledger: str
    workload: str
    trial: int  # 1-based
    trials: int
    phase: Phase
    elapsed_s: float
    total_s: float
    planned: int
    submitted: int
    committed: int
    dropped: int
    errors: int
    in_flight: int
    offered_per_s: float
    submitted_per_s: float
    committed_per_s: float
    submit_lag_max_ms: float


class RunListener(Protocol):
    """Called from the coordinator's own thread; must return at once."""

    def step(self, text: str) -> None:
        """One thing was done or is about to be done ("anvil: starting", "trial 2 of 5: valid")."""

    def live(self, view: LiveView) -> None:
        """About once a second while a trial runs."""

    def warn(self, text: str) -> None:
        """Something the reader should know although the run goes on."""
