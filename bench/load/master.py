"""The Locust master process: gathers workers, relays the plan, spools rows to disk, tells the coordinator what happens.

It talks to the coordinator in JSON lines: commands on standard input, events on standard output; log lines go to
standard error. When standard input closes, the coordinator is gone and so is the trial.

Commands: {"do": "plan", "spec": TrialSpec}, {"do": "start"}, {"do": "finish", "cause": n}, {"do": "quit"}.
Events: listening{host, port} · hello{workers} · ready{pids, hosts} · started{start_ns, host} · snapshot{worker,
counters} · drained · settled{unsettled} · finished · failed{what, remedy, code} · worker_lost{worker}.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import gevent
from gevent.fileobject import FileObject
from locust.env import Environment

from bench import registry
from bench.load.lifeline import die_with_parent, ignore_interrupts
from bench.load.messages import Say
from bench.model.clock import clock_domain
from bench.model.errors import ExitCode
from bench.model.version import __version__

NO_SPACE = "free space in the directory for temporary files (TMPDIR names it), where a trial's record is kept first"
LANES_PER_SECOND = 100  # Locust warns above this spawn rate per worker
START_DELAY_NS = 300_000_000


class Spool:
    """Row, block and status files of one trial; append only, so that a crash leaves whole records but the last."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, BinaryIO] = {}

    def append(self, name: str, data: bytes) -> None:
        """Raises OSError when the disk is full."""
        if not data:
            return
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = (self._directory / name).open("ab")
        file.write(data)
        file.flush()

    def close(self) -> None:
        """Idempotent."""
        for file in self._files.values():
            file.close()
        self._files.clear()


class Master:
    """One trial on `workers` workers."""

    def __init__(self, workload: str, workers: int, bind: tuple[str, int], spool: Spool) -> None:
        module, _, name = registry.workload(workload).user.partition(":")
        self._workers = workers
        self._spool = spool
        environment = Environment(user_classes=[getattr(import_module(module), name)])
        self.runner = environment.create_master_runner(*bind)
        self._order: list[str] = []
        self._hosts: dict[str, str] = {}
        self._pids: dict[str, int] = {}
        self._ready: set[str] = set()
        self._counted: dict[Say, set[int]] = {say: set() for say in Say}
        self._unsettled = 0
        self._lanes = 0
        self._over = False
        for say, listener in {
            Say.HELLO: self._hello,
            Say.READY: self._worker_ready,
            Say.STARTED: self._started,
            Say.SNAPSHOT: self._snapshot,
            Say.ROWS: self._rows,
            Say.BLOCKS: self._blocks,
            Say.DRAINED: self._count_all,
            Say.SETTLED: self._settled,
            Say.FINISHED: self._count_all,
            Say.FAILED: self._failed,
        }.items():
            self.runner.register_message(say, listener)
        gevent.spawn(self._watch_workers)
        tell("listening", host=bind[0], port=self.runner.server.port)

    # --- from the coordinator

    def obey(self, command: Mapping[str, Any]) -> None:
        """One command."""
        match command["do"]:
            case "plan":
                self._send_plan(command["spec"])
            case "start":
                count = self._lanes * self._workers
                self.runner.start(count, spawn_rate=LANES_PER_SECOND * self._workers)
                self.runner.send_message(Say.START, {"delay_ns": START_DELAY_NS})
            case "finish":
                self._over = True
                self.runner.send_message(Say.FINISH, {"cause": command["cause"]})
            case "quit":
                self._over = True
                self.runner.quit()

    def _send_plan(self, spec: Mapping[str, Any]) -> None:
        self._lanes = spec["lanes"]
        owners: set[str] = set()
        for index, client in enumerate(self._order):
            host = self._hosts[client]
            data = {"spec": spec, "index": index, "owner": host not in owners}
            owners.add(host)
            self.runner.send_message(Say.PLAN, data, client_id=client)

    # --- from workers

    def _hello(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002  # Locust passes both by name
        if msg.node_id in self._hosts or len(self._order) == self._workers:
            return
        if msg.data["version"] != __version__:
            what = f"a worker is of version {msg.data['version']}, this run of {__version__}"
            tell("failed", what=what, remedy="install the same version everywhere", code=int(ExitCode.USAGE))
        self._order.append(msg.node_id)
        self._hosts[msg.node_id] = msg.data["host"]
        tell("hello", workers=len(self._order), version=msg.data["version"])

    def _worker_ready(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        self._ready.add(msg.node_id)
        if self._hosts[msg.node_id] == clock_domain():  # others' processes are not ours to watch
            self._pids.update(msg.data["pids"])
        if len(self._ready) == self._workers:
            tell("ready", pids=self._pids, hosts=[self._hosts[client] for client in self._order])

    def _started(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        tell("started", start_ns=msg.data["start_ns"], host=msg.data["host"])

    def _snapshot(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        """At once: a worker that stalls must not hide what the others do."""
        tell("snapshot", worker=msg.data["worker"], counters=msg.data)

    def _rows(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        self._write(f"rows-{msg.data['worker']:03d}.bin", msg.data["rows"])

    def _blocks(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        host = msg.data["host"]
        self._write(f"blocks-{host}.bin", msg.data["blocks"])
        self._write(f"statuses-{host}.bin", msg.data["statuses"])
        self._write(f"pauses-{host}.bin", msg.data["pauses"])
        orphans = b"".join(ordinal.to_bytes(4, "little") for ordinal in msg.data["orphans"])
        self._write(f"orphans-{host}.bin", orphans)

    def _write(self, name: str, data: bytes) -> None:
        try:
            self._spool.append(name, data)
        except OSError as error:
            tell("failed", what=f"cannot write the record: {error}", remedy=NO_SPACE, code=int(ExitCode.INTERNAL))

    def _count_all(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        said = Say(msg.type)
        self._counted[said].add(msg.data["worker"])
        if len(self._counted[said]) == self._workers:
            tell(said.removeprefix("bench."))

    def _settled(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        self._unsettled += msg.data["unsettled"]
        self._counted[Say.SETTLED].add(msg.data["worker"])
        if len(self._counted[Say.SETTLED]) == self._workers:
            tell("settled", unsettled=self._unsettled)

    def _failed(self, environment: Environment, msg: Any) -> None:  # noqa: ARG002
        tell("failed", what=msg.data["what"], remedy=msg.data["remedy"], code=msg.data["code"])

    def _watch_workers(self) -> None:
        """Locust restarts with whoever is left when a worker dies; a trial must not."""
        while not self._over:
            gevent.sleep(0.5)
            for client in self._order:
                node = self.runner.clients.get(client)
                if not self._over and (node is None or node.state == "missing"):
                    tell("worker_lost", worker=self._order.index(client))
                    return


def tell(event: str, **data: Any) -> None:
    """One event line to the coordinator."""
    sys.stdout.write(json.dumps({"event": event, **data}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Process entry."""
    parser = argparse.ArgumentParser(description="The master of one trial.")
    parser.add_argument("--workload", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--bind", default="127.0.0.1:0")
    options = parser.parse_args()
    die_with_parent()
    ignore_interrupts()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    host, _, port = options.bind.rpartition(":")
    spool = Spool(options.spool)
    master = Master(options.workload, options.workers, (host, int(port)), spool)
    try:
        for line in FileObject(sys.stdin.buffer, "rb"):
            command = json.loads(line)
            master.obey(command)
            if command["do"] == "quit":
                break
    finally:
        spool.close()


if __name__ == "__main__":
    main()
