"""State on etcd outside the load: opening accounts, counting, and the reads that audits ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.adapters.etcd.client import EtcdClient
from bench.adapters.etcd.grpc import CallError
from bench.adapters.etcd.messages import (
    RANGE,
    TXN,
    KeyValue,
    end_of,
    is_absent,
    put_op,
    range_request,
    read_range,
    txn_request,
)
from bench.adapters.etcd.writes import DOCUMENT_BYTES, Keys
from bench.adapters.protocol import Fixture
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.operation import Account

OPENING_BALANCE = 10**12
"""As on the SQL ledgers: far more than any run spends."""
_PAGE = 5_000
_OPS = 100  # etcd takes 128 in a transaction


def open_accounts(client: EtcdClient, keys: Keys, accounts: int) -> None:
    """Give accounts below `accounts` that do not exist what they start with; those that do are left alone."""
    if not accounts:
        return
    present = {kv.key for kv in _all(client, keys.accounts)}
    absent = [key for key in map(keys.account, range(accounts)) if key not in present]
    value = b"%d" % OPENING_BALANCE
    for start in range(0, len(absent), _OPS):
        some = absent[start : start + _OPS]
        client.ask(TXN, txn_request([is_absent(key) for key in some], [put_op(key, value) for key in some]))


def count_of(client: EtcdClient, prefix: bytes) -> int:
    """How many keys begin with `prefix`."""
    return read_range(client.ask(RANGE, range_request(prefix, end_of(prefix), count_only=True))).count


def money_of(client: EtcdClient, keys: Keys, accounts: int) -> int:
    """What the first `accounts` accounts hold together."""
    ours = {keys.account(index) for index in range(accounts)}
    return sum(int(kv.value) for kv in _all(client, keys.accounts) if kv.key in ours)


class EtcdState:
    """See `StateReader`."""

    def __init__(self, client: EtcdClient, keys: Keys, fixture: Fixture) -> None:
        self._client = client
        self._keys = keys
        self._fixture = fixture

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        """Balances, anchors, and how things stand since `prepare`."""
        match name, dict(arguments):
            case "transactions_since_start", {}:
                return count_of(self._client, self._keys.transactions) - _number(self._fixture, "transactions")
            case "money_created_since_start", {}:
                now = money_of(self._client, self._keys, self._fixture.accounts)
                return now - _number(self._fixture, "money")
            case "balance", {"of": Account(index)}:
                kv = self._one(self._keys.account(index))
                return None if kv is None else int(kv.value)
            case "verify", {"document": bytes(document)}:
                kv = self._one(self._keys.document(document))
                return 0 if kv is None else kv.create_revision
            case "missing", {"documents": bytes(documents)}:
                return self._missing(documents)
        raise ConfigurationError(f"no read named {name}", value=dict(arguments), remedy="ask for what etcd holds")

    def _one(self, key: bytes) -> KeyValue | None:
        kvs = read_range(self._client.ask(RANGE, range_request(key))).kvs
        return kvs[0] if kvs else None

    def _missing(self, documents: bytes) -> int:
        wanted = [
            range_request(self._keys.document(documents[start : start + DOCUMENT_BYTES]), count_only=True)
            for start in range(0, len(documents), DOCUMENT_BYTES)
        ]
        missing = 0
        try:
            answers = self._client.calls(RANGE, wanted)
        except TimeoutError as error:
            raise LedgerError("etcd did not answer reads in time", remedy="has it a majority?") from error
        for answer in answers:
            if isinstance(answer, CallError):
                raise LedgerError(f"etcd refused a read: {answer.message}", value=answer.code)
            missing += read_range(answer).count == 0
        return missing


def _all(client: EtcdClient, prefix: bytes) -> Iterator[KeyValue]:
    """Every key that begins with `prefix`, a page at a time."""
    start, end = prefix, end_of(prefix)
    while True:
        kvs = read_range(client.ask(RANGE, range_request(start, end, limit=_PAGE))).kvs
        yield from kvs
        if len(kvs) < _PAGE:
            return
        start = kvs[-1].key + b"\0"


def _number(fixture: Fixture, name: str) -> int:
    value = fixture.data.get(name)
    if not isinstance(value, int):
        raise LedgerError("the fixture is not one of this adapter", remedy="prepare again")
    return value
