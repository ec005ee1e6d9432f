"""Coordinated omission, shown: a stall has exactly the percentiles that arithmetic gives it, counted from the intended
time; a generator that waits, or counts from the time of sending, would not have seen it.
"""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from bench.bundle.reader import Bundle
from bench.model.result import Percentiles, Trial
from bench.run.events import LiveView
from tests.support.runs import Quiet, assert_nothing_vanished, run_once

pytestmark = pytest.mark.live

TOLERANCE_MS = 60.0  # what two shared cores add to each latency
RATE = 200
WARM_UP_S = 1.0
# The stalls lie in the second half of the measure phase, where the check of the warm-up cuts nothing off.


def of_a_stall(share: float, stall_s: float, measured_s: float, catch_up_s: float = 0.0) -> float:
    """The percentile in ms when arrivals are even over `measured_s` and those of a stall wait for its end.

    An arrival `u` into the stall waits for the rest of it, S - u, and for its turn among what piled up, C·u/S, if that
    takes C to send. So whoever waits longer than x came in the first (S - x)/(1 - C/S) of the stall; the percentile is
    the x at which those are the last `1 - share` of all. Below C it is not exact: then the stall is over.
    """
    return max(0.0, stall_s - (1 - share) * measured_s * (1 - catch_up_s / stall_s)) * 1000


def assert_a_stall(found: Percentiles, stall_s: float, measured_s: float, catch_up_s: float = 0.0) -> None:
    names = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "max": 1.0}
    expected = {name: of_a_stall(share, stall_s, measured_s, catch_up_s) for name, share in names.items()}
    expected["mean"] = stall_s * (stall_s + catch_up_s) / 2 / measured_s * 1000
    values = {name: getattr(found, name) for name in expected}
    assert found.censored == 0
    assert values == pytest.approx(expected, abs=TOLERANCE_MS)


class Stopper(Quiet):
    """Stops the run's only process of one kind for `stall_s`, once, when `after_s` of the load have passed."""

    def __init__(self, after_s: float, stall_s: float, kind: str = "worker") -> None:
        self.stopped_s = 0.0
        self._after_s = after_s
        self._stall_s = stall_s
        self._module = f"bench.load.{kind}"
        self._thread: threading.Thread | None = None

    def live(self, view: LiveView) -> None:
        if self._thread is None:
            wait_s = self._after_s - view.elapsed_s
            assert wait_s > 0
            self._thread = threading.Thread(target=self._stop_and_continue, args=(wait_s,))
            self._thread.start()

    def end(self) -> None:
        assert self._thread is not None
        self._thread.join()

    def _stop_and_continue(self, wait_s: float) -> None:
        (stopped,) = (child for child in psutil.Process().children(recursive=True) if self._module in command(child))
        time.sleep(wait_s)
        began = time.monotonic()
        os.kill(stopped.pid, signal.SIGSTOP)
        try:
            time.sleep(self._stall_s)
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
            self.stopped_s = time.monotonic() - began


def command(process: psutil.Process) -> list[str]:
    """Empty when it is gone, or ended and not yet waited for."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def measure(tmp_path: Path, measured_s: float, options: dict, listener: Quiet, **more: object) -> Bundle:
    mapping = {
        "ledgers": [{"name": "simulated", "options": options}],
        "arrival": {"process": "constant", "rate": RATE},
        "phases": {"duration": f"{measured_s + WARM_UP_S:g}s", "warm_up": f"{WARM_UP_S:g}s", "drain": "10s"},
        **more,
    }
    return run_once(tmp_path, mapping, listener)


def seconds(bundle: Bundle, stamp: str) -> NDArray[np.float64]:
    """A stamp of all operations due in the measure phase, in the order they were due."""
    table = bundle.transactions(1).sort_by("intended_at_ns")
    due = table["intended_at_ns"].to_numpy() / 1e9
    return (table[f"{stamp}_at_ns"].to_numpy() / 1e9)[due >= WARM_UP_S]


def catch_up_s(due: NDArray[np.float64], submitted: NDArray[np.float64]) -> float:
    """How long it took to send what fell due in the longest pause between two sends."""
    resumed = submitted[int(np.argmax(np.diff(submitted))) + 1]
    return float(submitted[int(np.searchsorted(due, resumed)) - 1] - resumed)


def nearest_rank_ms(latencies_s: NDArray[np.float64], share: float) -> float:
    return float(np.sort(latencies_s)[math.ceil(share * len(latencies_s)) - 1]) * 1000


def as_one_waiting_client_would_see_it(due: NDArray[np.float64], ended: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same ledger, seen by a client that sends the next only after the last is final: of every stretch of time it
    keeps the first latency and skips what fell due while it waited.
    """
    seen, at = [], 0
    while at < len(due):
        seen.append(ended[at] - due[at])
        at = max(at + 1, int(np.searchsorted(due, ended[at])))
    return np.array(seen)


