"""What a scenario may say: every key with its type, bounds, default and meaning.

The models hold a *resolved* scenario: defaults filled in, durations in integer nanoseconds (`…_ns`), traces as their
rows. Shorthand (`ledger: anvil`, `workload: smallbank`, a trace by name or file) is expanded by `bench.scenario.loader`
before it comes here; the `shorthand` of a model names its keys that exist only in files. Whether a ledger, adapter or
workload of a name exists is for the registry to say, which knows the plug-ins.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationInfo, field_validator

from bench.model.clock import NS_PER_S
from bench.model.masking import texts_in
from bench.model.workload import Parameter
from bench.scenario.arrival import ArrivalProcess
from bench.scenario.arrival_schema import Arrival, StepsArrival, TraceArrival
from bench.scenario.capacity import CapacitySearch
from bench.scenario.declared import DeclaredLedger
from bench.scenario.duration import format_duration
from bench.scenario.fields import Duration, Mistake, Number, Part, PlugInName, Whole, refuse
from bench.scenario.stopping import Stopping

TRIALS = 5
"""Fewest trials that give an interval for the median."""
WARM_UP_NS = 5 * NS_PER_S
WARM_UP_SHARE = 5  # a fifth of the duration, if that is less
IN_FLIGHT = 1_000
IN_FLIGHT_S = 20
MOST_PLANNED = 1_000_000_000
_LATER = -1  # stands in a default for what `Scenario` computes from other keys
_WEB = ("http", "https", "ws", "wss")
_DATABASES = ("postgresql", "postgres")
_SCHEMES = ("http", "https", "ws", "wss", "grpc", "grpcs", "unix", *_DATABASES)


def plain_name(value: str) -> str:
    """A name that may be a folder's; anything else is a mistake."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", value):
        refuse(
            [
                Mistake(
                    "is not a name", "use up to 80 letters, digits, '-', '_' and '.', beginning with a letter or digit"
                )
            ]
        )
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        refuse([Mistake("is not an address", "write it as http://127.0.0.1:8545", show_value=False)])
    if parts.scheme in _DATABASES:
        if ":" in parts.netloc.rpartition("@")[0] or "password" in parts.query.lower():
            refuse([Mistake("carries a password", "move it to the file that key_file names", show_value=False)])
    elif "@" in parts.netloc:
        refuse([Mistake("carries credentials", "move them to the file that headers_file names", show_value=False)])
    if _key_in_query(value):
        refuse([Mistake("carries a key", "move it to the file that headers_file names", show_value=False)])
    if parts.scheme not in _SCHEMES:
        refuse([Mistake("is not an address this product opens", f"begin it with {', '.join(_SCHEMES)} and ://")])
    if parts.scheme == "unix":
        if parts.netloc or not parts.path.startswith("/"):
            refuse([Mistake("is not an absolute socket path", "write it as unix:///run/node.sock")])
    elif not parts.hostname or port == 0 or re.search(r"\s", value):
        refuse([Mistake("names no host or no usable port", "write it as http://127.0.0.1:8545")])
    return value


def _key_in_query(address: str) -> bool:
    scheme, _, rest = address.strip().partition("://")
    query = rest.partition("?")[2]
    return scheme.lower() in _WEB and bool(re.search(r"key|token|secret|password|auth", query, re.IGNORECASE))


