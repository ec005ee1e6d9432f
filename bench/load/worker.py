"""A Locust worker process: one shard of the plan, with its encoder, and the host's observer if it is the first here.

`python -m bench.load.worker --master HOST:PORT`. Life of a trial: PLAN (open the ledger, start encoder, connect the
observer, fill the buffer) → READY → START → lanes submit, rows and counters leave once a second → DRAINED → FINISH →
last rows → FINISHED → Locust's quit.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import gevent
import locust.runners
import msgpack
from locust.env import Environment

from bench import registry
from bench.load.engine import Engine
from bench.load.lifeline import die_with_parent, ignore_interrupts
from bench.load.links import EncoderLink, ObserverLink, start_child
from bench.load.messages import Say, TrialSpec
from bench.load.recorder import Recorder
from bench.load.user import LedgerUser
from bench.load.view import LocustView
from bench.load.watch import BlockLog
from bench.model.clock import NS_PER_S, clock_domain, monotonic_ns
from bench.model.counters import Counters
from bench.model.errors import BenchError, ExitCode, HarnessError, LedgerError
from bench.model.transaction import ErrorClass
from bench.model.version import __version__

SNAPSHOT_S = 1.0
SETTLE_S = 180.0
FILL_DEADLINE_S = 60.0
CONNECT_TRIES = 12  # of 5 s each
COLLECT_NS = 60 * NS_PER_S
_OF_BLOCKS = ("block", "settled", "orphaned")
NO_MASTER = 3


class Trial:
    """One trial's objects in this worker, from PLAN to FINISHED."""

    def __init__(self, runner: Any, plan: Mapping[str, Any], stats: Any) -> None:
        self._runner = runner
        self.spec = TrialSpec.from_wire(plan["spec"])
        self.index = int(plan["index"])
        self._owner = bool(plan["owner"])
        workload = registry.workload(self.spec.workload)
        self.adapter = registry.adapter(self.spec.adapter)
        self.adapter.open(self.spec.endpoint(), self.spec.prepared())
        names = [operation.name for operation in workload.operations]
        confirmations = self.adapter.finality.confirmations
        self.recorder = Recorder(self.index, len(names), confirmations, self.spec.objective_ns)
        self.recorder.tally.counters.incarnation = secrets.token_hex(4)
        self.engine = Engine(self.spec, self.index, self.adapter, self.recorder)
        LedgerUser.engine = self.engine
        self._view = LocustView(stats, names)
        self._blocks = BlockLog() if self._owner else None
        self._early: list[list[Any]] = []
        self._observed = gevent.event.Event()
        self._observer_failed: dict[str, Any] = {}
        self._socket_path = Path(tempfile.gettempdir()) / f"bench-{self.spec.token}" / "observer.sock"
        self._observer_process = self._start_observer(self._socket_path) if self._owner else None
        self.encoder = EncoderLink(self.spec, self.index, self.engine.feed, self.engine.feed_again)
        self.engine.attach(self.encoder)
        self._observer = ObserverLink(self._socket_path, self._on_frame)
        self._ticking: gevent.Greenlet | None = None
        self._heard_ns = monotonic_ns()

    def _start_observer(self, path: Path) -> Any:
        return start_child("bench.load.observer", msgpack.packb({"spec": self.spec.to_wire(), "socket": str(path)}))

    def make_ready(self) -> dict[str, int]:
        """Wait until the observer follows and the buffer is full; returns the process ids to be watched."""
        if not self._observed.wait(FILL_DEADLINE_S):
            raise LedgerError(
                "the observer did not find the ledger's head in time", remedy="check that the node makes blocks"
            )
        deadline = monotonic_ns() + int(FILL_DEADLINE_S * NS_PER_S)
        while self.engine.buffered < self.spec.buffer and self.encoder.planned is None:
            self._check()
            if monotonic_ns() > deadline:
                break  # a slow encoder shows as drops, by cause
            gevent.sleep(0.005)
        self._check()
        gc.collect()
        gc.freeze()
        gc.disable()
        pids = {f"worker-{self.index}": os.getpid(), f"encoder-{self.index}": self.encoder.pid}
        if self._observer_process is not None:
            pids["observer"] = self._observer_process.pid
        return pids

    def _check(self) -> None:
        if self.encoder.broken:
            raise HarnessError(self.encoder.broken)
        if self._observer_failed:
            raise LedgerError(self._observer_failed["what"])

    def start(self, delay_ns: int) -> None:
        """Ask the observer for the host's start signal; `_on_frame` hears it."""
        self._observer.start(delay_ns)

    def run(self) -> None:
        """Ship snapshots and rows; say when everything is drained."""
        self._ticking = gevent.spawn(self._tick)
        end_ns = self.spec.duration_ns
        while self.engine.now() < end_ns and not self.engine.stopped:
            gevent.sleep(min(0.1, max(0.001, (end_ns - self.engine.now()) / NS_PER_S)))
        deadline = end_ns + self.spec.drain_ns
        self.engine.drain(lambda: self.engine.stopped or self.engine.now() > deadline)
        left = len(self.recorder.open)
        self.recorder.close_open()  # the deadline is hard: what a later block shows does not count
        self._say(Say.DRAINED, {"open": left})
        settle_by = monotonic_ns() + int(SETTLE_S * NS_PER_S)
        while self.recorder.unsettled and monotonic_ns() < settle_by and not self.engine.stopped:
            gevent.sleep(0.02)
        self._say(Say.SETTLED, {"unsettled": self.recorder.unsettled})

    def finish(self, cause: ErrorClass) -> None:
        """Close what is open, send the last rows and counters, stop the partners."""
        self._view.update(self.recorder.counters)
        self.engine.stop()
        self.engine.discard_rest(cause)
        self.recorder.close_open()
        self.recorder.tally.give_up_statuses()
        if self._ticking is not None:
            self._ticking.kill()
        self._ship(final=True)
        self._say(Say.FINISHED, {})
        self.close()

    def close(self) -> None:
        """Stop encoder, observer and connections; idempotent."""
        LedgerUser.engine = None
        self.encoder.close()
        self._observer.close()
        if self._observer_process is not None:
            self._observer_process.kill()
            self._observer_process.wait()
            shutil.rmtree(self._socket_path.parent, ignore_errors=True)
        self.adapter.close()

    def _on_frame(self, frame: list[Any]) -> None:
        engine = self.engine
        if not engine.start_ns and frame[0] in _OF_BLOCKS:
            self._early.append(frame)  # its time since the start signal is not known yet
            return
        if frame[0] == "paused":
            if self._blocks is not None and engine.start_ns:
                self._blocks.paused(frame[1] - engine.start_ns, frame[2] - engine.start_ns)
            return
        self._heard_ns = monotonic_ns()
        match frame[0]:
            case "block":
                self._handed(frame)
                self.recorder.block(frame, engine.start_ns)
                if self._blocks is not None:
                    self._blocks.block(frame, engine.start_ns)
            case "settled":
                self.recorder.settled(frame[1], frame[2])
                if self._blocks is not None:
                    self._blocks.settled(frame[1], frame[2])
            case "orphaned":
                self.recorder.orphaned(frame[1])
                if self._blocks is not None:
                    self._blocks.orphaned(frame[1])
            case "ready":
                self._observed.set()
            case "start":
                engine.begin(frame[1])
                early, self._early = self._early, []
                for held in early:
                    self._on_frame(held)
                self._say(Say.STARTED, {"start_ns": frame[1], "host": clock_domain()})
                gevent.spawn(guarded, self._runner, self.run)
            case "failed":
                self._observer_failed = failure(frame[1], frame[2], frame[3])
                self._observed.set()
                self._say(Say.FAILED, self._observer_failed)

    def _tick(self) -> None:
        collect_at = monotonic_ns() + COLLECT_NS
        told: set[str] = set()
        while True:
            gevent.sleep(SNAPSHOT_S)
            self._view.update(self._ship())
            for what in (self.encoder.broken, self.engine.fault):
                if what and what not in told:
                    told.add(what)
                    self._say(Say.FAILED, failure(what))
            if monotonic_ns() > collect_at:
                gc.collect(1)  # cycles of exceptions; the automatic collector is off for the sake of submit lag
                collect_at += COLLECT_NS

    def _handed(self, frame: list[Any]) -> None:
        counters = self.recorder.tally.counters
        counters.last_block = frame[1]
        if frame[3] >= self.engine.start_ns:  # earlier ones were held back here
            counters.observer_delay_ns = max(counters.observer_delay_ns, self._heard_ns - frame[3])

    def _ship(self, *, final: bool = False) -> Counters:
        counters = self.recorder.counters
        counters.sequence += 1
        counters.final = final
        counters.in_flight = len(self.recorder.open)
        counters.buffered = self.engine.buffered
        counters.lanes = self.engine.lanes
        if rows := self.recorder.take_rows():
            self._say(Say.ROWS, {"rows": rows})
        if self._blocks is not None and (blocks := self._blocks.take()):
            self._say(Say.BLOCKS, {"host": clock_domain(), **blocks})
        now = monotonic_ns()
        counters.observer_age_ns = now - self._heard_ns
        if self._blocks is not None:
            counters.blocks = self._blocks.counters(now)
        self._say(Say.SNAPSHOT, counters.to_wire())
        counters.submit_lag_max_ns = counters.loop_lag_ns = counters.observer_delay_ns = 0
        return counters

    def _say(self, what: Say, data: Mapping[str, Any]) -> None:
        self._runner.send_message(what, {"worker": self.index, **data})


