"""Adapter of the simulated ledger. Its sequencing and confirmations are the script's, known once it is open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.adapters.socket_client import NodeClient
from bench.model.call import encode_read, encode_write
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Kind, Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.workload import StateReader

KIND = "simulated"
FILLER = Operation("filler")


class SimulatedAdapter:
    """See `bench.adapters.protocol.Adapter`. Takes any workload: operations are carried, not executed."""

    capabilities = frozenset({"batch", "reads", "audit"})

    def __init__(self) -> None:
        self.finality = Finality("simulated inclusion")
        self.sequencing = Sequencing.NONE
        self.reads: frozenset[str] = frozenset()
        self._client: NodeClient | None = None
        self._salt = b""
        self._since = 0
        self._counts: dict[int, int] = defaultdict(int)

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Connect and learn the script's sequencing; with a fixture, check that it was made on this node."""
        self.close()
        client = NodeClient(endpoint, KIND)
        self._client = client
        self.sequencing = Sequencing(client.greeting[5])
        self.finality = Finality("simulated inclusion", client.greeting[6])
        if fixture is None:
            return
        if fixture.data.get("chain") != client.chain_id.hex():
            self.close()
            raise LedgerError("the fixture was made on another ledger", value=endpoint.url, remedy="prepare again")
        self._take(fixture)

    def prepare(self, setup: Setup) -> Fixture:
        """Nothing is deployed; the sequences are the node's."""
        salt, transactions, sequences = self._opened().ask(["prepare", setup.accounts])
        reads = [operation.name for operation in setup.workload.operations if operation.kind is Kind.READ]
        fixture = Fixture(
            accounts=setup.accounts,
            sequences=sequences,
            data={
                "chain": self._opened().chain_id.hex(),
                "salt": salt.hex(),
                "transactions": transactions,
                "reads": list(reads),
            },
        )
        self._take(fixture)
        return fixture

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        """A framed call; the id is the hash of its bytes."""
        if operation.kind is Kind.READ:
            return encode_read(operation, sender)
        count = 0
        if self.sequencing is Sequencing.NONE:
            count = self._counts[sender]
            self._counts[sender] = count + 1
        return encode_write(operation, self._salt, sender, sequence, count)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One request per batch."""
        return self._opened().submit(batch)

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """Blocks as the node publishes them."""
        return self._opened().follow(after)

    def next_sequence(self, sender: int) -> int:
        """See `Sequenced`; 0 where the script has no sequencing."""
        return int(self._opened().ask(["sequence", sender]))

    def encode_filler(self, sender: int, sequence: int) -> Transaction:
        """See `Sequenced`."""
        return encode_write(FILLER, self._salt, sender, sequence, 0)

    def state(self) -> StateReader:
        """Knows which transactions were executed, and how many since `prepare`."""
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
    """`transactions_since_start` {}, and `missing` {tx_ids: bytes}: how many were not executed as valid. It
    knows no money.
    """

    def __init__(self, client: NodeClient, since: int) -> None:
        self._client = client
        self._since = since

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        if name == "money_created_since_start":
            return None
        if name == "missing":
            return self._client.ask(["missing", arguments["tx_ids"]])
        if name != "transactions_since_start":
            raise ConfigurationError("the simulated ledger keeps no state", value=name)
        return self._client.ask(["transactions"]) - self._since
