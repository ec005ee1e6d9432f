"""What each account can still spend, known without asking anybody: this process is the only one that spends it."""

from __future__ import annotations

from collections import defaultdict, deque

from bench.adapters.utxo.signing import Outpoint
from bench.adapters.utxo.slots import Slots
from bench.model.errors import ConfigurationError

_ID_BYTES = 32
LEAST_CHANGE = 3_000
"""Smaller outputs are dust to Litecoin's nodes, which refuse what makes them; Bitcoin's limit is a tenth of it."""


class Purses:
    """The outputs of all accounts, spent oldest first: those prepared, and then, for an account that sends more than
    its even share, the change of its own earlier transactions. Deterministic. One thread only.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._spent: dict[int, int] = defaultdict(int)
        self._change: dict[int, deque[bytes]] = defaultdict(deque)  # id in hashing order ‖ value, at output 1

    def take(self, sender: int, amount: int) -> Outpoint:
        """The next output of `sender`. Raises ConfigurationError when `amount` leaves no change of it, or
        there is none.
        """
        number = self._spent[sender]
        if number < self._slots.per_sender:
            outpoint = self._slots.outpoint(sender, number)
        elif change := self._change[sender]:
            packed = change.popleft()
            outpoint = Outpoint(packed[:_ID_BYTES], 1, int.from_bytes(packed[_ID_BYTES:], "big"))
        else:
            raise _exhausted(sender, self._slots, "none is left")
        if outpoint.value < (amount := amount + LEAST_CHANGE):
            raise _exhausted(sender, self._slots, f"the next one holds {outpoint.value}, and {amount} are needed")
        self._spent[sender] = number + 1
        return outpoint

    def put_back(self, sender: int, tx_id: bytes, value: int) -> None:
        """The change of a transaction made just now, at its output 1."""
        self._change[sender].append(tx_id + value.to_bytes(8, "big"))


def _exhausted(sender: int, slots: Slots, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"account {sender} has used up the {slots.per_sender} outputs prepared for it, and their change: {what}",
        remedy="spread the writes over the accounts; adapter option change makes each output go further",
    )