class Worker:
    """Answers the master's messages; at most one trial at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._environment = Environment(user_classes=[], catch_exceptions=False)
        self.runner = self._environment.create_worker_runner(host, port)
        self._trial: Trial | None = None
        for message, listener in (
            (Say.PLAN, self._plan),
            (Say.START, self._start),
            (Say.FINISH, self._finish),
        ):
            self.runner.register_message(message, listener, concurrent=True)
        self.runner.send_message(Say.HELLO, {"host": clock_domain(), "pid": os.getpid(), "version": __version__})

    def _plan(self, environment: Environment, msg: Any) -> None:
        def work() -> None:
            module, _, name = registry.workload(msg.data["spec"]["workload"]).user.partition(":")
            environment.user_classes = [getattr(import_module(module), name)]
            self._trial = Trial(self.runner, msg.data, environment.stats)
            self.runner.send_message(Say.READY, {"worker": self._trial.index, "pids": self._trial.make_ready()})

        guarded(self.runner, work)

    def _start(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  # Locust passes both by name
        if self._trial is not None:
            self._trial.start(msg.data["delay_ns"])

    def _finish(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        if self._trial is not None:
            self._trial.finish(ErrorClass(msg.data["cause"]))

    def close(self) -> None:
        """Stop what the present trial started."""
        if self._trial is not None:
            self._trial.close()


def failure(what: str, remedy: str = "", code: int = ExitCode.INTERNAL) -> dict[str, Any]:
    """The data of a FAILED message."""
    return {"what": what, "remedy": remedy, "code": int(code)}


def guarded(runner: Any, work: Callable[[], None]) -> None:
    """A process edge: what goes wrong in a trial's greenlet must reach the coordinator, or it would wait forever."""
    try:
        work()
    except BenchError as error:
        runner.send_message(Say.FAILED, failure(error.what, error.remedy, error.exit_code))
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        runner.send_message(Say.FAILED, failure(repr(error)))


def main() -> None:
    """Process entry."""
    parser = argparse.ArgumentParser(description="One worker of a benchmark run.")
    parser.add_argument("--master", required=True, help="HOST:PORT of the run's master")
    options = parser.parse_args()
    die_with_parent()
    ignore_interrupts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    host, _, port = options.master.rpartition(":")
    locust.runners.CONNECT_RETRY_COUNT = CONNECT_TRIES
    try:
        worker = Worker(host, int(port))
    except ConnectionError:
        sys.exit(NO_MASTER)
    try:
        worker.runner.greenlet.join()
    finally:
        worker.close()


if __name__ == "__main__":
    main()
