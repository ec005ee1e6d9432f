"""Adapter of etcd, v3. What an operation is there: `writes`. Acceptance already means commit: etcd answers when a
majority has the write on disk. Refusals (no funds, anchored before, races lost too often) leave no trace in the store.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgpack

from bench.adapters.etcd.client import EtcdClient
from bench.adapters.etcd.commits import follow
from bench.adapters.etcd.grpc import CallError, ConnectionLostError, NotConnectedError
from bench.adapters.etcd.messages import DELETE_RANGE, RANGE, TXN, delete_request, end_of, read_txn
from bench.adapters.etcd.options import EtcdOptions, options_of
from bench.adapters.etcd.state import EtcdState, count_of, money_of, open_accounts
from bench.adapters.etcd.writes import (
    READS,
    WRITES,
    Balances,
    Keys,
    Malformed,
    Write,
    read_payload,
    read_request,
    write_of,
    write_payload,
)
from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Account, Kind, Operation
from bench.model.transaction import (
    ACCEPTED,
    CommitEvent,
    ErrorClass,
    Refusal,
    Reply,
    Transaction,
    Unanswered,
)
from bench.model.workload import StateReader

_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNAUTHENTICATED, _PERMISSION_DENIED, _UNIMPLEMENTED = 3, 8, 16, 7, 12
_NOT_DONE = {
    _INVALID_ARGUMENT: ErrorClass.INVALID_TRANSACTION,
    _RESOURCE_EXHAUSTED: ErrorClass.POOL_FULL,
    _UNAUTHENTICATED: ErrorClass.UNAUTHORIZED,
    _PERMISSION_DENIED: ErrorClass.UNAUTHORIZED,
    _UNIMPLEMENTED: ErrorClass.METHOD_MISSING,
}
"""Statuses that say that nothing was done; with any other one it may have been."""


class EtcdAdapter:
    """See `bench.adapters.protocol.Adapter`. `encode` numbers each sender's operations, as our other ledgers do."""

    finality = Finality("response (quorum fsync)")
    sequencing = Sequencing.NONE
    capabilities = frozenset({"batch", "reads", "audit"})

    def __init__(self) -> None:
        self.reads: frozenset[str] = frozenset()
        self._client: EtcdClient | None = None
        self._options = EtcdOptions(())
        self._keys = Keys(b"")
        self._balances = Balances()
        self._fixture: Fixture | None = None
        self._salt = b""
        self._prepared = False
        self._counts: dict[int, int] = defaultdict(int)

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Find the members and their leader; with a fixture, check that it was made on this cluster."""
        self.close()
        self._options = options_of(endpoint)
        self._keys = Keys(self._options.prefix)
        self._client = EtcdClient(self._options.addresses, endpoint.timeout_s)
        if fixture is None:
            return
        if fixture.data.get("cluster") != f"{self._client.status.cluster_id:016x}":
            self.close()
            raise LedgerError("the fixture was made on another ledger", value=endpoint.url, remedy="prepare again")
        self._take(fixture)

    def prepare(self, setup: Setup) -> Fixture:
        """Open the accounts that are missing; remember where the counts and the money stand."""
        asked = {info.name for info in setup.workload.operations}
        if "etcd" not in setup.workload.families or not asked <= WRITES | READS:
            raise ConfigurationError(
                f"workload {setup.workload.name} cannot be expressed on etcd",
                value=sorted(setup.workload.families),
                remedy="etcd executes no application logic: choose transfer or notary",
            )
        client = self._opened()
        open_accounts(client, self._keys, setup.accounts if "transfer" in asked else 0)
        fixture = Fixture(
            accounts=setup.accounts,
            data={
                "cluster": f"{client.status.cluster_id:016x}",
                "salt": os.urandom(16).hex(),
                "transactions": count_of(client, self._keys.transactions),
                "money": money_of(client, self._keys, setup.accounts),
            },
            disclosed={
                "client": f"etcd {client.status.version}",
                "members": len(client.addresses),
                "reads": "serializable" if self._options.serializable else "linearizable",
            },
        )
        self._prepared = True
        self._take(fixture)
        return fixture

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        """The id is the hash of who asks, the how-manieth time, and for what."""
        if operation.kind is Kind.READ:
            return Transaction(b"", read_payload(operation, self._keys, serializable=self._options.serializable))
        count = self._counts[sender]
        self._counts[sender] = count + 1
        plain = [value.index if isinstance(value, Account) else value for value in operation.arguments.values()]
        named = msgpack.packb([self._salt, sender, sequence, count, operation.name, plain])
        tx_id = hashlib.sha256(named).digest()
        return Transaction(tx_id, write_payload(operation, tx_id, sender))

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """Each transaction a call of its own, all of a batch at once on one connection."""
        replies: list[Reply | None] = [None] * len(batch)
        reads: dict[int, bytes] = {}
        writes: dict[int, Write] = {}
        for place, transaction in enumerate(batch):
            try:
                if transaction.tx_id:
                    writes[place] = write_of(transaction.payload, self._keys, self._balances)
                else:
                    reads[place] = read_request(transaction.payload)
            except Malformed as error:
                replies[place] = Refusal(ErrorClass.INVALID_TRANSACTION, str(error))
        if reads:
            self._read(reads, replies)
        if writes:
            self._write(writes, replies)
        return [reply if reply is not None else Unanswered("no answer") for reply in replies]

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """One block per revision; see `bench.adapters.etcd.commits`."""
        return follow(self._opened(), self._keys, after)

    def state(self) -> StateReader:
        """Linearizable reads, whatever the load's reads are."""
        if self._fixture is None:
            raise LedgerError("nothing was prepared", remedy="call prepare, or open with a fixture")
        return EtcdState(self._opened(), self._keys, self._fixture)

    def close(self) -> None:
        """Release sockets; on a cluster that is not ours, the adapter that prepared removes its keys first."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if self._prepared and not self._options.keep:
                prefix = self._keys.prefix
                client.ask(DELETE_RANGE, delete_request(prefix, end_of(prefix)))
        except LedgerError:
            pass  # the cluster is gone, and its keys are its owner's
        finally:
            self._prepared = False
            client.close()

    # --- submitting

    def _read(self, reads: Mapping[int, bytes], replies: list[Reply | None]) -> None:
        for place, answer in self._calls(RANGE, reads, replies).items():
            replies[place] = _reply_to(answer) if isinstance(answer, CallError) else ACCEPTED

    def _write(self, writes: dict[int, Write], replies: list[Reply | None]) -> None:
        for _ in range(self._options.retries + 1):
            requests = {place: write.request() for place, write in writes.items()}
            answers = self._calls(TXN, requests, replies)
            again: dict[int, Write] = {}
            for place, answer in answers.items():
                reply = _reply_to(answer) if isinstance(answer, CallError) else writes[place].reply(read_txn(answer))
                replies[place] = reply
                if reply is None:
                    again[place] = writes[place]
            writes = again
            if not writes:
                return
        for place in writes:
            replies[place] = Refusal(ErrorClass.CONFLICT, f"lost {self._options.retries + 1} races for its accounts")

    def _calls(
        self, path: str, requests: Mapping[int, bytes], replies: list[Reply | None]
    ) -> dict[int, bytes | CallError]:
        """Answers by place; where there are none, the replies say why."""
        failed: Reply
        try:
            client = self._opened()
            return dict(zip(requests, client.calls(path, list(requests.values())), strict=True))
        except NotConnectedError as error:
            failed = Refusal(ErrorClass.UNREACHABLE, error.what)
        except (ConnectionLostError, TimeoutError) as error:
            failed = Unanswered(str(error) or "no answer in time")
        for place in requests:
            replies[place] = failed
        return {}

    def _take(self, fixture: Fixture) -> None:
        match fixture.data:
            case {"salt": str(salt), "transactions": int()}:
                self._salt, self._fixture = bytes.fromhex(salt), fixture
                self.reads = READS
                self._counts.clear()
            case _:
                raise LedgerError("the fixture is not one of this adapter", remedy="prepare again")

    def _opened(self) -> EtcdClient:
        if self._client is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        return self._client


def _reply_to(error: CallError) -> Reply:
    known = _NOT_DONE.get(error.code)
    return Unanswered(error.message) if known is None else Refusal(known, error.message)
