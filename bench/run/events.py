"""What a run tells whoever is watching: the CLI's progress bar, plain lines, tests, and what exposes live figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench.model.phase import Phase

if TYPE_CHECKING:  # the command line loads this for every --help
    from bench.model.counters import Counters
    from bench.model.ledger import Node
    from bench.model.resources import ResourceSample
    from bench.model.result import Result, Trial
    from bench.telemetry.outline import TrialOutline


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


class TrialWatcher(Protocol):
    """Hears a run's figures while they come; given in `RunOptions`, so whatever runs trials can be watched. Called from
    the coordinator's own thread; must return at once and must not raise.

    Per trial: `trial_began`, then, unless it fails before, `nodes_changed`, `load_began`, any number of `counted` and
    `used`, `nodes_changed` with none, and in any case `trial_ended`. Per target, last: `run_ended`, unless no bundle
    came of it.
    """

    def trial_began(self, outline: TrialOutline) -> None:
        """Setup begins."""

    def nodes_changed(self, nodes: Sequence[Node]) -> None:
        """The nodes of a ledger that the harness has started and that answer; none: they are about to be stopped."""

    def load_began(self, start_ns: int, ledger_version: str | None) -> None:
        """The start signal, on this host's monotonic clock; what the running ledger says it is (None: nothing)."""

    def counted(self, worker: int, counters: Counters) -> None:
        """A worker's report, about once a second."""

    def used(self, samples: Sequence[ResourceSample], node_bytes: Mapping[str, int]) -> None:
        """Samples since the last call (`at_ns` is monotonic), and what nodes' directories hold, if just looked at."""

    def trial_ended(self, trial: Trial | None) -> None:
        """It is over; None when nothing was measured."""

    def run_ended(self, result: Result) -> None:
        """The bundle of a target is closed and holds this."""
