"""What each operation is on etcd: a transaction that happens once, because it puts a key of the transaction's own.

A payload is a kind byte and a fixed or counted body, so that bytes cut short are told from whole ones without the node.

- `anchor`: if neither the transaction's key nor the document's exists, put both. Whole when encoded.
- `transfer`: if the transaction's key does not exist and neither balance has changed since it was read, put both
  balances and the key. etcd executes no logic, so reading and comparing is the client's part: what was last seen is
  remembered, and a comparison that fails brings the present values along, with which the next attempt is made.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from bench.adapters.etcd.messages import (
    KeyValue,
    TxnAnswer,
    is_absent,
    is_unchanged,
    put_op,
    range_op,
    range_request,
    txn_request,
)
from bench.model.errors import ConfigurationError
from bench.model.operation import Account, Operation
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

ANCHOR, TRANSFER, READ = b"A", b"T", b"R"
_TRANSFER = struct.Struct(">32sIIQ")
_ANCHOR = struct.Struct(">32sI32s")
_LENGTH = struct.Struct(">I")
DOCUMENT_BYTES = 32
WRITES = frozenset({"transfer", "anchor"})
READS = frozenset({"balance", "verify"})


@dataclass(frozen=True, slots=True)
class Keys:
    """Where things are, below `prefix`."""

    prefix: bytes

    @property
    def transactions(self) -> bytes:
        """What all transactions' keys begin with; a watch on it sees each once."""
        return self.prefix + b"tx/"

    @property
    def accounts(self) -> bytes:
        """What all balances' keys begin with."""
        return self.prefix + b"account/"

    def transaction(self, tx_id: bytes) -> bytes:
        """Its own key."""
        return self.transactions + tx_id

    def account(self, index: int) -> bytes:
        """Its balance's key."""
        return self.accounts + b"%d" % index

    def document(self, document: bytes) -> bytes:
        """Its anchor's key."""
        return self.prefix + b"document/" + document


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account held after `revision`."""

    amount: int
    revision: int


@dataclass(slots=True)
class Balances:
    """What this process saw last, by account; older news never replaces newer."""

    seen: dict[int, Balance] = field(default_factory=dict)

    def learn(self, account: int, balance: Balance) -> None:
        """Keep it if it is news."""
        known = self.seen.get(account)
        if known is None or known.revision < balance.revision:
            self.seen[account] = balance


# --- encoding


def write_payload(operation: Operation, tx_id: bytes, sender: int) -> bytes:
    """Raises ConfigurationError for what etcd cannot express."""
    match operation.name, dict(operation.arguments):
        case "transfer", {"to": Account(index), "amount": int(amount)} if 0 <= amount < 2**64:
            return TRANSFER + _TRANSFER.pack(tx_id, sender, index, amount)
        case "anchor", {"document": bytes(document)} if len(document) == DOCUMENT_BYTES:
            return ANCHOR + _ANCHOR.pack(tx_id, sender, document)
    raise ConfigurationError(
        f"operation {operation.name} cannot be expressed on etcd",
        value=dict(operation.arguments),
        remedy="etcd carries transfer and notary; amounts are not negative, documents are 32 bytes",
    )


def read_payload(operation: Operation, keys: Keys, *, serializable: bool) -> bytes:
    """A range of one key."""
    match operation.name, dict(operation.arguments):
        case "balance", {"of": Account(index)}:
            key = keys.account(index)
        case "verify", {"document": bytes(document)}:
            key = keys.document(document)
        case _:
            raise ConfigurationError(
                f"read {operation.name} cannot be expressed on etcd",
                value=dict(operation.arguments),
                remedy=f"known: {', '.join(sorted(READS))}",
            )
    request = range_request(key, serializable=serializable)
    return READ + _LENGTH.pack(len(request)) + request


# --- sending


class Malformed(ValueError):
    """Bytes that no `encode` made."""


def read_request(payload: bytes) -> bytes:
    """The range request of a read."""
    request = payload[1 + _LENGTH.size :]
    if payload[:1] != READ or len(payload) < 1 + _LENGTH.size or _LENGTH.unpack_from(payload, 1)[0] != len(request):
        raise Malformed("not a read of ours")
    return request


class Anchor:
    """One anchoring under way."""

    __slots__ = ("_document", "_request", "tx_id")

    def __init__(self, body: bytes, keys: Keys) -> None:
        self.tx_id, sender, document = _ANCHOR.unpack(body)
        mine, key = keys.transaction(self.tx_id), keys.document(document)
        puts = [put_op(key, b"%d" % sender), put_op(mine, b"")]
        self._request = txn_request([is_absent(mine), is_absent(key)], puts, [range_op(mine)])

    def request(self) -> bytes:
        """The transaction."""
        return self._request

    def reply(self, answer: TxnAnswer) -> Reply | None:
        """What it means; None: try again."""
        if answer.succeeded or answer.ranges[0].kvs:
            return ACCEPTED
        return Refusal(ErrorClass.BUSINESS_REFUSAL, "already_anchored")


class Transfer:
    """One transfer under way. `request` may differ from attempt to attempt."""

    __slots__ = ("_amount", "_balances", "_from", "_keys", "_paid", "_to", "tx_id")

    def __init__(self, body: bytes, keys: Keys, balances: Balances) -> None:
        self.tx_id, self._from, self._to, self._amount = _TRANSFER.unpack(body)
        self._keys = keys
        self._balances = balances
        self._paid: tuple[Balance, Balance] | None = None

    def request(self) -> bytes:
        """Pay if nothing has changed; if it has, or nothing is known, or the money is not there: tell."""
        keys = self._keys
        mine, payer, payee = keys.transaction(self.tx_id), keys.account(self._from), keys.account(self._to)
        telling = [range_op(mine), range_op(payer), range_op(payee)]
        known, other = self._balances.seen.get(self._from), self._balances.seen.get(self._to)
        self._paid = None
        if known is None or other is None or known.amount < self._amount:
            return txn_request([], telling)
        self._paid = known, other
        conditions = [is_absent(mine), is_unchanged(payer, known.revision)]
        if self._from == self._to:
            return txn_request(conditions, [put_op(payer, b"%d" % known.amount), put_op(mine, b"")], telling)
        conditions.append(is_unchanged(payee, other.revision))
        puts = [
            put_op(payer, b"%d" % (known.amount - self._amount)),
            put_op(payee, b"%d" % (other.amount + self._amount)),
            put_op(mine, b""),
        ]
        return txn_request(conditions, puts, telling)

    def reply(self, answer: TxnAnswer) -> Reply | None:
        """What it means; None: try again."""
        if self._paid is not None and answer.succeeded:
            payer, payee = self._paid
            moved = 0 if self._from == self._to else self._amount
            self._balances.learn(self._from, Balance(payer.amount - moved, answer.revision))
            if moved or self._from != self._to:
                self._balances.learn(self._to, Balance(payee.amount + moved, answer.revision))
            return ACCEPTED
        mine, payers, payees = answer.ranges
        if mine.kvs:
            return ACCEPTED
        if not payers.kvs or not payees.kvs:
            return Refusal(ErrorClass.BUSINESS_REFUSAL, "unknown_account")
        holds = _balance(payers.kvs[0])
        self._balances.learn(self._from, holds)
        self._balances.learn(self._to, _balance(payees.kvs[0]))
        if holds.amount < self._amount:
            return Refusal(ErrorClass.BUSINESS_REFUSAL, "insufficient_funds")
        return None


Write = Anchor | Transfer


def write_of(payload: bytes, keys: Keys, balances: Balances) -> Write:
    """The write that a payload stands for. Raises Malformed."""
    kind, body = payload[:1], payload[1:]
    if kind == ANCHOR and len(body) == _ANCHOR.size:
        return Anchor(body, keys)
    if kind == TRANSFER and len(body) == _TRANSFER.size:
        return Transfer(body, keys, balances)
    raise Malformed("not a transaction of ours")


def _balance(kv: KeyValue) -> Balance:
    return Balance(int(kv.value), kv.mod_revision)
