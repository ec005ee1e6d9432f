"""What the adapters of the SQL baselines share: stored procedures called over a local socket of a node or sequencer of
ours, final when COMMIT has returned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.adapters.socket_client import NodeClient
from bench.model.call import encode_read, encode_write
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Account, Argument, Kind, Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.workload import StateReader

TRANSACTIONS_SINCE_START = "transactions_since_start"
"""The read every workload's audit may ask for: how many transactions the ledger executed since `prepare`."""

VERIFIED_HEIGHT = "verified_height"
"""The read that has the node recompute every hash of its chain: the height up to which it holds."""


class SqlAdapter:
    """See `bench.adapters.protocol.Adapter`. `encode` numbers each sender's operations, so equal operations are
    different transactions: the same calls in the same order on a fresh adapter give the same bytes.
    """

    kind: ClassVar[str]
    """What the node calls itself."""
    finality = Finality("commit (fsync)")
    sequencing = Sequencing.NONE
    capabilities = frozenset({"batch", "reads", "audit"})

    def __init__(self) -> None:
        self.reads: frozenset[str] = frozenset()
        self._client: NodeClient | None = None
        self._salt = b""
        self._since = 0
        self._counts: dict[int, int] = defaultdict(int)

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Connect; with a fixture, check that it was made on this chain."""
        self.close()
        client = NodeClient(endpoint, self.kind)
        self._client = client
        if fixture is None:
            return
        if fixture.data.get("chain") != client.chain_id.hex():
            self.close()
            raise LedgerError("the fixture was made on another ledger", value=endpoint.url, remedy="prepare again")
        self._take(fixture)

    def prepare(self, setup: Setup) -> Fixture:
        """Have the node load the workload's tables and procedures; once done, it stays done."""
        directory = setup.workload.directory / "sql"
        if "sql" not in setup.workload.families or not (directory / "procedures.py").is_file():
            raise ConfigurationError(
                f"workload {setup.workload.name} has no SQL procedures",
                value=sorted(setup.workload.families),
                remedy="choose a workload of family sql, or add sql/schema.sql and sql/procedures.py to it",
            )
        parameters = dict(setup.parameters)
        request = ["prepare", setup.workload.name, str(directory.resolve()), parameters, setup.accounts]
        salt, transactions, reads = self._opened().ask(request)
        fixture = Fixture(
            accounts=setup.accounts,
            data={
                "chain": self._opened().chain_id.hex(),
                "salt": salt.hex(),
                "transactions": transactions,
                "reads": sorted(reads),
            },
        )
        self._take(fixture)
        return fixture

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        """A framed call; the id is the hash of its bytes."""
        if operation.kind is Kind.READ:
            return encode_read(operation, sender)
        count = self._counts[sender]
        self._counts[sender] = count + 1
        return encode_write(operation, self._salt, sender, sequence, count)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One request per batch; the answer comes after the commit."""
        return self._opened().submit(batch)

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """Commit groups as the node publishes them."""
        return self._opened().follow(after)

    def state(self) -> StateReader:
        """Reads of the workload's procedures, audits' own included."""
        return _State(self._opened(), self._since)

    def close(self) -> None:
        """Release sockets."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _take(self, fixture: Fixture) -> None:
        match fixture.data:
            case {"salt": str(salt), "transactions": int(since), "reads": list(reads)}:
                self._salt, self._since, self.reads = bytes.fromhex(salt), since, frozenset(map(str, reads))
                self._counts.clear()
            case _:
                raise LedgerError("the fixture is not one of this adapter", remedy="prepare again")

    def _opened(self) -> NodeClient:
        if self._client is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        return self._client


class _State:
    """Answers by one read call each."""

    def __init__(self, client: NodeClient, since: int) -> None:
        self._client = client
        self._since = since

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        if name == TRANSACTIONS_SINCE_START:
            return self._client.ask(["transactions"]) - self._since
        if name == VERIFIED_HEIGHT:
            return self._client.ask(["verify"])
        return self._client.ask(["read", encode_read(Operation(name, _plain(arguments), Kind.READ), 0).payload])


def _plain(arguments: Mapping[str, object]) -> dict[str, Argument | Account]:
    unfit = {name: value for name, value in arguments.items() if not isinstance(value, int | str | bytes | Account)}
    if unfit:
        raise ConfigurationError("a read takes accounts, numbers, text and bytes", value=unfit)
    return {name: value for name, value in arguments.items() if isinstance(value, int | str | bytes | Account)}
