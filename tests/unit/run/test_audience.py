"""What watchers of a trial hear, and that a trial without them asks nobody anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.model.clock import NS_PER_S
from bench.model.counters import Counters
from bench.model.resources import ResourceSample
from bench.monitors.processes import ProcessMonitor
from bench.run.audience import Audience
from bench.run.live import PATIENCE_NS, LiveCounts


class Heard:
    def __init__(self) -> None:
        self.used_calls: list[tuple[list[int], Mapping[str, int]]] = []

    def used(self, samples: Sequence[ResourceSample], node_bytes: Mapping[str, int]) -> None:
        self.used_calls.append(([sample.at_ns for sample in samples], node_bytes))


class Clock:
    now = 100 * NS_PER_S

    def __call__(self) -> int:
        return self.now


class Monitor(ProcessMonitor):
    """Samples itself when it is told to."""

    def note(self, at_ns: int) -> None:
        self._samples.append(ResourceSample("worker-0", "harness", 1, at_ns, "", 1.0, 1.0, 1, 1, 1, 1, 1))


def test_samples_are_passed_on_once_about_every_second_and_sizes_seldom():
    heard, clock, monitor = Heard(), Clock(), Monitor()
    audience = Audience([heard], monitor, lambda: {"node": 5, "silent": None}, clock)  # type: ignore[list-item]
    monitor.note(1)
    audience.tick()
    monitor.note(2)
    audience.tick()
    clock.now += NS_PER_S
    audience.tick()
    clock.now += 10 * NS_PER_S
    audience.tick()
    assert heard.used_calls == [([1], {"node": 5}), ([2], {}), ([], {"node": 5})]


def test_nobody_is_asked_for_nobody():
    def weigh() -> Mapping[str, int | None]:
        raise AssertionError("a directory was walked for nobody")

    class Silent(ProcessMonitor):
        def taken(self, after: int) -> list[ResourceSample]:
            raise AssertionError("samples were copied for nobody")

    audience = Audience((), Silent(), weigh, Clock())
    audience.tick()
    audience.pass_on()
    audience.counted(0, Counters())
    audience.load_began(0, None)


def live(clock: Clock) -> LiveCounts:
    return LiveCounts("simulated", "transfer", 1, 1, 0, 10 * NS_PER_S, 2, start_ns=clock.now, clock=clock)


def counters(submitted: int, finalized: int) -> Counters:
    return Counters(submitted=[submitted], planned=[submitted], finalized=[finalized], reads_issued=[0])


def test_a_view_comes_when_every_worker_has_reported():
    clock = Clock()
    counts = live(clock)
    counts.view()
    counts.take(0, counters(1, 1))
    counts.take(1, counters(1, 1))
    clock.now += NS_PER_S
    assert counts.take(0, counters(11, 6)) is None
    view = counts.take(1, counters(11, 6))
    assert view is not None
    assert (view.submitted, view.committed) == (22, 12)
    assert view.submitted_per_s == 20


def test_a_worker_that_is_late_does_not_hide_the_others():
    clock = Clock()
    counts = live(clock)
    counts.take(0, counters(1, 1))
    counts.take(1, counters(1, 1))
    clock.now += PATIENCE_NS
    view = counts.take(0, counters(5, 5))
    assert view is not None
    assert view.submitted == 6
