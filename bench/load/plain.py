"""Plain `locust -f`: a workload by itself, with Locust's own command line and web UI, and no coordinator.

Custom arguments say what to load; `--host` is the ledger's address. The process that runs the test (Locust's master, or
the single local process) prepares the ledger at each test start and hands the plan to the workers. The rate is constant
until the test is stopped. Locust's statistics and the live figures (`bench.load.plain_live`) are all there is: for a
record, use `bench run`.
"""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import asdict
from typing import Any

import gevent
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from bench import registry
from bench.adapters.protocol import Endpoint, Setup
from bench.load.messages import Say, TrialSpec
from bench.load.plain_live import PlainLive
from bench.load.worker import Trial, guarded
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.errors import BenchError, ConfigurationError
from bench.model.transaction import ErrorClass
from bench.model.workload import Workload
from bench.scenario.arrival_schema import ConstantArrival

HORIZON_S = 24 * 3600
KEY_VARIABLE = "BENCH_FUNDING_KEY"
START_DELAY_NS = 300 * NS_PER_MS
BUFFER = 5_000
_TO_MASTER = (Say.STARTED, Say.SNAPSHOT, Say.ROWS, Say.BLOCKS, Say.DRAINED, Say.SETTLED, Say.FINISHED, Say.FAILED)


def add_arguments(parser: Any) -> None:
    """Locust's `init_command_line_parser` hook."""
    parser.add_argument("--adapter", default="evm", help="adapter that speaks to --host")
    parser.add_argument("--rate", type=float, default=100.0, help="intended operations per second, over all workers")
    parser.add_argument("--accounts", type=int, default=200, help="sending accounts")
    parser.add_argument("--batch", type=int, default=1, help="transactions per request")
    parser.add_argument("--seed", type=int, default=1, help="source of every random draw")
    parser.add_argument(
        "--metrics-listen",
        default="127.0.0.1:0",
        env_var="BENCH_METRICS_LISTEN",
        include_in_web_ui=False,
        help="HOST:PORT of live figures; whoever can reach it can read them",
    )


def install(environment: Any, runner: Any, **_: Any) -> None:
    """Locust's `init` hook: take over test start and stop in each kind of process."""
    if isinstance(runner, WorkerRunner):
        PlainWorker(environment, runner)
    elif isinstance(runner, MasterRunner | LocalRunner):
        PlainMaster(environment, runner)


class PlainMaster:
    """Prepares the ledger and directs the workers; in a local runner it is the worker, too."""

    def __init__(self, environment: Any, runner: Any) -> None:
        self._environment = environment
        self._runner = runner
        self._ready = 0
        self._live = PlainLive(environment.parsed_options.metrics_listen)
        self._local = PlainWorker(environment, runner) if isinstance(runner, LocalRunner) else None
        for say in (*_TO_MASTER, Say.READY):
            runner.register_message(say, self._hear)
        environment.events.test_start.add_listener(self._start)
        environment.events.test_stop.add_listener(self._stop)
        environment.events.quitting.add_listener(lambda **_: self._live.close())

    def _start(self, **_: Any) -> None:
        gevent.spawn(self._guarded_start)

    def _guarded_start(self) -> None:
        try:
            self._prepare_and_start()
        except BenchError as error:
            self._environment.process_exit_code = int(error.exit_code)
            print_error(error)
            self._runner.quit()

    def _prepare_and_start(self) -> None:
        workers = 1 if self._local else len(self._runner.clients)
        spec = prepare(self._environment, workers)
        options = self._environment.parsed_options
        self._live.test_began(registry.workload(spec.workload), spec, options.adapter, options.rate)
        self._ready = 0
        if self._local:
            self._local.plan({"spec": spec.to_wire(), "index": 0, "owner": True})
            self._local.begin()
            return
        for index, client in enumerate(list(self._runner.clients)):
            plan = {"spec": spec.to_wire(), "index": index, "owner": index == 0}
            self._runner.send_message(Say.PLAN, plan, client_id=client)
        while self._ready < workers:
            gevent.sleep(0.05)
        self._runner.send_message(Say.START, {"delay_ns": START_DELAY_NS})

    def _stop(self, **_: Any) -> None:
        if self._local:
            self._local.finish()
        else:
            self._runner.send_message(Say.FINISH, {"cause": int(ErrorClass.INTERRUPTED)})

    def _hear(self, environment: Any, msg: Any) -> None:  # noqa: ARG002  # Locust passes both by name
        match msg.type:
            case Say.READY:
                self._ready += 1
            case Say.STARTED:
                self._live.started(msg.data)
            case Say.SNAPSHOT:
                self._live.counted(msg.data)
            case Say.FINISHED:
                self._live.finished(int(msg.data["worker"]))
            case Say.FAILED:
                print_error(BenchError(msg.data["what"], remedy=msg.data["remedy"]))
                self._runner.quit()


