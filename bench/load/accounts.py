"""Account sequences (nonces) of one worker's senders: what breaks them and how they are mended.

Each account has one owner, this worker. Its numbers are reserved by the encoder in signing order; here is known what
was sent, accepted and refused.

A *refusal* leaves a hole below numbers that may already be accepted, so: stop sending for the account, wait until every
send is answered, then let the encoder number anew from the holes upwards and sign again what was not sent. A number is
never rewound below the ledger's own.

A *drop* (in-flight bound) leaves a signed transaction without its turn. It is carried over and takes the sender's next
turn, so nothing is signed again; only when too many are carried does the account get numbered anew.

Without account sequencing none of this is used.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import gevent

from bench.adapters.protocol import Adapter, Sequenced
from bench.load.links import EncoderLink
from bench.load.recorder import Pending
from bench.model.transaction import ErrorClass

FIRST_BACKOFF_S = 0.02
LAST_BACKOFF_S = 1.0
CARRY_LIMIT = 64
_BACK_OFF = frozenset(
    {
        ErrorClass.POOL_FULL,
        ErrorClass.RATE_LIMITED,
        ErrorClass.UNDERPRICED,
        ErrorClass.UNREACHABLE,
        ErrorClass.INSUFFICIENT_FUNDS,
    }
)

Signed = tuple[bytes, bytes, int, int, int]
"""(tx_id, payload, sequence, operation, expects_refusal): what a turn sends."""


@dataclass(slots=True)
class SenderState:
    """`generation` rises with every broken sequence; items signed under an older one are void."""

    highest_taken: int
    generation: int = 0
    answering: int = 0
    holes: set[int] = field(default_factory=set)
    carried: deque[Signed] = field(default_factory=deque)
    mending: bool = False
    ask_ledger: bool = False
    backoff_s: float = 0.0


class Accounts:
    """The table. Every method runs in the worker's one thread; only `_mend` waits."""

    def __init__(self, sequences: dict[int, int], adapter: Adapter, encoder: EncoderLink) -> None:
        self._states = {sender: SenderState(first - 1) for sender, first in sequences.items()}
        self._adapter = adapter
        self._encoder = encoder
        self.void: dict[int, Pending] = {}

    def admit(self, pending: Pending) -> bool:
        """Take the sender's turn, with the transaction carried longest; False when it must be signed again first."""
        state = self._states[pending.sender]
        if pending.generation != state.generation:
            self._sign_again(state, pending)
            return False
        if state.carried:
            state.carried.append(_signed(pending))
            _replace(pending, state.carried.popleft())
        state.answering += 1
        return True

    def skip(self, pending: Pending) -> None:
        """The turn is dropped; its signed transaction is carried over."""
        state = self._states[pending.sender]
        if pending.generation != state.generation:
            return
        state.carried.append(_signed(pending))
        if len(state.carried) > CARRY_LIMIT:
            self._break(pending.sender, state)

    def taken(self, pending: Pending) -> None:
        """Accepted or unanswered: the number counts as used."""
        state = self._states[pending.sender]
        state.answering -= 1
        state.backoff_s = 0.0
        if state.holes:
            state.holes.discard(pending.sequence)
        if pending.sequence > state.highest_taken:
            state.highest_taken = pending.sequence

    def refused(self, pending: Pending, error_class: ErrorClass) -> None:
        """Refused: the number is free again, unless the ledger says that it is used."""
        state = self._states[pending.sender]
        state.answering -= 1
        if error_class is ErrorClass.SEQUENCE_TOO_LOW:
            state.ask_ledger = True
        else:
            state.holes.add(pending.sequence)
        if error_class in _BACK_OFF:
            state.backoff_s = min(LAST_BACKOFF_S, max(FIRST_BACKOFF_S, 2 * state.backoff_s))
        self._break(pending.sender, state)

    def signed_again(self, pending: Pending) -> None:
        """A void item came back from the encoder."""
        self.void.pop(pending.index, None)

    def blocked(self) -> list[tuple[int, int]]:
        """(sender, number) holes that keep accepted transactions from being executed."""
        return [
            (sender, hole)
            for sender, state in self._states.items()
            if state.holes and not state.mending
            for hole in sorted(state.holes)
            if hole < state.highest_taken
        ]

    def _break(self, sender: int, state: SenderState) -> None:
        state.generation += 1
        state.carried.clear()
        if not state.mending:
            state.mending = True
            gevent.spawn(self._mend, sender, state)

    def _mend(self, sender: int, state: SenderState) -> None:
        gevent.sleep(state.backoff_s)
        while state.answering > 0:
            gevent.sleep(0.002)
        if state.ask_ledger and isinstance(self._adapter, Sequenced):
            following = self._adapter.next_sequence(sender)
            state.ask_ledger = False
            state.holes = {hole for hole in state.holes if hole >= following}
            state.highest_taken = max(state.highest_taken, following - 1)
        state.mending = False
        holes = sorted(state.holes)
        following = max(state.highest_taken, holes[-1] if holes else -1) + 1
        self._encoder.renumber(sender, state.generation, following, holes)
        self._encoder.sign_again([pending.index for pending in self.void.values() if pending.sender == sender])

    def _sign_again(self, state: SenderState, pending: Pending) -> None:
        self.void[pending.index] = pending
        if not state.mending:  # it was on its way while the account was numbered anew
            self._encoder.sign_again([pending.index])


def _signed(pending: Pending) -> Signed:
    return pending.tx_id, pending.payload, pending.sequence, pending.operation, pending.expects_refusal


def _replace(pending: Pending, signed: Signed) -> None:
    pending.tx_id, pending.payload, pending.sequence, pending.operation, pending.expects_refusal = signed
