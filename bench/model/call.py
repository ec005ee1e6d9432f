"""A transaction of our own ledgers (`sqlite`, `simulated`): a named call, identified by the hash of its bytes.

There is no signature: who may open the node's socket may send. What makes two equal calls different transactions is
`salt` (one per preparation) and `count` (the how-manieth encoded for its sender).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgpack

from bench.model.errors import ConfigurationError
from bench.model.operation import Account, Operation
from bench.model.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Call:
    """`arguments` by name; accounts are their indices. A read has an empty `salt` and changes nothing."""

    salt: bytes
    sender: int
    sequence: int
    count: int
    name: str
    arguments: dict[str, Any]

    @property
    def is_read(self) -> bool:
        """Only writes are salted."""
        return not self.salt

    @classmethod
    def unpack(cls, payload: bytes) -> Call:
        """Raises ValueError when `payload` is not a call."""
        try:
            salt, sender, sequence, count, name, arguments = msgpack.unpackb(payload)
        except (msgpack.UnpackException, TypeError) as error:
            raise ValueError(f"not a call: {error}") from error
        numbers = isinstance(sender, int) and isinstance(sequence, int) and isinstance(count, int)
        if not (numbers and isinstance(salt, bytes) and isinstance(name, str) and isinstance(arguments, dict)):
            raise ValueError("not a call: fields of wrong types")
        return cls(salt, sender, sequence, count, name, arguments)


def call_id(payload: bytes) -> bytes:
    """How the ledger names the transaction: sha256 of its bytes."""
    return hashlib.sha256(payload).digest()


def encode_write(operation: Operation, salt: bytes, sender: int, sequence: int, count: int) -> Transaction:
    """The transaction of a write. Raises ConfigurationError for a number of more than 64 bits."""
    payload = _pack(operation, salt, sender, sequence, count)
    return Transaction(call_id(payload), payload)


def encode_read(operation: Operation, sender: int) -> Transaction:
    """A read has no id and needs no salt."""
    return Transaction(b"", _pack(operation, b"", sender, 0, 0))


def _pack(operation: Operation, salt: bytes, sender: int, sequence: int, count: int) -> bytes:
    arguments = {
        name: value.index if isinstance(value, Account) else value for name, value in operation.arguments.items()
    }
    try:
        payload: bytes = msgpack.packb((salt, sender, sequence, count, operation.name, arguments))
    except (OverflowError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"operation {operation.name} cannot be encoded: {error}",
            value=arguments,
            remedy="arguments are accounts, text, bytes, booleans and numbers of at most 64 bits",
        ) from error
    return payload
