"""Account sequences (nonces) of one worker's senders: what breaks them and how they are mended.

Each account has one owner, this worker. Its numbers are reserved by the encoder in signing order; here is known what
was sent, accepted and refused.

A *refusal* leaves a hole below numbers that may already be accepted, so: stop sending for the account, wait until every
send is answered, then let the encoder number anew from the holes upwards and sign again what was not sent. A number is
never rewound below the ledger's own.

A *drop* (in-flight bound) leaves a signed transaction without its turn. It is carried over and takes the sender's next
turn, so the sequence stays whole and nothing is signed again. When many are carried, the encoder is asked to leave as
many
of the sender's next items unsigned; those are then filled from what is carried. What is carried is so bounded by what
is buffered, however long the overload lasts.

Without account sequencing none of this is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import gevent

from bench.adapters.protocol import Adapter, Sequenced
from bench.load.links import EncoderLink
from bench.load.messages import FILLER_INDEX
from bench.load.recorder import Pending
from bench.model.errors import LedgerError
from bench.model.transaction import ErrorClass

FIRST_BACKOFF_S = 0.02
LAST_BACKOFF_S = 1.0
CARRY_LIMIT = 64
_WRITE = 0
_BACK_OFF = frozenset(
    {
        ErrorClass.POOL_FULL,
        ErrorClass.RATE_LIMITED,
        ErrorClass.UNDERPRICED,
        ErrorClass.UNREACHABLE,
        ErrorClass.INSUFFICIENT_FUNDS,
    }
)

_ASK = frozenset({ErrorClass.SEQUENCE_TOO_LOW, ErrorClass.SEQUENCE_GAP})

Signed = tuple[bytes, bytes, int, int, int, int]
"""(tx_id, payload, sequence, operation, expects_refusal, drawn): what a turn sends."""
_SEQUENCE: Final = 2


@dataclass(slots=True)
class SenderState:
    """`generation` rises with every broken sequence; items signed under an older one are void.

    `base` is the lowest number the ledger has not taken, `above` what it took beyond; numbers between are holes.
    """

    base: int
    above: set[int] = field(default_factory=set)
    generation: int = 0
    answering: int = 0
    carried: deque[Signed] = field(default_factory=deque)
    queued: deque[Pending] = field(default_factory=deque)  # this sender's items in the engine's buffer, in order
    unsigned_to_come: int = 0
    mending: bool = False
    ask_ledger: bool = False
    backoff_s: float = 0.0

    def take(self, number: int) -> None:
        """The ledger has this number."""
        if number == self.base and not self.above:
            self.base += 1
            return
        self.above.add(number)
        while self.base in self.above:
            self.above.remove(self.base)
            self.base += 1

    def give_back(self, number: int) -> None:
        """The ledger does not have this number after all."""
        if number < self.base:
            self.above.update(range(number + 1, self.base))
            self.base = number
        else:
            self.above.discard(number)

    def holes(self) -> list[int]:
        """Numbers that keep accepted transactions from being executed."""
        return [number for number in range(self.base, max(self.above, default=-1)) if number not in self.above]

    def start_from(self, base: int) -> None:
        """The ledger's own next number: everything below it is used, whoever used it."""
        if base > self.base:
            self.base = base
            self.above = {number for number in self.above if number >= base}
            while self.base in self.above:
                self.above.remove(self.base)
                self.base += 1


