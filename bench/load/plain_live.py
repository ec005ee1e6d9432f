"""Live figures under plain `locust -f`: exporter and page as in a run, fed by the process that directs the workers.

They are served from the first test's start until Locust quits. Without a coordinator there is nobody who watches
processes and disks, so those figures are missing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bench.load.messages import TrialSpec
from bench.model.clock import clock_domain, monotonic_ns, utc_now
from bench.model.counters import Counters
from bench.model.version import __version__
from bench.model.workload import Workload

if TYPE_CHECKING:
    from bench.telemetry.server import LiveServer

LINGER_S = 3.0


class PlainLive:
    """Told what happens, in Locust's main greenlet or its listeners."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stack = ExitStack()
        self._server: LiveServer | None = None
        self._started_at = utc_now()
        self._trial = 0
        self._workers = 0
        self._finished: set[int] = set()
        self._loaded = False

    def test_began(self, workload: Workload, spec: TrialSpec, ledger: str, rate: float) -> None:
        """A test is prepared and about to start; the first one opens the server and says where it is."""
        from bench.measure.inputs import Limits  # here, because Locust's run time begins with the imports of a workload
        from bench.scenario.arrival import Constant
        from bench.telemetry.outline import TrialOutline
        from bench.telemetry.server import parse_address, serving

        if self._server is None:
            self._server = self._stack.enter_context(serving(*parse_address(self._address)))
            sys.stderr.write(f"live: {self._server.url} (Prometheus scrapes {self._server.url}metrics)\n")
        self._trial += 1
        self._workers, self._loaded = spec.workers, False
        self._finished.clear()
        outline = TrialOutline(
            run_id=f"{self._started_at:%Y%m%d-%H%M%S}-{workload.name}-plain",
            ledger=ledger,
            family=ledger,
            ledger_version="not ours",
            workload=workload.name,
            scenario="plain",
            seed=spec.seed,
            version=__version__,
            trial=self._trial,
            trials=self._trial,
            operations=tuple(workload.operations),
            process=Constant(rate),
            warm_up_ns=0,
            duration_ns=spec.duration_ns,
            drain_ns=spec.drain_ns,
            workers=spec.workers,
            in_flight=spec.in_flight,
            objective_ns=None,
            limits=Limits(),
            results=None,
        )
        for watcher in self._server.watchers:
            watcher.trial_began(outline)

    def started(self, data: Mapping[str, Any]) -> None:
        """A host's start signal; the first one counts."""
        if self._server is None or self._loaded:
            return
        self._loaded = True
        start_ns = int(data["start_ns"]) if data["host"] == clock_domain() else monotonic_ns()
        for watcher in self._server.watchers:
            watcher.load_began(start_ns, None)

    def counted(self, data: Mapping[str, Any]) -> None:
        """A worker's report."""
        if self._server is not None and self._loaded:
            for watcher in self._server.watchers:
                watcher.counted(int(data["worker"]), Counters.from_wire(data))

    def finished(self, worker: int) -> None:
        """A worker has sent its last report; when all have, the test is over."""
        self._finished.add(worker)
        if self._server is not None and len(self._finished) == self._workers:
            for watcher in self._server.watchers:
                watcher.trial_ended(None)

    def close(self) -> None:
        """Let the last scrape see the last values, and stop serving. Idempotent."""
        if self._server is not None:
            self._server.linger(LINGER_S)
            self._server = None
        self._stack.close()
