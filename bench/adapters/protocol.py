"""The contract of an adapter: six methods that speak one ledger family, and a few optional powers.

An adapter object lives in one process and is never shared. The coordinator calls `open`, `prepare`, `close`; an encoder
`open`, `encode`; a worker `open`, `submit` (many greenlets at once, sockets patched by gevent, no other blocking
calls);
an observer `open`, `commits`. Each gets the same `Endpoint` and, after preparation, the same `Fixture`. Nothing is
passed between them but what is in those two values, so all of it works on several hosts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.values import JsonValue
from bench.model.workload import Parameter, StateReader, Workload

__all__ = ["Adapter", "Auditable", "Endpoint", "Fixture", "JsonValue", "Queryable", "Sequenced", "Setup"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to reach a ledger. `headers` may carry credentials and is kept out of bundles and messages.

    `options` are the adapter's own settings from the scenario (`adapter:` mapping), validated by the adapter.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What a trial needs on the ledger before load: `accounts` usable senders, the workload's contract, its state.

    `writes` is how many transactions will be planned at most, so that funding suffices. `secrets` holds keys given by
    the user or by the managed network (`funding_key`), by name.
    """

    workload: Workload
    parameters: Mapping[str, Parameter]
    accounts: int
    writes: int
    seed: int
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Fixture:
    """The prepared state, as JSON: enough for an encoder, worker or observer in another process to work.

    `sequences[i]` is the next unused sequence number of account i (empty when the ledger has none). `data` belongs to
    the adapter; what is secret in it stays in files of mode 0600 and never reaches a bundle. `disclosed` does reach it.
    """

    accounts: int
    sequences: Sequence[int] = ()
    data: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    disclosed: Mapping[str, JsonValue] = field(default_factory=dict)


class Adapter(Protocol):
    """See the module docstring for who calls what. All methods may raise `LedgerError`; `submit` returns refusals."""

    finality: Finality
    sequencing: Sequencing
    capabilities: frozenset[str]  # "batch", "reads", "audit", …; printed, and used to refuse what cannot work

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Check that the ledger answers (and, with a fixture, is the ledger it was made on). No background threads."""

    def prepare(self, setup: Setup) -> Fixture:
        """Create accounts, fund them, deploy the contract, load its state; done once, untimed. An account that already
        has enough is not funded.
        """

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        """Sign and serialise; untimed, deterministic, needs no network. `sequence` is 0 where there is no
        sequencing.
        """

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """Send now and return one reply per transaction, in order. Called from many greenlets at once."""

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """Follow blocks with height > `after` (None: from the present head on), forever, without gaps, in O(blocks)
        requests. Yields None at least every 0.5 s so that the caller can stop, and `Blind` when it changed nodes.
        Raises `LedgerError` on a gap that cannot be filled. Runs in a plain thread, not under gevent.
        """

    def close(self) -> None:
        """Release sockets; idempotent; safe while another greenlet is inside `submit`."""


@runtime_checkable
class Sequenced(Protocol):
    """Optional power of ledgers with `Sequencing.ACCOUNT`."""

    def next_sequence(self, sender: int) -> int:
        """The ledger's own next sequence number of the account, over included transactions."""

    def encode_filler(self, sender: int, sequence: int) -> Transaction:
        """The cheapest transaction that consumes a sequence number; counted apart, never load."""


@runtime_checkable
class Auditable(Protocol):
    """Optional power: read state for invariants after the drain."""

    def state(self) -> StateReader:
        """A reader of the state as it is now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of what an endpoint was found to be: `what`, its `value` ("yes", "no", a number), and a `remark`."""

    what: str
    value: str
    remark: str


@runtime_checkable
class Probing(Protocol):
    """An adapter that can find out what an endpoint does, without changing anything there."""

    def probe(self) -> Sequence[Finding]:
        """After `open`, without a fixture: one row per finding, and how the adapter would then work."""


@runtime_checkable
class Queryable(Protocol):
    """Optional power: `encode` also takes read operations, and `submit` answers them with ACCEPTED when answered."""

    reads: frozenset[str]
