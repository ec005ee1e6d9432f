"""One trial: a fresh ledger, its preparation, the load, the drain, the audit. Reads like a table of contents.

What comes out is facts on disk and in `TrialFacts`; numbers are made from them by `bench.measure`, so that a trial that
went wrong leaves as much as one that went well.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.adapters.protocol import Adapter, Endpoint, Fixture, Setup
from bench.ledgers.protocol import Ledger
from bench.load.messages import TrialSpec
from bench.model.clock import NS_PER_S, clock_domain, monotonic_ns
from bench.model.counters import Counters
from bench.model.errors import BenchError, HarnessError, LedgerError
from bench.model.ledger import Finality, Network
from bench.model.resources import ResourceSample
from bench.model.result import Headroom
from bench.model.transaction import ErrorClass
from bench.model.workload import Parameter, Workload
from bench.monitors.disk import allocated_bytes
from bench.monitors.processes import ProcessMonitor
from bench.monitors.programs import children_of
from bench.run.audience import Audience
from bench.run.children import REPORT, LoadProcesses
from bench.run.events import RunListener, TrialWatcher
from bench.run.interrupts import InterruptedRunError, Interrupts
from bench.run.live import LiveCounts

READY_DEADLINE_S = 180.0
NODE_ENDS_WITHIN = 10
START_DEADLINE_S = 30.0
FINISH_DEADLINE_S = 60.0
SETTLE_DEADLINE_S = 200.0
BUFFER_S = 30
LEAST_BUFFER = 2_000
MOST_BUFFER = 200_000


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """All that is fixed before the trial starts. `planned` counts all arrivals, reads among them."""

    ledger_name: str
    workload: Workload
    parameters: Mapping[str, Parameter]
    adapter_name: str
    endpoint: Endpoint | None  # None: the managed ledger says
    ledger: Ledger | None
    ledger_options: Mapping[str, object]
    secrets: Mapping[str, str] = field(repr=False)
    arrival: Mapping[str, Any]
    seed: int
    trial: int
    trials: int
    planned: int
    duration_ns: int
    warm_up_ns: int
    drain_ns: int
    workers: int
    batch: int
    linger_ns: int
    accounts: int
    lanes: int
    max_lanes: int
    in_flight: int
    remote_workers: int = 0
    master: str = "127.0.0.1:0"
    headroom: Headroom | None = None
    objective_ns: int | None = None  # the finality latency that the scenario asks for
    buffer_s: float = BUFFER_S  # how much of the load is signed before the start, in seconds of it


@dataclass(slots=True)
class TrialFacts:
    """What happened. `failure` is the error that cut the trial short, `interrupted` says that a person did.

    `setup_s` says how long the steps before the load took, `disk_growth` by how many bytes each node's directory grew
    from the start signal to the end of the drain (None: not known). `sent_bytes` is None where no worker told.
    """

    spool: Path
    network: Network | None = None
    disclosed: Mapping[str, Any] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset()
    finality: Finality | None = None
    accounts: int = 0
    started: bool = False
    start_ns: int = 0
    setup_ns: int = 0
    end_ns: int = 0
    hosts: list[str] = field(default_factory=list)
    fillers: int = 0
    unsettled: int = 0
    error_examples: dict[int, list[str]] = field(default_factory=dict)
    samples: list[ResourceSample] = field(default_factory=list)
    setup_s: dict[str, float] = field(default_factory=dict)
    disk_growth: dict[str, int | None] = field(default_factory=dict)
    sent_bytes: int | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    failure: BenchError | None = None
    interrupted: bool = False


class TrialRunner:
    """Runs one `TrialRequest` in `directory`. `interrupted` is asked about five times a second."""

    def __init__(
        self,
        plan: TrialRequest,
        directory: Path,
        listener: RunListener,
        interrupted: Interrupts,
        watchers: Sequence[TrialWatcher] = (),
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._listener = listener
        self._interrupted = interrupted
        self._facts = TrialFacts(directory / "spool")
        self._live = LiveCounts(
            plan.ledger_name,
            plan.workload.name,
            plan.trial,
            plan.trials,
            plan.warm_up_ns,
            plan.duration_ns,
            plan.workers,
        )
        self._network: Network | None = None
        self._load: LoadProcesses | None = None
        self._adapter: Adapter | None = None
        self._monitor = ProcessMonitor()
        self._weight: dict[str, int | None] = {}
        self._audience = Audience(watchers, self._monitor, self._weigh)

    def run(self, new_adapter: Callable[[str], Adapter], audit: Callable[[Adapter, TrialFacts], None]) -> TrialFacts:
        """The trial from ledger up to ledger down. `audit` is called while the drained ledger still runs."""
        began = monotonic_ns()
        try:
            self._load = LoadProcesses(
                self._plan.workload.name,
                self._plan.workers,
                self._directory,
                remote=self._plan.remote_workers,
                master=self._plan.master,
            )
            with self._interrupted.at_once():
                endpoint = self._ledger_up()
                adapter = self._adapter = new_adapter(self._plan.adapter_name)
                fixture = self._prepare(adapter, endpoint)
                self._load.connect()
            self._start(self._load, self._spec(endpoint, fixture))
            self._facts.setup_ns = monotonic_ns() - began
            self._measure(self._load)
            self._weigh_again()
            self._finish(self._load, ErrorClass.BUFFER_EMPTY)
            self._stop_load(self._load)
            with self._interrupted.at_once():
                audit(adapter, self._facts)
        except BenchError as error:
            self._cut_short(error)
        except InterruptedRunError:
            self._facts.interrupted = True
            self._salvage(ErrorClass.INTERRUPTED)
        finally:
            self._tear_down()
        return self._facts

    # --- the steps

    def _ledger_up(self) -> Endpoint:
        plan = self._plan
        if plan.ledger is None:
            assert plan.endpoint is not None
            return plan.endpoint
        self._listener.step(f"{plan.ledger_name}: starting a fresh ledger")
        directory = self._directory / "ledger"
        directory.mkdir()
        began = monotonic_ns()
        network = plan.ledger.up(directory, plan.ledger_options, self._listener.step)
        self._facts.setup_s["ledger_up"] = (monotonic_ns() - began) / NS_PER_S
        self._network = self._facts.network = network
        for node in network.nodes:
            if node.pid is not None:
                self._monitor.add(node.name, "ledger", node.pid)
        self._audience.nodes_changed(network.nodes)
        return Endpoint(network.endpoint, options=network.adapter_options)

    def _prepare(self, adapter: Adapter, endpoint: Endpoint) -> Fixture:
        plan = self._plan
        self._listener.step(
            f"{plan.ledger_name}: preparing {plan.accounts} accounts and the {plan.workload.name} workload"
        )
        began = monotonic_ns()
        before = {child.pid for child in children_of(os.getpid())}
        adapter.open(endpoint)
        known = {**plan.secrets, **(self._network.secrets if self._network else {})}
        setup = Setup(plan.workload, plan.parameters, plan.accounts, plan.planned, plan.seed, known)
        fixture = adapter.prepare(setup)
        for program in children_of(os.getpid(), before):
            self._monitor.add_program(program, "coordinator")
        self._facts.setup_s["prepare"] = (monotonic_ns() - began) / NS_PER_S
        self._facts.capabilities, self._facts.finality = adapter.capabilities, adapter.finality
        self._facts.disclosed, self._facts.accounts = fixture.disclosed, fixture.accounts
        paths = fixture.disclosed.get("paths")
        for path in paths if isinstance(paths, list) and plan.trial == 1 else ():
            self._listener.step(f"{plan.ledger_name}: {path}")
        return fixture

    def _spec(self, endpoint: Endpoint, fixture: Fixture) -> TrialSpec:
        plan = self._plan
        share = plan.planned / plan.workers
        buffer = min(MOST_BUFFER, max(LEAST_BUFFER, int(plan.buffer_s * share * NS_PER_S / plan.duration_ns)))
        return TrialSpec(
            token=secrets.token_hex(8),
            adapter=plan.adapter_name,
            url=endpoint.url,
            headers=endpoint.headers,
            options=endpoint.options,
            timeout_s=endpoint.timeout_s,
            fixture=asdict(fixture),
            workload=plan.workload.name,
            parameters=plan.parameters,
            seed=plan.seed,
            arrival=plan.arrival,
            duration_ns=plan.duration_ns,
            workers=plan.workers,
            batch=plan.batch,
            linger_ns=plan.linger_ns,
            lanes=plan.lanes,
            max_lanes=plan.max_lanes,
            in_flight=plan.in_flight,
            buffer=buffer,
            drain_ns=plan.drain_ns,
            objective_ns=plan.objective_ns or 0,
        )

    def _start(self, load: LoadProcesses, spec: TrialSpec) -> None:
        self._listener.step(f"{self._plan.ledger_name}: signing ahead, connecting {self._plan.workers} worker(s)")
        load.tell("plan", spec=spec.to_wire())
        ready = load.wait("ready", READY_DEADLINE_S, self._tick)
        self._facts.hosts = ready["hosts"]
        for name, pid in {**load.pids(), **ready["pids"]}.items():
            self._monitor.add(name, "harness", pid)
        self._monitor.start()
        self._weight = self._weigh()
        load.tell("start")
        self._facts.start_ns = self._live.start_ns = self._own_start(load, ready["hosts"])
        self._facts.started = True
        self._audience.load_began(self._facts.start_ns, self._version())

    def _version(self) -> str | None:
        """What the ledger that runs says it is."""
        client = self._facts.disclosed.get("client")
        return self._network.version if self._network is not None else client if isinstance(client, str) else None

    def _own_start(self, load: LoadProcesses, hosts: Sequence[str]) -> int:
        """The start signal on this host's clock; when all workers are elsewhere, the moment the first one is heard."""
        here = clock_domain()
        while (started := load.wait("started", START_DEADLINE_S, self._tick))["host"] != here:
            if here not in hosts:
                return monotonic_ns()
        return int(started["start_ns"])

    def _measure(self, load: LoadProcesses) -> None:
        """Watch until everything is drained and settled."""
        plan = self._plan
        deadline = self._facts.start_ns + plan.duration_ns + plan.drain_ns + int(SETTLE_DEADLINE_S * NS_PER_S)
        drained = False
        while monotonic_ns() < deadline:
            self._tick()
            self._audience.tick()
            event = load.next(0.2)
            match event:
                case None:
                    continue
                case {"event": "snapshot", "worker": worker, "counters": counters}:
                    self._take(worker, Counters.from_wire(counters))
                case {"event": "drained"}:
                    drained = True
                    self._facts.end_ns = monotonic_ns() - self._facts.start_ns
                case {"event": "settled", "unsettled": unsettled}:
                    self._facts.unsettled = unsettled
                    return
                case {"event": "worker_lost", "worker": worker}:
                    raise HarnessError(f"worker {worker} died", remedy="was it killed for memory? see the host's log")
        if not drained:
            raise HarnessError("the workers did not report the end of the drain", remedy=REPORT)

    def _finish(self, load: LoadProcesses, cause: ErrorClass, *, salvaging: bool = False) -> None:
        load.tell("finish", cause=int(cause))
        while (event := load.next(FINISH_DEADLINE_S, salvaging=salvaging)) is not None:
            if event["event"] == "finished":
                break
            if event["event"] == "snapshot":
                self._take(event["worker"], Counters.from_wire(event["counters"]))
        else:
            raise HarnessError("the workers did not hand over their last rows", remedy=REPORT)
        self._listener.live(self._live.view())
        self._facts.fillers = self._live.sum("fillers")
        self._facts.sent_bytes = self._live.sum("sent_bytes")
        self._facts.error_examples = self._live.error_examples()

    def _take(self, worker: int, counters: Counters) -> None:
        self._audience.counted(worker, counters)
        if (view := self._live.take(worker, counters)) is not None:
            self._listener.live(view)

    def _weigh(self) -> dict[str, int | None]:
        """What each node's directory takes up on disk now."""
        nodes = self._network.nodes if self._network else ()
        return {node.name: allocated_bytes(node.data_directory) if node.data_directory else None for node in nodes}

    def _weigh_again(self) -> None:
        for name, after in self._weigh().items():
            before = self._weight[name]
            self._facts.disk_growth[name] = None if before is None or after is None else after - before

    # --- when it goes wrong

    def _tick(self) -> None:
        if self._interrupted():
            raise InterruptedRunError
        for node in self._network.nodes if self._network else ():
            if node.pid is not None and not _running(node.pid):
                raise LedgerError(
                    f"node {node.name} of {self._plan.ledger_name} ended while it was under load",
                    remedy="its log is in the bundle's events; check memory and disk",
                )

    def _cut_short(self, error: BenchError) -> None:
        """Keep what was measured. A load process that fails because the node died blames the node."""
        try:
            for _ in range(NODE_ENDS_WITHIN):  # its sockets close a moment before it has ended
                self._tick()
                if not isinstance(error, LedgerError):
                    break
                time.sleep(0.1)
        except BenchError as cause:
            error = cause
        except InterruptedRunError:
            self._facts.interrupted = True
        self._facts.failure = error
        self._salvage(ErrorClass.INTERRUPTED)

    def _salvage(self, cause: ErrorClass) -> None:
        if self._load is None or not self._facts.started:
            return
        self._facts.end_ns = self._facts.end_ns or monotonic_ns() - self._facts.start_ns
        try:
            self._finish(self._load, cause, salvaging=True)
        except BenchError:
            pass  # the first failure is already recorded; the rows spooled so far stay

    def _stop_load(self, load: LoadProcesses) -> None:
        self._facts.samples = self._monitor.stop()
        self._audience.pass_on()
        load.stop()

    def _tear_down(self) -> None:
        """Every step is tried, whatever the ones before it do."""
        if self._network is not None:
            self._audience.nodes_changed(())
        with ExitStack() as steps:
            if self._network is not None and self._plan.ledger is not None:
                steps.callback(self._plan.ledger.down, self._network)
            if self._adapter is not None:
                steps.callback(self._adapter.close)
            if self._load is not None:
                steps.callback(self._load.stop)
            self._facts.samples = self._facts.samples or self._monitor.stop()


def _running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