def assert_all_is_final_and_measured(trial: Trial, measured_s: float) -> None:
    counts = trial.counts
    planned = RATE * (WARM_UP_S + measured_s)
    assert counts.planned == counts.submitted == counts.accepted == counts.committed == counts.finalized == planned
    assert counts.dropped == counts.rejected == counts.failed == counts.unresolved == 0
    assert trial.latency_ms.finality.count == trial.latency_ms.submit_lag.count == RATE * measured_s


def test_a_stall_of_the_ledger_is_in_the_percentiles_and_a_waiting_client_would_have_missed_it(tmp_path: Path):
    stall_s, measured_s = 2.0, 10.0
    limits = {"submit_lag_p99": f"{TOLERANCE_MS:g}ms"}  # of a shared machine; the stall must not show in it
    bundle = measure(tmp_path, measured_s, {"stalls": [[7.0, stall_s]]}, Quiet(), limits=limits)
    trial = assert_nothing_vanished(bundle)
    assert_all_is_final_and_measured(trial, measured_s)
    assert_a_stall(trial.latency_ms.finality, stall_s, measured_s)
    assert_a_stall(trial.latency_ms.commit, stall_s, measured_s)
    assert_a_stall(trial.latency_ms.accept, stall_s, measured_s)
    lag = trial.latency_ms.submit_lag
    assert lag.p99 is not None
    assert lag.p99 < TOLERANCE_MS  # the load went on through the stall
    assert trial.verdict.status == "valid", trial.verdict.reasons

    waiting = as_one_waiting_client_would_see_it(seconds(bundle, "intended"), seconds(bundle, "finalized"))
    assert nearest_rank_ms(waiting, 0.99) < TOLERANCE_MS  # against 1,900 ms in truth
    assert np.count_nonzero(waiting > 0.5) == 1
    assert len(waiting) <= RATE * (measured_s - stall_s) + 1


def test_a_stall_of_the_worker_is_in_the_percentiles_and_counting_from_the_sending_would_have_missed_it(
    tmp_path: Path,
):
    measured_s = 5.0
    stopper = Stopper(after_s=4.0, stall_s=1.5)
    bundle = measure(tmp_path, measured_s, {}, stopper)
    stopper.end()
    stall_s = stopper.stopped_s
    trial = assert_nothing_vanished(bundle)
    assert_all_is_final_and_measured(trial, measured_s)
    pile_s = catch_up_s(seconds(bundle, "intended"), seconds(bundle, "submitted"))
    assert pile_s < 0.5
    for latency in (trial.latency_ms.submit_lag, trial.latency_ms.accept, trial.latency_ms.finality):
        assert_a_stall(latency, stall_s, measured_s, pile_s)
    assert trial.verdict.status == "invalid"
    assert any("submit lag" in reason for reason in trial.verdict.reasons), trial.verdict.reasons

    from_sending = seconds(bundle, "finalized") - seconds(bundle, "submitted")
    assert nearest_rank_ms(from_sending, 0.50) < TOLERANCE_MS
    assert nearest_rank_ms(from_sending, 0.99) < 2 * TOLERANCE_MS  # against 1,450 ms in truth
    beside = trial.latency_from_send_ms
    assert beside is not None
    assert beside.finality.p50 == pytest.approx(nearest_rank_ms(from_sending, 0.50), abs=0.001)
    assert beside.finality.p99 == pytest.approx(nearest_rank_ms(from_sending, 0.99), abs=0.001)


def test_an_observer_that_stood_still_stamped_blocks_late_and_that_is_not_the_ledgers_latency(tmp_path: Path):
    stall_s, measured_s = 1.5, 5.0
    stopper = Stopper(after_s=4.0, stall_s=stall_s, kind="observer")
    limits = {"submit_lag_p99": f"{TOLERANCE_MS:g}ms"}
    bundle = measure(tmp_path, measured_s, {}, stopper, limits=limits)
    stopper.end()
    trial = assert_nothing_vanished(bundle)
    assert_all_is_final_and_measured(trial, measured_s)
    assert trial.latency_ms.finality.p99 > 1_000  # and nothing but the verdict shows that it is not true
    assert trial.verdict.status == "invalid"
    (reason,) = trial.verdict.reasons
    found = re.fullmatch(
        r"harness-bound: the observer stood still, or had no node to follow, for ([\d,]+) ms .* at most 250 ms .*",
        reason,
    )
    assert found is not None, reason
    assert float(found[1].replace(",", "")) == pytest.approx(stopper.stopped_s * 1000, abs=100)
