"""Reading the ledger's state after the drain, for audits, in O(blocks) requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.adapters.protocol import JsonValue
from bench.adapters.utxo.encoding import DOCUMENT_BYTES, document_of
from bench.adapters.utxo.preparing import Prepared, held
from bench.adapters.utxo.rawblock import RawTransaction, transactions
from bench.adapters.utxo.rpc import Rpc
from bench.adapters.utxo.signing import data_script
from bench.model.errors import ConfigurationError, LedgerError

_ANCHOR_HEAD = data_script(bytes(DOCUMENT_BYTES))[:2]
_AT_ONCE = 500


class UtxoState:
    """A `StateReader`.

    `transactions_since_start` {}: transactions in blocks since the fixture was made that our accounts signed;
    `money_created_since_start` {}: what our accounts' unspent outputs hold now, plus the fee that each of our
    transactions in a block was signed with, less what they held then (0: conserved), None where the node cannot count;
    `verify` {document}:
    height of the block that anchors it first, 0 for none; `missing` {documents, tx_ids}: how many are not anchored.
    """

    def __init__(self, rpc: Rpc, prepared: Prepared, accounts: int) -> None:
        self._rpc = rpc
        self._prepared = prepared
        self._accounts = accounts

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        """See the class."""
        match name:
            case "transactions_since_start":
                return self._executed(self._rpc.number("getblockcount"))
            case "money_created_since_start":
                return self._created()
            case "verify":
                return self._first_anchor(document_of(arguments))
            case "missing":
                return self._missing(arguments.get("documents"), arguments.get("tx_ids"))
            case _:
                raise ConfigurationError(
                    "a UTXO chain keeps no such state",
                    value=name,
                    remedy="known: transactions_since_start, money_created_since_start, verify, missing",
                )

    def _executed(self, height: int) -> int:
        """How many of our transactions are in blocks up to this one."""
        ours = {self._prepared.wallet[index].public for index in range(self._accounts)}
        return sum(not ours.isdisjoint(each.signers) for _, each in self._since_start(height))

    def _since_start(self, last: int) -> Iterator[tuple[int, RawTransaction]]:
        """(height, transaction) of every block above the one the fixture was made at, up to `last`."""
        for height in range(self._prepared.start_height + 1, last + 1):
            raw = str(self._rpc.call("getblock", [self._rpc.call("getblockhash", [height]), 0]))
            try:
                for each in transactions(bytes.fromhex(raw)):
                    yield height, each
            except ValueError as error:
                raise LedgerError("a block cannot be read", value=f"{height}: {error}") from error

    def _created(self) -> int | None:
        before, wallet = self._prepared.opening, self._prepared.wallet
        now = held(self._rpc, [wallet[index].script for index in range(self._accounts)])
        if before is None or now is None:
            return None
        fees = self._executed(now.height) * self._prepared.slots.fee
        if self._rpc.call("getblockhash", [now.height]) != now.block_id:
            return None  # a reorganisation came between, and what was read is of two branches
        return now.value + fees - before

    def _first_anchor(self, document: bytes) -> int:
        script = data_script(document)
        for height, transaction in self._since_start(self._rpc.number("getblockcount")):
            if any(each == script for _, each in transaction.outputs):
                return height
        return 0

    def _missing(self, documents: object, tx_ids: object) -> int:
        """Each is looked up by its transaction's id, must be in a block, and must hold the document."""
        if not isinstance(documents, bytes) or not isinstance(tx_ids, bytes) or len(documents) != len(tx_ids):
            raise ConfigurationError(
                "missing takes documents and tx_ids, 32 bytes each, joined, in the same order",
                remedy="pass as many ids as documents",
            )
        size = DOCUMENT_BYTES
        count = len(documents) // size
        if count > _AT_ONCE or len(documents) % size:
            raise ConfigurationError("missing takes at most 500 whole documents at a time", value=len(documents))
        ids: list[list[JsonValue]] = [[tx_ids[at : at + size].hex(), True] for at in range(0, len(tx_ids), size)]
        answers = self._rpc.answers("getrawtransaction", ids)
        wanted = [(_ANCHOR_HEAD + documents[at : at + size]).hex() for at in range(0, len(documents), size)]
        return sum(not _anchors(answer, script) for answer, script in zip(answers, wanted, strict=True))


def _anchors(answer: object, script: str) -> bool:
    if not isinstance(answer, dict) or not answer.get("confirmations"):
        return False
    return any(each["scriptPubKey"]["hex"] == script for each in answer["vout"])
