"""The pulse of a worker's event loop: by how much it is late, and what it must make up for after it stood still."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.counters import Counters

BEAT_NS = 5 * NS_PER_MS
STALL_NS = 5 * NS_PER_MS
"""An event loop that is later than this stood still."""


class Pulse:
    """While the loop stands still, answers and blocks lie unread. So from `stalled_ns`, when that began, until
    `made_up_ns`, as long again after its end, what is late is late for our sake and not for the ledger's.
    """

    def __init__(self, counters: Counters) -> None:
        self.stalled_ns = 0
        self.made_up_ns = 0
        self._beat_ns = 0
        self._counters = counters
        self._beating: gevent.Greenlet | None = None

    def start(self, clock: Callable[[], int]) -> None:
        """Beat by this clock until `stop`."""
        self.stalled_ns = self.made_up_ns = self._beat_ns = clock()
        self._beating = gevent.spawn(self._keep_beating, clock)

    def stop(self) -> None:
        """Idempotent."""
        if self._beating is not None:
            self._beating.kill(block=False)

    def felt(self, now: int) -> None:
        """The loop runs now. Whoever wakes up first after a stall must say so; else it costs a comparison."""
        stood = now - self._beat_ns
        if stood <= BEAT_NS + STALL_NS:
            return
        if self._beat_ns >= self.made_up_ns:
            self.stalled_ns = self.made_up_ns = self._beat_ns
        self.made_up_ns = max(self.made_up_ns, now + stood)  # no sum: many small stalls must not pile up a debt
        self._beat_ns = now

    def beat(self, now: int) -> None:
        """As `felt`, at least every `BEAT_NS` while the loop runs."""
        self.felt(now)
        self._beat_ns = now

    def _keep_beating(self, clock: Callable[[], int]) -> None:
        """Time short sleeps: what they overrun by is how long anything in this process may have had to wait."""
        counters = self._counters
        while True:
            began = clock()
            gevent.sleep(BEAT_NS / NS_PER_S)
            now = clock()
            counters.loop_lag_ns = max(counters.loop_lag_ns, now - began - BEAT_NS)
            self.beat(now)
