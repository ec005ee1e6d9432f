"""Transactions and reads of our own application (`bench/ledgers/cometbft/application`), whose format this follows:

    version (1) operation (1) public key (32) salt (8) count (8) arguments signature (64)

`salt` names the preparation and `count` the how-manieth transaction of its sender, so equal operations differ.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.adapters.cometbft.encoding import read_request, write_request
from bench.model.errors import ConfigurationError
from bench.model.operation import Account, Kind, Operation
from bench.model.transaction import Transaction

NAME = "ledger-bench"
VERSION = "1"
ADDRESS_BYTES = 20
DOCUMENT_BYTES = 32
MAX_AMOUNT = 1 << 62
_VERSION_BYTE = 1
_TAIL = struct.Struct(">8sQ")


class _Type(Enum):
    ACCOUNT = "an account"
    AMOUNT = "an integer from 0 to 2^62"
    SIGNED = "an integer of 63 bits"
    DOCUMENT = "32 bytes"


@dataclass(frozen=True, slots=True)
class _Signature:
    """Operation code or query path, and the parameters in the order of the format."""

    code: int
    path: str
    parameters: tuple[tuple[str, _Type], ...]


_CUSTOMER = ("customer", _Type.AMOUNT)
_FROM_TO = (("from", _Type.AMOUNT), ("to", _Type.AMOUNT))
_AMOUNT = ("amount", _Type.AMOUNT)

WRITES: Mapping[str, _Signature] = {
    "transfer": _Signature(1, "", (("to", _Type.ACCOUNT), _AMOUNT)),
    "anchor": _Signature(3, "", (("document", _Type.DOCUMENT),)),
    "amalgamate": _Signature(6, "", _FROM_TO),
    "deposit_checking": _Signature(7, "", (_CUSTOMER, _AMOUNT)),
    "send_payment": _Signature(8, "", (*_FROM_TO, _AMOUNT)),
    "transact_savings": _Signature(9, "", (_CUSTOMER, ("amount", _Type.SIGNED))),
    "write_check": _Signature(10, "", (_CUSTOMER, _AMOUNT)),
}
FUND, OPEN_CUSTOMERS = 2, 5
"""Operations that only preparing uses."""

_READS: tuple[tuple[str, _Signature], ...] = (  # a name may stand twice: its arguments tell which is meant
    ("balance", _Signature(0, "/balance", (("of", _Type.ACCOUNT),))),
    ("balance", _Signature(0, "/smallbank/balance", (_CUSTOMER,))),
    ("verify", _Signature(0, "/verify", (("document", _Type.DOCUMENT),))),
    ("total_of", _Signature(0, "/smallbank/total", (("first", _Type.AMOUNT), ("count", _Type.AMOUNT)))),
    ("penalties", _Signature(0, "/smallbank/penalties", ())),
)
READS = frozenset(name for name, _ in _READS)


class Signer:
    """One key. `sign` makes a whole transaction."""

    __slots__ = ("_head", "_key", "address", "count")

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self._head = public
        self.address = sha256(public).digest()[:ADDRESS_BYTES]
        self.count = 0

    def sign(self, domain: bytes, operation: int, salt: bytes, arguments: bytes) -> bytes:
        """The transaction's bytes, under the next count."""
        unsigned = bytes((_VERSION_BYTE, operation)) + self._head + _TAIL.pack(salt, self.count) + arguments
        self.count += 1
        return unsigned + self._key.sign(domain + unsigned)


class Wallet(defaultdict[int, Signer]):
    """Accounts' keys by index, derived from `secret`."""

    def __init__(self, secret: bytes) -> None:
        super().__init__()
        self._secret = secret

    def __missing__(self, index: int) -> Signer:
        made = self[index] = Signer(sha256(self._secret + index.to_bytes(8, "big")).digest())
        return made

    def address(self, index: int) -> bytes:
        """How the ledger names the account."""
        return self[index].address


class ApplicationEncoder:
    """Encodes for one fixture: the same calls in the same order on a fresh one give the same bytes."""

    def __init__(self, chain_id: str, secret: bytes, salt: bytes) -> None:
        self.wallet = Wallet(secret)
        self._domain = domain(chain_id)
        self._salt = salt

    def encode(self, operation: Operation, sender: int) -> Transaction:
        """The signed transaction of a write inside its request, or the request of a read."""
        if operation.kind is Kind.READ:
            return read_request(*query_of(operation.name, operation.arguments, self.wallet.address))
        signature = WRITES.get(operation.name)
        if signature is None:
            raise ConfigurationError(
                "the application has no such operation", value=operation.name, remedy=f"known: {', '.join(WRITES)}"
            )
        arguments = _pack(operation.name, signature, operation.arguments, self.wallet.address)
        return write_request(self.wallet[sender].sign(self._domain, signature.code, self._salt, arguments))


def domain(chain_id: str) -> bytes:
    """What is signed besides the transaction: it is worth nothing on another chain."""
    return f"ledger-bench transaction 1:{chain_id}\n".encode()


def query_of(name: str, arguments: Mapping[str, object], address_of: Callable[[int], bytes]) -> tuple[str, bytes]:
    """Path and data of a read."""
    for known, signature in _READS:
        if known == name and {parameter for parameter, _ in signature.parameters} == set(arguments):
            return signature.path, _pack(name, signature, arguments, address_of)
    raise ConfigurationError(
        "the application has no such read",
        value=f"{name}({', '.join(arguments)})",
        remedy=f"known: {', '.join(sorted(READS))}, with their arguments",
    )


def _pack(
    name: str, signature: _Signature, arguments: Mapping[str, object], address_of: Callable[[int], bytes]
) -> bytes:
    packed = b""
    if len(arguments) != len(signature.parameters):
        raise _unfit(name, signature, arguments)
    for parameter, kind in signature.parameters:
        value = arguments.get(parameter)
        if kind is _Type.ACCOUNT and type(value) is Account:
            packed += address_of(value.index)
        elif kind is _Type.AMOUNT and type(value) is int and 0 <= value <= MAX_AMOUNT:
            packed += value.to_bytes(8, "big")
        elif kind is _Type.SIGNED and type(value) is int and abs(value) <= MAX_AMOUNT:
            packed += value.to_bytes(8, "big", signed=True)
        elif kind is _Type.DOCUMENT and type(value) is bytes and len(value) == DOCUMENT_BYTES:
            packed += value
        else:
            raise _unfit(name, signature, arguments)
    return packed


def _unfit(name: str, signature: _Signature, arguments: Mapping[str, object]) -> ConfigurationError:
    wanted = ", ".join(f"{parameter}: {kind.value}" for parameter, kind in signature.parameters)
    return ConfigurationError(f"{name} takes ({wanted})", value=dict(arguments), remedy="correct the operation")