class PlainWorker:
    """Holds the present test's trial; messages come from the master, or are called by it in the same process."""

    def __init__(self, environment: Any, runner: Any) -> None:
        self._environment = environment
        self._runner = runner
        self._trial: Trial | None = None
        if isinstance(runner, WorkerRunner):
            runner.register_message(Say.PLAN, self._plan_message, concurrent=True)
            runner.register_message(Say.START, lambda environment, msg: self.begin())  # noqa: ARG005
            runner.register_message(Say.FINISH, lambda environment, msg: self.finish(), concurrent=True)  # noqa: ARG005
        environment.events.quitting.add_listener(lambda **_: self.finish())

    def plan(self, plan: dict[str, Any]) -> None:
        """Build the trial and wait until it is ready."""
        self._trial = Trial(self._runner, plan, self._environment.stats)
        pids = self._trial.make_ready()
        self._runner.send_message(Say.READY, {"worker": self._trial.index, "pids": pids})

    def begin(self) -> None:
        """Start the schedule."""
        if self._trial is not None:
            self._trial.start(START_DELAY_NS)

    def finish(self) -> None:
        """Stop the schedule and the processes that served it."""
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.finish(ErrorClass.INTERRUPTED)

    def _plan_message(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        guarded(self._runner, lambda: self.plan(msg.data))


def prepare(environment: Any, workers: int) -> TrialSpec:
    """Open the ledger named by `--host`, prepare it, and write the plan."""
    options = environment.parsed_options
    if not environment.host:
        raise ConfigurationError("no ledger to load", remedy="give its address, e.g. --host http://127.0.0.1:8545")
    workload = _workload_of(environment.user_classes[0].__name__)
    adapter = registry.adapter(options.adapter)
    endpoint = Endpoint(environment.host)
    adapter.open(endpoint)
    key = os.environ.get(KEY_VARIABLE)
    keys = {"funding_key": key} if key else {}
    writes = int(options.rate * 600)  # funds for ten minutes; a longer test tops up at its next start
    fixture = adapter.prepare(Setup(workload, dict(workload.defaults), options.accounts, writes, options.seed, keys))
    adapter.close()
    return TrialSpec(
        token=secrets.token_hex(8),
        adapter=options.adapter,
        url=endpoint.url,
        headers={},
        options={},
        timeout_s=endpoint.timeout_s,
        fixture=asdict(fixture),
        workload=workload.name,
        parameters=dict(workload.defaults),
        seed=options.seed,
        arrival=ConstantArrival(process="constant", rate=options.rate).model_dump(mode="json", by_alias=True),
        duration_ns=HORIZON_S * NS_PER_S,
        workers=workers,
        batch=options.batch,
        linger_ns=5 * NS_PER_MS,
        lanes=0,
        max_lanes=512,
        in_flight=max(1000, int(20 * options.rate)),
        buffer=BUFFER,
        drain_ns=0,
    )


def _workload_of(user_class: str) -> Workload:
    """The registered workload whose user class this is: a locustfile is imported by path, so only the name is left."""
    for name in registry.names("workloads"):
        workload = registry.workload(name)
        if workload.user.rpartition(":")[2] == user_class:
            return workload
    raise ConfigurationError("no registered workload has this user class", value=user_class, remedy="see bench plugins")


def print_error(error: BenchError) -> None:
    """Locust's process edge: say it on standard error, where Locust's own log lines go."""
    sys.stderr.write(f"error: {error}\n")
