"""Operations to ready-to-send JSON-RPC requests: after this, submitting only joins bytes.

The request id is the transaction's id as nodes print it, or the document of a read: 64 hexadecimal digits at a fixed
place, so that an answer can be judged by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.adapters.utxo.purses import Purses
from bench.adapters.utxo.signing import Wallet, data_script, double_sha256, output, shown_id
from bench.adapters.utxo.slots import Slots
from bench.model.errors import ConfigurationError
from bench.model.operation import Account, Kind, Operation
from bench.model.transaction import Transaction

WRITES = frozenset({"transfer", "anchor"})
READS = frozenset({"verify"})
DOCUMENT_BYTES = 32
_ID_AT = slice(7, 71)


class OperationEncoder:
    """Encodes for one fixture. Deterministic: what a sender's n-th write spends is
    settled. One thread only.
    """

    def __init__(self, wallet: Wallet, slots: Slots, amount_unit: int) -> None:
        self._wallet = wallet
        self._amount_unit = amount_unit
        self._purses = Purses(slots)
        self._fee = slots.fee
        self._anchored: dict[bytes, bytes] = {}  # document → id of the transaction that anchors it, as printed

    def encode(self, operation: Operation, sender: int) -> Transaction:
        """The signed transaction of a write, or the request of a read."""
        match operation.kind, operation.name:
            case Kind.WRITE, "transfer":
                return self._transfer(operation.arguments, sender)
            case Kind.WRITE, "anchor":
                return self._anchor(operation.arguments, sender)
            case Kind.READ, "verify":
                return self._verify(operation.arguments)
            case _:
                raise cannot_express(operation.name)

    def _transfer(self, arguments: Mapping[str, object], sender: int) -> Transaction:
        to, amount = arguments.get("to"), arguments.get("amount")
        if not isinstance(to, Account) or type(amount) is not int or amount < 1 or len(arguments) != 2:
            raise ConfigurationError(
                "transfer takes (to: account, amount: int)", value=dict(arguments), remedy="give both, amount above 0"
            )
        paid = amount * self._amount_unit
        return self._spend(sender, output(paid, self._wallet[to.index].script), paid)

    def _anchor(self, arguments: Mapping[str, object], sender: int) -> Transaction:
        document = document_of(arguments)
        transaction = self._spend(sender, output(0, data_script(document)), 0)
        self._anchored.setdefault(document, transaction.tx_id)
        return transaction

    def _verify(self, arguments: Mapping[str, object]) -> Transaction:
        """Ask for the transaction that anchors the document; for a document nobody anchored here, one nobody made."""
        document = document_of(arguments)
        tx_id = self._anchored.get(document) or double_sha256(document)
        call = b'"method":"getrawtransaction","params":["%b",true]}' % tx_id.hex().encode()
        return Transaction(b"", b'{"id":"%b",%b' % (document.hex().encode(), call))

    def _spend(self, sender: int, first: bytes, paid: int) -> Transaction:
        spent = self._purses.take(sender, paid + self._fee)
        change = spent.value - self._fee - paid
        key = self._wallet[sender]
        signed = key.spend([spent], first + output(change, key.script), 2)
        self._purses.put_back(sender, signed.tx_id, change)
        tx_id = shown_id(signed.tx_id)
        call = b'"method":"sendrawtransaction","params":["%b"]}' % signed.raw.hex().encode()
        return Transaction(tx_id, b'{"id":"%b",%b' % (tx_id.hex().encode(), call))


def request_id(payload: bytes) -> str:
    """The id inside a payload made here."""
    return payload[_ID_AT].decode()


def document_of(arguments: Mapping[str, object]) -> bytes:
    """The 32 bytes that an operation anchors or asks for."""
    document = arguments.get("document")
    if not isinstance(document, bytes) or len(document) != DOCUMENT_BYTES or len(arguments) != 1:
        raise ConfigurationError(
            "the operation takes (document: 32 bytes)", value=dict(arguments), remedy="pass a SHA-256 digest"
        )
    return document


def cannot_express(name: str) -> ConfigurationError:
    """A declared gap: a chain without application logic and without account balances."""
    return ConfigurationError(
        "a UTXO chain cannot express this operation",
        value=name,
        remedy=f"it has the writes {', '.join(sorted(WRITES))} and the read {', '.join(sorted(READS))}",
    )
