"""What the load processes say to each other, as values; the wire forms are msgpack and live at the edges.

Locust's own message channel carries coordinator ↔ worker traffic (names in `Say`), Unix sockets carry encoder and
observer streams on one host. Secrets travel only inside `TrialSpec`, never in Locust's parsed options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum, unique
from typing import Any, NamedTuple

from bench.adapters.protocol import Endpoint, Fixture, JsonValue
from bench.model.workload import Parameter


@unique
class Say(StrEnum):
    """Names of Locust custom messages. To workers: PLAN, START, FINISH. To the master: the rest."""

    HELLO = "bench.hello"  # {host, pid, version}
    PLAN = "bench.plan"  # TrialSpec + {index, owner, socket}
    READY = "bench.ready"  # {pids: {name: pid}}
    START = "bench.start"  # {delay_ns}
    STARTED = "bench.started"  # {start_ns, host}
    SNAPSHOT = "bench.snapshot"  # bench.model.counters.Counters, cumulative
    ROWS = "bench.rows"  # {rows: bytes}
    BLOCKS = "bench.blocks"  # {host, blocks, statuses, pauses: bytes, orphans}; from the observer's owner only
    DRAINED = "bench.drained"  # {open}: nothing in flight any more, or the deadline passed
    SETTLED = "bench.settled"  # {unsettled}: execution status of every seen block is known, or not to be had
    FINISH = "bench.finish"  # {cause}: close what is open as unresolved, send the last rows
    FINISHED = "bench.finished"  # {}
    FAILED = "bench.failed"  # {what, remedy, code: ExitCode}


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """All a worker, its encoder and an observer need for one trial. `arrival` is the scenario's mapping, validated."""

    token: str
    adapter: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    options: Mapping[str, JsonValue]
    timeout_s: float
    fixture: Mapping[str, JsonValue] = field(repr=False)
    workload: str
    parameters: Mapping[str, Parameter]
    seed: int
    arrival: Mapping[str, JsonValue]
    duration_ns: int
    workers: int
    batch: int
    linger_ns: int
    lanes: int
    max_lanes: int
    in_flight: int
    buffer: int
    drain_ns: int
    objective_ns: int = 0  # finality latency that the scenario asks for; 0: none

    def to_wire(self) -> dict[str, Any]:
        """A plain mapping for msgpack."""
        return asdict(self)

    @staticmethod
    def from_wire(data: Mapping[str, Any]) -> TrialSpec:
        """The inverse of `to_wire`."""
        return TrialSpec(**data)

    def endpoint(self) -> Endpoint:
        """Where the adapter goes."""
        return Endpoint(self.url, self.headers, self.options, self.timeout_s)

    def prepared(self) -> Fixture:
        """The prepared state, as the adapter made it."""
        return Fixture(**self.fixture)  # type: ignore[arg-type]


class Item(NamedTuple):
    """One encoded operation on its way from encoder to worker. `generation` says under which state of the sender's
    sequence it was signed; `filler` items consume a sequence number and are never load.
    """

    plan_index: int
    due_ns: int
    operation: int
    kind: int
    expects_refusal: int
    sender: int
    sequence: int
    generation: int
    tx_id: bytes
    payload: bytes


FILLER_INDEX = -1
