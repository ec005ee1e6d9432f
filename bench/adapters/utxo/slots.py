"""The outputs prepared for the load: one for each planned write, so that no transaction waits for another.

A *slot* is one output of a fan-out transaction; account `sender` owns `per_sender` consecutive ones and spends them in
turn. A refused or dropped transaction so takes nothing with it, and the nodes' limits on chains of unconfirmed
transactions (25 by default) do not bind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from bench.adapters.protocol import JsonValue
from bench.adapters.utxo.signing import Outpoint, shown_id
from bench.model.errors import LedgerError

_SPARE = 10
_MOST_WORKERS = 64


@dataclass(frozen=True, slots=True)
class Slots:
    """`tx_ids` of the fan-out transactions in hashing order; each but the last has `per_transaction` outputs. An output
    holds `value`, of which `fee` goes to the miner of the transaction that spends it.
    """

    tx_ids: Sequence[bytes]
    per_transaction: int
    per_sender: int
    value: int
    fee: int

    def outpoint(self, sender: int, number: int) -> Outpoint:
        """The `number`-th output of account `sender`, below `per_sender`."""
        transaction, index = divmod(sender * self.per_sender + number, self.per_transaction)
        return Outpoint(self.tx_ids[transaction], index, self.value)

    def as_json(self) -> dict[str, JsonValue]:
        """For a fixture."""
        return {
            "tx_ids": [shown_id(tx_id).hex() for tx_id in self.tx_ids],
            "per_transaction": self.per_transaction,
            "per_sender": self.per_sender,
            "value": self.value,
            "fee": self.fee,
        }

    @classmethod
    def from_json(cls, data: JsonValue) -> Slots:
        """What `as_json` gave."""
        if not isinstance(data, Mapping) or not isinstance(tx_ids := data.get("tx_ids"), list):
            raise LedgerError("the fixture is not one of this adapter", remedy="prepare again")
        numbers = [int(str(data[name])) for name in ("per_transaction", "per_sender", "value", "fee")]
        return cls([shown_id(bytes.fromhex(str(tx_id))) for tx_id in tx_ids], *numbers)


def slots_per_account(writes: int, accounts: int) -> int:
    """Enough for every sender, however the accounts are shared out over up to 64 workers.

    Each worker plans an even share of the writes and gives them to its accounts in turn; with accounts that do not
    divide evenly, those of the worker with the fewest have the most to do.
    """
    shares = [
        ceil(ceil(writes / workers) / (accounts // workers)) for workers in range(1, min(accounts, _MOST_WORKERS) + 1)
    ]
    return max(shares) + _SPARE