class Accounts:
    """The table. Every method runs in the worker's one thread; only `_mend` waits."""

    def __init__(self, sequences: dict[int, int], adapter: Adapter, encoder: EncoderLink) -> None:
        self._states = {sender: SenderState(first) for sender, first in sequences.items()}
        self._adapter = adapter
        self._encoder = encoder
        self._fresh: dict[int, Pending] = {}  # signed again before their time
        self._asked: dict[int, int] = {}  # plan index -> generation it is being signed under
        self._given_up: set[int] = set()  # dropped while they were being signed again
        self.overdue: dict[int, Pending] = {}  # their time has come, their signature has not
        self.fault = ""

    def queue(self, items: Iterable[Pending]) -> None:
        """Items entered the engine's buffer."""
        for pending in items:
            if pending.kind == _WRITE:
                self._states[pending.sender].queued.append(pending)

    def dequeue(self, pending: Pending) -> None:
        """An item's time has come: it left the buffer."""
        if pending.kind == _WRITE:
            self._states[pending.sender].queued.popleft()

    def admit(self, pending: Pending) -> bool:
        """Take the sender's turn, with the transaction carried longest; False when it must be signed again first."""
        state = self._states[pending.sender]
        if pending.index == FILLER_INDEX:
            if pending.generation != state.generation:
                return False
        elif state.carried and not pending.payload:
            state.unsigned_to_come -= 1
            _replace(pending, state.carried.popleft())
            pending.generation = state.generation
        elif pending.generation != state.generation or not pending.payload:
            if not self._renew(state, pending):
                return False
        elif state.carried:
            state.carried.append(_signed(pending))
            _replace(pending, state.carried.popleft())
        state.answering += 1
        return True

    def skip(self, pending: Pending) -> None:
        """The turn is dropped; its signed transaction, if it has one, is carried over."""
        state = self._states[pending.sender]
        if not pending.payload:
            state.unsigned_to_come -= 1
            return
        if pending.generation != state.generation:
            fresh = self._fresh.pop(pending.index, None)
            if fresh is None:
                if self._asked.get(pending.index) == state.generation:
                    self._given_up.add(pending.index)
                return
            self._asked.pop(pending.index, None)
            if fresh.generation != state.generation:
                return
            pending = fresh
        self._carry(pending.sender, state, pending)

    def _carry(self, sender: int, state: SenderState, pending: Pending) -> None:
        in_order = not state.carried or state.carried[-1][_SEQUENCE] < pending.sequence
        state.carried.append(_signed(pending))
        if not in_order:  # it was being signed again while later ones were dropped
            state.carried = deque(sorted(state.carried, key=lambda signed: signed[_SEQUENCE]))
        surplus = len(state.carried) - max(0, state.unsigned_to_come)
        if surplus > CARRY_LIMIT:
            state.unsigned_to_come = max(0, state.unsigned_to_come) + surplus
            self._encoder.leave_unsigned(sender, surplus)

    def taken(self, pending: Pending) -> None:
        """Accepted or unanswered: the number counts as used."""
        state = self._states[pending.sender]
        state.answering -= 1
        state.backoff_s = 0.0
        state.take(pending.sequence)

    def refused(self, pending: Pending, error_class: ErrorClass) -> None:
        """Refused: the number is free again, unless the ledger says that it is used."""
        state = self._states[pending.sender]
        state.answering -= 1
        if error_class in _ASK:
            state.ask_ledger = True
        if error_class in _BACK_OFF:
            state.backoff_s = min(LAST_BACKOFF_S, max(FIRST_BACKOFF_S, 2 * state.backoff_s))
        self._break(pending.sender, state)

    def given_back(self, pending: Pending) -> None:
        """An unanswered send turned out to be refused: its number is a hole after all."""
        state = self._states[pending.sender]
        state.give_back(pending.sequence)
        self._break(pending.sender, state)

    def signed_again(self, pending: Pending) -> bool:
        """An item came back from the encoder. Whether it should be sent at once: a filler, or an item whose time has
        come; others wait here for their time. What is void once more is left out, it will be asked for again.
        """
        if pending.generation != self._states[pending.sender].generation:
            return False
        if pending.index == FILLER_INDEX:
            return True
        if self.overdue.pop(pending.index, None) is not None:
            del self._asked[pending.index]
            return True
        if pending.index in self._given_up:
            self._given_up.remove(pending.index)
            del self._asked[pending.index]
            self._carry(pending.sender, self._states[pending.sender], pending)
            return False
        self._fresh[pending.index] = pending
        return False

    def blocked(self) -> list[tuple[int, int, int]]:
        """(sender, number, generation) of every hole of an account that nobody is mending."""
        return [
            (sender, hole, state.generation)
            for sender, state in self._states.items()
            if state.above and not state.mending
            for hole in state.holes()
        ]

    def _renew(self, state: SenderState, pending: Pending) -> bool:
        fresh = self._fresh.pop(pending.index, None)
        if fresh is not None and fresh.generation == state.generation:
            del self._asked[pending.index]
            pending.generation = fresh.generation
            _replace(pending, _signed(fresh))
            return True
        if not pending.payload:
            state.unsigned_to_come -= 1
        self.overdue[pending.index] = pending
        if not state.mending:  # it was on its way here while its account was numbered anew
            self._ask(state, [pending.index])
        return False

    def _ask(self, state: SenderState, indices: Iterable[int]) -> None:
        """Have these signed under the present generation, each once."""
        void = [index for index in indices if self._asked.get(index) != state.generation]
        self._asked.update(dict.fromkeys(void, state.generation))
        self._encoder.sign_again(void)

    def _break(self, sender: int, state: SenderState) -> None:
        state.generation += 1
        state.carried.clear()
        if not state.mending:
            state.mending = True
            gevent.spawn(self._mend, sender, state)

    def _mend(self, sender: int, state: SenderState) -> None:
        """Number anew from the lowest free number, in the order of intended times."""
        try:
            gevent.sleep(state.backoff_s)
            while state.answering > 0:
                gevent.sleep(0.002)
            if state.ask_ledger and isinstance(self._adapter, Sequenced):
                state.ask_ledger = False
                self._learn(state, self._adapter, sender)
            state.mending = False
            following = max(state.above, default=state.base - 1) + 1
            self._encoder.renumber(sender, state.generation, following, state.holes())
            void = [pending.index for pending in self.overdue.values() if pending.sender == sender]
            void += [p.index for p in state.queued if p.payload and p.generation != state.generation]
            self._ask(state, void)
        except Exception as error:  # the edge of a greenlet, which nobody joins: the worker must hear of it
            self.fault = self.fault or f"an account could not be mended: {error!r}"
            raise

    def _learn(self, state: SenderState, adapter: Sequenced, sender: int) -> None:
        try:
            state.start_from(adapter.next_sequence(sender))
        except LedgerError:
            state.ask_ledger = True  # it does not answer now; the next refusal asks again


def _signed(pending: Pending) -> Signed:
    one = pending
    return one.tx_id, one.payload, one.sequence, one.operation, one.expects_refusal, one.drawn


def _replace(pending: Pending, signed: Signed) -> None:
    pending.tx_id, pending.payload, pending.sequence, pending.operation, pending.expects_refusal, pending.drawn = signed
