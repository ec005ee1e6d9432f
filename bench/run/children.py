"""Starting, hearing and stopping the load processes of one trial: a Locust master and its workers.

They are separate programs because Locust patches its process for gevent; the coordinator stays a plain one. The master
speaks JSON lines (`bench.load.master`). Every child asks the kernel to die with us, and is stopped by its own id.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.model.errors import BenchError, ConfigurationError, ExitCode, HarnessError, LedgerError

Event = Mapping[str, Any]
GRACE_S = 5.0
START_DEADLINE_S = 60.0
REPORT = "a fault of the harness: please report it with this message"
_UNPATCHED = "LOCUST_SKIP_MONKEY_PATCH"  # for processes that must not run under gevent; these must
REMOTE_DEADLINE_S = 300.0


class LoadProcesses:
    """One trial's master and workers; logs below `directory`. `remote` of the workers come from other machines."""

    def __init__(self, workload: str, workers: int, directory: Path, *, remote: int, master: str) -> None:
        self._workers = workers
        self._remote = remote
        self._directory = directory
        self.spool = directory / "spool"
        self.spool.mkdir(parents=True)
        self._log = (directory / "load.log").open("ab")
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._children: list[subprocess.Popen[bytes]] = []
        command = ["--workload", workload, "--workers", str(workers), "--spool", str(self.spool)]
        command += ["--bind", master]
        self._master = self._spawn("bench.load.master", command, talking=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def connect(self) -> None:
        """Start the local workers against the master's address and wait until all workers are there."""
        listening = self.wait("listening", START_DEADLINE_S)
        host = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1"}.get(listening["host"], listening["host"])
        for _ in range(self._workers - self._remote):
            self._spawn("bench.load.worker", ["--master", f"{host}:{listening['port']}"], talking=False)
        while self.wait("hello", REMOTE_DEADLINE_S if self._remote else START_DEADLINE_S)["workers"] < self._workers:
            pass

    def tell(self, do: str, **data: Any) -> None:
        """One command to the master."""
        assert self._master.stdin is not None
        try:
            self._master.stdin.write(json.dumps({"do": do, **data}).encode() + b"\n")
            self._master.stdin.flush()
        except OSError as error:
            raise self._died("the load master is gone") from error

    def next(self, timeout_s: float, *, salvaging: bool = False) -> Event | None:
        """The next event, or None when none came in time. Raises when a load process died or reported a fault;
        `salvaging` passes over further faults, because the first one is known already.
        """
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            if not salvaging:
                self._check_alive()
            return None
        if event["event"] == "failed" and not salvaging:
            raise fault(event, self.log_tail())
        if event["event"] == "closed":
            raise self._died("the load master ended")
        return event

    def wait(self, name: str, deadline_s: float, tick: Callable[[], None] = lambda: None) -> Event:
        """The next event called `name`; others are passed over."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            tick()
            event = self.next(0.2)
            if event is not None and event["event"] == name:
                return event
        raise self._died(f"the load processes did not reach {name!r} within {deadline_s:.0f} s")

    def pids(self) -> dict[str, int]:
        """Process ids that are known without asking."""
        return {"master": self._master.pid}

    def stop(self) -> None:
        """End everything: ask, wait, kill. Idempotent."""
        if self._log.closed:
            return
        try:
            self.tell("quit")
        except BenchError:
            pass  # it has ended by itself; what is left is to reap
        deadline = time.monotonic() + GRACE_S
        for child in self._children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for stream in (self._master.stdin, self._master.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # unsent bytes to a process that has ended
        self._log.close()

    def log_tail(self, lines: int = 15) -> str:
        """The end of the load processes' common log."""
        text = (self._directory / "load.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _spawn(self, module: str, arguments: list[str], *, talking: bool) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name != _UNPATCHED}
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            stdin=subprocess.PIPE if talking else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talking else self._log,
            stderr=self._log,
        )
        self._children.append(child)
        return child

    def _listen(self) -> None:
        assert self._master.stdout is not None
        try:
            for line in self._master.stdout:
                self._events.put(json.loads(line))
        except ValueError:
            pass  # closed under us, or a line cut off by a crash: both mean the end
        self._events.put({"event": "closed"})

    def _check_alive(self) -> None:
        for child in self._children:
            if child.poll() is not None:
                raise self._died(f"a load process ended with code {child.returncode}")

    def _died(self, what: str) -> HarnessError:
        return HarnessError(
            f"{what}; the end of its log:\n{self.log_tail()}", remedy="a fault of ours: please report it"
        )


def fault(event: Event, log: str) -> BenchError:
    """The error a `failed` event stands for; a fault of ours carries the end of the load processes' `log`."""
    what, remedy = event["what"], event["remedy"]
    kinds = {ExitCode.LEDGER_FAILED: LedgerError, ExitCode.USAGE: ConfigurationError}
    kind = kinds.get(ExitCode(event["code"]))
    if kind is not None:
        return kind(what, remedy=remedy)
    return HarnessError(what if remedy else f"{what}; the end of the log:\n{log}", remedy=remedy or REPORT)