def _no_credentials(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Options are written into the bundle."""
    remedy = "move them to the file that headers_file names"
    secret = []
    for key, value in options.items():
        addresses = [text for text in texts_in(value) if "://" in text]
        if any(re.search(r"://[^/@\s]+@", address) for address in addresses):
            secret.append(Mistake("carries credentials", remedy, (key,), show_value=False))
        elif any(_key_in_query(address) for listed in addresses for address in listed.split(",")):
            secret.append(Mistake("carries a key", remedy, (key,), show_value=False))
    if secret:
        refuse(secret)
    return options


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        refuse([Mistake("is not an address to listen on", "write it as 127.0.0.1:5557")])
    return value


def _file(value: str) -> str:
    if re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", value.strip()):
        refuse([Mistake("is a key itself, not a file", "put the key in a file and name that here", show_value=False)])
    if not value.strip():
        refuse([Mistake("is empty", "name a file or remove the key")])
    return value


def _parameters(value: object) -> object:
    given = value.items() if isinstance(value, dict) else ()
    wrong = [name for name, parameter in given if not isinstance(parameter, bool | int | float | str)]
    if wrong:
        refuse([Mistake("is not a number, text, true or false", "use one plain value", (name,)) for name in wrong])
    return value


class LedgerChoice(Part):
    """A managed ledger: the product starts it fresh for every trial."""

    name: PlugInName = Field(description="Name of the ledger; `bench.py ledgers list` shows them.")
    options: Annotated[dict[str, JsonValue], AfterValidator(_no_credentials)] = Field(
        default={}, description="Settings of the ledger, checked by the ledger."
    )


class EndpointChoice(Part):
    """A node that is already running and not ours; its results are marked `not fresh`."""

    adapter: PlugInName = Field(description="Adapter that speaks to the node, such as evm.")
    url: Annotated[str, AfterValidator(_url)] = Field(
        description="Address of the node: http(s), ws(s), grpc(s), unix or postgresql (with a user, without a "
        "password). No secrets: it is written into the bundle."
    )
    headers_file: Annotated[str, AfterValidator(_file)] | None = Field(
        default=None, description="File of request headers, one `Name: value` per line; from the working directory."
    )
    key_file: Annotated[str, AfterValidator(_file)] | None = Field(
        default=None,
        description="File with the key of a funded account, or a database role's password; from the working directory.",
    )
    chain_id: Annotated[Whole, Field(ge=0)] | None = Field(
        default=None, description="Chain the node must be on; the run refuses any other. Absent: any chain."
    )
    options: Annotated[dict[str, JsonValue], AfterValidator(_no_credentials)] = Field(
        default={}, description="Settings of the adapter, checked by the adapter."
    )
    ledger: DeclaredLedger | None = Field(
        default=None, description="What its operators declare of the network: its name and its class on all pages."
    )


class WorkloadChoice(Part):
    """What is asked of the ledger."""

    name: PlugInName = Field(description="Name of the workload; `bench.py plugins` lists them.")
    parameters: Annotated[dict[str, Parameter], BeforeValidator(_parameters)] = Field(
        default={}, description="Parameters of the workload, in place of its defaults."
    )


class Phases(Part):
    """How long the parts of a trial last."""

    duration_ns: Duration = Field(
        default=_LATER,
        alias="duration",
        gt=0,
        description="Time over which arrivals are planned, warm-up included. Steps and traces know their own.",
    )
    warm_up_ns: Duration = Field(
        default=_LATER,
        alias="warm_up",
        description="Beginning of the duration that is not measured. Default: 5 s, at most 20 % of the duration.",
    )
    drain_ns: Duration = Field(
        default=30 * NS_PER_S,
        alias="drain",
        description="Longest wait, after the last arrival, for what is still open; then it is unresolved.",
    )


class Load(Part):
    """How the load is sent."""

    workers: Whole = Field(default=1, ge=1, le=256, description="Processes that send, remote ones included.")
    remote_workers: Whole = Field(
        default=0, ge=0, le=256, description="How many of them are started on other machines with `bench.py worker`."
    )
    master: Annotated[str, AfterValidator(_listen)] = Field(
        default="127.0.0.1:0",
        description="Where the run's master listens for workers; port 0 takes a free one. The connection is not "
        "encrypted and carries the accounts' keys: use a trusted network or a tunnel.",
    )
    batch: Whole = Field(default=1, ge=1, le=1000, description="Most transactions in one request; 1 sends each alone.")
    linger_ns: Duration = Field(
        default=5_000_000,
        alias="linger",
        description="Longest a transaction waits for its batch to fill; unused at batch 1.",
    )
    accounts: Whole = Field(
        default=200, ge=1, le=1_000_000, description="Sending accounts, shared out over the workers."
    )
    lanes: Whole = Field(
        default_factory=lambda earlier: 32 if earlier.get("batch", 1) == 1 else 8,
        ge=1,
        le=10_000,
        description="Requests each worker keeps open at the beginning. Default: 32, or 8 with batches.",
    )
    max_lanes: Whole = Field(
        default_factory=lambda earlier: max(earlier.get("lanes", 1), 512 if earlier.get("batch", 1) == 1 else 64),
        ge=1,
        le=10_000,
        description="Requests a worker may have open at most; what falls due when all are open is dropped and counted "
        "against the ledger. Default: 512, or 64 with batches, of which many at once would only slow a node down.",
    )
    in_flight: Whole = Field(
        default=_LATER,
        ge=1,
        description="Transactions that may be open at once; arrivals beyond are dropped, and blamed on the ledger. "
        "Default: 20 s of the mean rate, at least 1000.",
    )


class Limits(Part):
    """Bounds on the harness itself. A trial that breaks one is invalid: it measured us and not the ledger."""

    submit_lag_p99_ns: Duration = Field(
        default=5_000_000,
        alias="submit_lag_p99",
        gt=0,
        description="99th percentile of the time from a transaction's due time to its sending.",
    )
    worker_cpu_percent: Number = Field(
        default=85.0, gt=0, le=100, description="Mean CPU of a worker, in percent of one core."
    )
    sent_share: Number = Field(
        default=0.99, gt=0, le=1, description="Share of planned transactions sent, or dropped at the in-flight bound."
    )


class Slo(Part):
    """Service levels the ledger must meet; missing one ends the command with code 4."""

    finality_p99_ns: Duration = Field(
        alias="finality_p99", gt=0, description="99th percentile of the time from due to final."
    )


class Scenario(Part):
    """One experiment: what is loaded, with what, how hard, how long, and how often."""

    name: Annotated[str, AfterValidator(plain_name)] = Field(
        description="Name of the scenario, used in folders and reports."
    )
    ledgers: tuple[LedgerChoice, ...] = Field(
        default=(), max_length=20, description="Managed ledgers to run on; this or `endpoint`."
    )
    endpoint: EndpointChoice | None = Field(
        default=None, validate_default=True, description="A running node that is not ours; this or `ledgers`."
    )
    workload: WorkloadChoice = Field(description="What is asked of the ledger: a name, or name and parameters.")
    arrival: Arrival = Field(description="When transactions are due: a process and its rates.")
    phases: Phases = Field(default=Phases(), validate_default=True, description="How long the parts of a trial last.")
    load: Load = Field(default=Load(), validate_default=True, description="How the load is sent.")
    trials: Whole = Field(
        default_factory=lambda earlier: TRIALS if earlier.get("endpoint") is None else 1,
        ge=1,
        le=1000,
        description="Repeats on each ledger. Default: 5, or 1 with an endpoint. Below 5 no interval is printed.",
    )
    stopping: Stopping | None = Field(
        default=None, description="Repeat until the figures are known well enough. Absent: `trials` rounds exactly."
    )
    seed: Whole = Field(
        default=1,
        ge=0,
        lt=2**53,
        description="Everything random derives from it: arrivals, operations, accounts, order.",
    )
    limits: Limits = Field(default=Limits(), description="Bounds on the harness; a trial that breaks one is invalid.")
    slo: Slo | None = Field(default=None, description="Service levels of the ledger. Absent: none are tested.")
    capacity: CapacitySearch | None = Field(
        default=None, description="How `bench.py capacity` searches; `run` does not read it. Absent: the defaults."
    )

    shorthand: ClassVar[dict[str, str]] = {"ledger": "One managed ledger, short for a list of one."}

    @property
    def process(self) -> ArrivalProcess:
        """The arrival process over this scenario's duration."""
        return self.arrival.schedule(self.phases.duration_ns)

    @property
    def most_trials(self) -> int:
        """Rounds that a run may take: `trials`, or the cap of `stopping`."""
        return self.trials if self.stopping is None else self.stopping.most_trials

    @field_validator("ledgers")
    @classmethod
    def _distinct(cls, ledgers: tuple[LedgerChoice, ...]) -> tuple[LedgerChoice, ...]:
        again = [at for at, ledger in enumerate(ledgers) if ledger in ledgers[:at]]
        if again:
            refuse([Mistake("is listed twice", "remove it, or give it other options", (at,), False) for at in again])
        return ledgers

    @field_validator("endpoint")
    @classmethod
    def _one_target(cls, endpoint: EndpointChoice | None, info: ValidationInfo) -> EndpointChoice | None:
        ledgers = info.data.get("ledgers")
        if ledgers and endpoint is not None:
            refuse([Mistake("is given beside ledgers", "keep one of the two", show_value=False)])
        if ledgers == () and endpoint is None:
            refuse([Mistake("is missing, and so is ledgers", "add e.g. ledgers: [sqlite]", show_value=False)])
        return endpoint

    @field_validator("stopping")
    @classmethod
    def _room_to_go_on(cls, stopping: Stopping | None, info: ValidationInfo) -> Stopping | None:
        trials = info.data.get("trials")
        if stopping is not None and trials is not None and stopping.most_trials < trials:
            refuse([Mistake("is below trials", f"use at least {trials}", ("most_trials",), False)])
        return stopping

    @field_validator("phases")
    @classmethod
    def _resolve_phases(cls, phases: Phases, info: ValidationInfo) -> Phases:
        arrival = info.data.get("arrival")
        if arrival is None:
            return phases
        own = arrival.own_length_ns if isinstance(arrival, StepsArrival | TraceArrival) else None
        duration = (own or 0) if phases.duration_ns == _LATER else phases.duration_ns
        default_warm_up = min(WARM_UP_NS, duration // WARM_UP_SHARE)
        warm_up = default_warm_up if phases.warm_up_ns == _LATER else phases.warm_up_ns
        found = _phase_mistakes(duration, warm_up, own, arrival)
        if found:
            refuse(found)
        return phases.model_copy(update={"duration_ns": duration, "warm_up_ns": warm_up})

    @field_validator("load")
    @classmethod
    def _resolve_load(cls, load: Load, info: ValidationInfo) -> Load:
        found = []
        if load.max_lanes < load.lanes:
            found.append(Mistake("is below lanes", f"use at least {load.lanes}", ("max_lanes",)))
        if load.remote_workers > load.workers:
            found.append(Mistake("is above workers", f"use at most {load.workers}", ("remote_workers",)))
        if load.remote_workers and load.master.endswith(":0"):
            found.append(Mistake("takes any port", "remote workers need a port they know", ("master",)))
        if load.accounts < load.workers:
            found.append(Mistake("is below workers", f"use at least {load.workers}", ("accounts",)))
        if found:
            refuse(found)
        arrival, phases = info.data.get("arrival"), info.data.get("phases")
        if load.in_flight != _LATER or arrival is None or phases is None:
            return load
        planned = arrival.schedule(phases.duration_ns).planned(phases.duration_ns)
        bound = -(-IN_FLIGHT_S * NS_PER_S * planned // phases.duration_ns)
        return load.model_copy(update={"in_flight": max(IN_FLIGHT, bound)})


def _phase_mistakes(duration_ns: int, warm_up_ns: int, own_ns: int | None, arrival: Arrival) -> list[Mistake]:
    if duration_ns == 0:
        return [Mistake("is missing", "add how long arrivals are planned, e.g. duration: 20s", ("duration",), False)]
    found = []
    if own_ns is not None and duration_ns > own_ns:
        end = format_duration(own_ns)
        found.append(Mistake(f"is longer than the arrivals, which end at {end}", f"use at most {end}", ("duration",)))
    if warm_up_ns >= duration_ns:
        remedy = f"use less than the duration of {format_duration(duration_ns)}"
        found.append(Mistake("leaves nothing to measure", remedy, ("warm_up",)))
    planned = arrival.schedule(duration_ns).planned(duration_ns)
    if planned == 0:
        found.append(Mistake("plans no transaction", "use a higher rate or a longer duration", ("duration",)))
    if planned > MOST_PLANNED:
        found.append(Mistake(f"plans {planned} transactions", f"stay within {MOST_PLANNED}", ("duration",)))
    return found
