"""Those who watch a trial, as the trial sees them: it tells once, and they hear. Without any, nothing is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.model.clock import NS_PER_S, Clock, monotonic_ns
from bench.model.counters import Counters
from bench.model.ledger import Node
from bench.monitors.processes import ProcessMonitor
from bench.run.events import TrialWatcher

SAMPLES_EVERY_NS = NS_PER_S
WEIGHED_EVERY_NS = 10 * NS_PER_S
"""Walking a node's directory takes its time."""


class Audience:
    """`weigh` looks up what each node's directory takes up on disk (None: not known)."""

    def __init__(
        self,
        watchers: Sequence[TrialWatcher],
        monitor: ProcessMonitor,
        weigh: Callable[[], Mapping[str, int | None]],
        clock: Clock = monotonic_ns,
    ) -> None:
        self._watchers = watchers
        self._monitor = monitor
        self._weigh = weigh
        self._clock = clock
        self._passed_on = 0
        self._samples_at = self._weighed_at = 0

    def nodes_changed(self, nodes: Sequence[Node]) -> None:
        """See `TrialWatcher`."""
        for watcher in self._watchers:
            watcher.nodes_changed(nodes)

    def load_began(self, start_ns: int, ledger_version: str | None) -> None:
        """See `TrialWatcher`."""
        for watcher in self._watchers:
            watcher.load_began(start_ns, ledger_version)

    def counted(self, worker: int, counters: Counters) -> None:
        """See `TrialWatcher`."""
        for watcher in self._watchers:
            watcher.counted(worker, counters)

    def tick(self) -> None:
        """To be called often: pass on what the monitor has seen, about once a second."""
        now = self._clock()
        if self._watchers and now >= self._samples_at:
            self._samples_at = now + SAMPLES_EVERY_NS
            self.pass_on()

    def pass_on(self) -> None:
        """Everything the monitor has seen and nobody was told."""
        if not self._watchers:
            return
        samples = self._monitor.taken(self._passed_on)
        self._passed_on += len(samples)
        sizes: Mapping[str, int | None] = {}
        now = self._clock()
        if now >= self._weighed_at:
            self._weighed_at = now + WEIGHED_EVERY_NS
            sizes = self._weigh()
        known = {name: size for name, size in sizes.items() if size is not None}
        for watcher in self._watchers:
            watcher.used(samples, known)
