"""The engine of one worker: takes encoded items when they are due and submits them from many lanes.

Lanes follow the leader/follower pattern. One idle lane at a time leads: it waits for the next item's intended time,
takes
what is due, hands leadership on and submits. So there is no queue between pacing and sending, a lane that waits for a
slow answer delays nobody, and further lanes are added while no idle one is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from bench.adapters.protocol import Adapter, Sequenced
from bench.load.accounts import Accounts
from bench.load.links import EncoderLink
from bench.load.messages import FILLER_INDEX, TrialSpec
from bench.load.pulse import Pulse
from bench.load.recorder import Pending, Recorder
from bench.model.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from bench.model.errors import LedgerError
from bench.model.ledger import Sequencing
from bench.model.transaction import Accepted, ErrorClass, Refusal, Reply, Transaction, Unanswered

GRACE_NS = NS_PER_S  # what is not sent this long after the last arrival is dropped
CREDIT_CHUNK = 256
RESEND_AFTER_S = (1.0, 3.0, 10.0)
LOSS_CHECK_S = 2.0
LOST_AFTER_NS = 5 * NS_PER_S
LOSSES_AT_A_TIME = 20
POLL_S = 0.001
_READ = 1


class Engine:
    """Wire it with `attach`, call `begin`, run `lane` in as many greenlets as there are connections, then `drain`."""

    def __init__(self, spec: TrialSpec, worker: int, adapter: Adapter, recorder: Recorder) -> None:
        self.recorder = recorder
        self.lanes = 0
        self.stopped = False
        self.start_ns = 0
        self._fault = ""
        self._spec = spec
        self._worker = worker
        self._adapter = adapter
        self._bound = max(1, spec.in_flight // spec.workers)
        self._late_ns = spec.duration_ns + GRACE_NS
        self._pulse = Pulse(recorder.tally.counters)
        self._buffer: deque[Pending] = deque()
        self._again: deque[Pending] = deque()
        self._leading = BoundedSemaphore(1)
        self._started = Event()
        self._idle = 0
        self._answering = 0
        self._saturated = False
        self._taken = 0
        self._accounts: Accounts | None = None
        self._encoder: EncoderLink
        self._extra: list[gevent.Greenlet] = []
        self._watching: gevent.Greenlet | None = None

    # --- wiring

    def attach(self, encoder: EncoderLink) -> None:
        """Give the engine its encoder; needed before `begin`."""
        self._encoder = encoder
        if self._adapter.sequencing is Sequencing.ACCOUNT:
            fixture = self._spec.prepared()
            own = range(self._worker, fixture.accounts, self._spec.workers)
            sequences = {sender: fixture.sequences[sender] for sender in own}
            self._accounts = Accounts(sequences, self._adapter, encoder)

    def feed(self, items: list[Pending]) -> None:
        """Encoded items of the plan, in order."""
        self._buffer.extend(items)
        if self._accounts is not None:
            self._accounts.queue(items)

    def feed_again(self, items: list[Pending]) -> None:
        """Fillers, and items signed again; they go before the others."""
        for pending in items:
            if self._accounts is None or self._accounts.signed_again(pending):
                self._again.append(pending)

    def begin(self, start_ns: int) -> None:
        """The start signal: intended times count from this monotonic time."""
        self.start_ns = start_ns
        self._pulse.start(self.now)
        self._started.set()
        if self._accounts is not None and isinstance(self._adapter, Sequenced):
            self._watching = gevent.spawn(
                self._edge, lambda: self._watch_for_losses(self._adapter), "the care of losses failed"
            )

    @property
    def fault(self) -> str:
        """What went wrong in a greenlet that nobody waits for; empty when nothing did."""
        return self._fault or (self._accounts.fault if self._accounts is not None else "")

    def now(self) -> int:
        """Nanoseconds since the start signal."""
        return monotonic_ns() - self.start_ns

    @property
    def buffered(self) -> int:
        """Encoded items waiting for their time."""
        return len(self._buffer) + len(self._again)

    # --- the hot path

    def lane(self, _user: object = None) -> None:
        """Submit until the plan is exhausted; one connection's worth of concurrency."""
        self.lanes += 1
        self._started.wait()
        self._edge(self._work, "a lane failed")

    def _work(self) -> None:
        submit = self._adapter.submit
        submitted = self.recorder.submitted
        while batch := self._lead():
            now = monotonic_ns() - self.start_ns
            for pending in batch:
                submitted(pending, now)
            self._answering += 1
            try:
                replies = submit([Transaction(pending.tx_id, pending.payload) for pending in batch])
            finally:
                self._answering -= 1
            self._answered(batch, replies)

    def _lead(self) -> list[Pending]:
        """Wait for the leadership, take what is due, and see to it that somebody can follow."""
        self._idle += 1
        with self._leading:
            self._idle -= 1
            if self._saturated:
                self._drop_what_found_no_lane()
            batch = self._take()
            if batch and self._idle == 0:
                if self.lanes < self._spec.max_lanes:
                    self._extra.append(gevent.spawn(self.lane))
                else:
                    self._saturated = True
            return batch

    def _drop_what_found_no_lane(self) -> None:
        """Every lane was waiting for the ledger's answer: what fell due meanwhile was not sent for the ledger's sake,
        as if the in-flight bound had been met. What is late because this loop stood still is sent late instead.
        """
        self._saturated = False
        now = self.now()
        self._pulse.felt(now)
        late = now - max(self._spec.linger_ns, NS_PER_MS)
        if now < self._pulse.made_up_ns:
            late = min(late, self._pulse.stalled_ns)
        while self._buffer and self._buffer[0].due < late:
            pending = self._buffer[0]
            self._pop()
            self._refuse_turn(pending)

    def _take(self) -> list[Pending]:
        """What is due now, at most a batch; waits for it. Empty when the plan is exhausted or the trial was stopped."""
        batch: list[Pending] = []
        limit = self._spec.batch
        flush_ns = 0
        pulse = self._pulse
        while not self.stopped:
            pending = self._again[0] if self._again else self._buffer[0] if self._buffer else None
            if pending is None:
                if batch or self._exhausted():
                    break
                gevent.sleep(POLL_S)
                continue
            now = monotonic_ns() - self.start_ns
            if pending.due > now:
                if batch and pending.due > flush_ns:
                    break
                gevent.sleep((pending.due - now) / NS_PER_S)
                continue
            pulse.felt(now)
            if now < pulse.made_up_ns and self._may_wait(pending):
                if batch:
                    break
                gevent.sleep(POLL_S)
                continue
            self._pop()
            if not self._admit(pending, now):
                continue
            if not batch:
                flush_ns = now + self._spec.linger_ns
            batch.append(pending)
            if len(batch) == limit:
                break
        return batch

    def _pop(self) -> None:
        if self._again:
            self._again.popleft()
            return
        pending = self._buffer.popleft()
        if self._accounts is not None:
            self._accounts.dequeue(pending)
        self._taken += 1
        if self._taken % CREDIT_CHUNK == 0:
            self._encoder.credit(CREDIT_CHUNK)

    def _admit(self, pending: Pending, now: int) -> bool:
        """Whether to send it now; a write above the in-flight bound, and anything too late, is dropped."""
        if now > self._late_ns and pending.index != FILLER_INDEX:
            self.recorder.dropped(pending, self._cause_of_lateness())
            return False
        if pending.kind == _READ:
            return True
        accounts = self._accounts
        if len(self.recorder.open) >= self._bound and pending.index != FILLER_INDEX:
            self._refuse_turn(pending)
            return False
        return accounts is None or accounts.admit(pending)

    def _refuse_turn(self, pending: Pending) -> None:
        if self._accounts is not None and pending.kind != _READ:
            self._accounts.skip(pending)
        self.recorder.dropped(pending, ErrorClass.IN_FLIGHT_BOUND)

    def _answered(self, batch: list[Pending], replies: list[Reply]) -> None:
        now = monotonic_ns() - self.start_ns
        accepted = self.recorder.accepted
        accounts = self._accounts
        for pending, reply in zip(batch, replies, strict=True):
            if pending.kind == _READ:
                self._read_answered(pending, reply, now)
            elif isinstance(reply, Accepted):
                accepted(pending, now)
                if accounts is not None:
                    accounts.taken(pending)
            elif isinstance(reply, Refusal):
                self.recorder.rejected(pending, reply.error_class, reply.message)
                if accounts is not None:
                    accounts.refused(pending, reply.error_class)
            else:
                self._unanswered(pending, reply)

    def _may_wait(self, pending: Pending) -> bool:
        """Whether a full in-flight bound may be our own doing: then what fell due since the stall is sent late."""
        write = pending.kind != _READ and pending.index != FILLER_INDEX
        return write and pending.due >= self._pulse.stalled_ns and len(self.recorder.open) >= self._bound

    # --- off the hot path

    def _exhausted(self) -> bool:
        """Whether no further item can come."""
        planned = self._encoder.planned
        if self._encoder.broken:
            return True
        if planned is None or self._taken < planned:
            return False
        waiting = self._accounts is not None and bool(self._accounts.overdue)
        return not waiting or self.now() > self._late_ns

    def _cause_of_lateness(self) -> ErrorClass:
        every_lane_waits = self._idle == 0 and self.lanes >= self._spec.max_lanes
        ours = self.now() < self._pulse.made_up_ns
        return ErrorClass.IN_FLIGHT_BOUND if every_lane_waits and not ours else ErrorClass.BUFFER_EMPTY

    def _read_answered(self, pending: Pending, reply: Reply, now: int) -> None:
        match reply:
            case Accepted():
                self.recorder.read_done(pending, now, ErrorClass.NONE, "")
            case Refusal():
                self.recorder.read_done(pending, now, ErrorClass.READ_REFUSED, reply.message)
            case Unanswered():
                self.recorder.read_done(pending, now, ErrorClass.READ_TIMEOUT, reply.message)

    def _unanswered(self, pending: Pending, reply: Unanswered) -> None:
        self.recorder.unanswered(pending, reply.message)
        if self._accounts is not None:
            self._accounts.taken(pending)
        gevent.spawn(self._edge, lambda: self._resend(pending), "the care of an unanswered send failed")

    def _edge(self, work: Callable[[], None], what: str) -> None:
        """Run a greenlet that nobody joins: what goes wrong in it must be heard of."""
        try:
            work()
        except Exception as error:
            self._fault = self._fault or f"{what}: {error!r}"
            raise

    def _resend(self, pending: Pending) -> None:
        """The same bytes again; never signed again, because the first send may still arrive."""
        for pause in RESEND_AFTER_S:
            gevent.sleep(pause)
            if self.stopped or pending.tx_id not in self.recorder.open:
                return
            if self._told(pending, self._send_again(pending)):
                return

    def _send_again(self, pending: Pending) -> Reply:
        self.recorder.sent_again(pending)
        return self._adapter.submit([Transaction(pending.tx_id, pending.payload)])[0]

    def _told(self, pending: Pending, reply: Reply) -> bool:
        """Whether the answer to a repeated send settles the matter. Bytes that can never be valid were not taken the
        first time either, and their number is a hole again. Every other refusal is about the moment or the node that
        was asked (pool, funds, fees, sequence, state) and says nothing of the send before: a block may still show it.
        """
        if isinstance(reply, Accepted):
            return True
        if isinstance(reply, Unanswered):
            return False
        if reply.error_class is ErrorClass.INVALID_TRANSACTION and pending.tx_id in self.recorder.open:
            self.recorder.rejected(pending, reply.error_class, reply.message)
            if self._accounts is not None:
                self._accounts.given_back(pending)
        return reply.error_class in (ErrorClass.INVALID_TRANSACTION, ErrorClass.SEQUENCE_TOO_LOW)

    def _watch_for_losses(self, adapter: Sequenced) -> None:
        """A node may forget a transaction it accepted; every later one of the account then waits for ever. When the
        ledger's next number is that of an open transaction for long, its same bytes are sent again.
        """
        while not self.stopped:
            gevent.sleep(LOSS_CHECK_S)
            for pending in self._oldest_open(self.now() - LOST_AFTER_NS):
                try:
                    following = adapter.next_sequence(pending.sender)
                except LedgerError:
                    break  # it does not answer now; others say so
                if following == pending.sequence and pending.tx_id in self.recorder.open:
                    self._told(pending, self._send_again(pending))

    def _oldest_open(self, sent_before_ns: int) -> list[Pending]:
        """The lowest open number of each account, where it was sent long ago; a few accounts at a time."""
        lowest: dict[int, Pending] = {}
        for pending in self.recorder.open.values():
            known = lowest.get(pending.sender)
            if known is None or pending.sequence < known.sequence:
                lowest[pending.sender] = pending
        late = [pending for pending in lowest.values() if pending.submitted < sent_before_ns]
        return sorted(late, key=lambda pending: pending.submitted)[:LOSSES_AT_A_TIME]

    def drain(self, over: Callable[[], bool]) -> None:
        """Wait until nothing is in flight or `over` says that time is up. Sequence holes below accepted transactions
        are filled, because those could never be executed otherwise.
        """
        asked: set[tuple[int, int, int]] = set()
        while not over() and (self.recorder.waiting or self._answering or not self._exhausted()):
            if self._accounts is not None and not self._answering and self._exhausted():
                for blocked in self._accounts.blocked():
                    if blocked not in asked:
                        asked.add(blocked)
                        self._encoder.filler(*blocked[:2])
            while self._again and self._exhausted():
                self._send_filler(self._again.popleft())
            gevent.sleep(0.01)

    def _send_filler(self, pending: Pending) -> None:
        if pending.index != FILLER_INDEX:
            self.recorder.dropped(pending, ErrorClass.ACCOUNT_UNAVAILABLE)
            return
        if self._accounts is not None and self._accounts.admit(pending):
            self.recorder.submitted(pending, self.now())
            self._answered([pending], self._adapter.submit([Transaction(pending.tx_id, pending.payload)]))

    def stop(self) -> None:
        """End at once: lanes leave after their present answer and nothing further is taken."""
        self.stopped = True
        self._started.set()
        self._pulse.stop()
        if self._watching is not None:
            self._watching.kill(block=False)

    def discard_rest(self, cause: ErrorClass) -> None:
        """Count everything encoded and never taken as dropped. What an interrupted trial would have sent later was
        never due, so it is not counted at all.
        """
        rest = [*self._again, *self._buffer]
        self._again.clear()
        self._buffer.clear()
        now = self.now()
        for pending in rest:
            if pending.index != FILLER_INDEX and (cause is not ErrorClass.INTERRUPTED or pending.due <= now):
                self.recorder.dropped(pending, cause)
        if self._accounts is not None:
            for pending in self._accounts.overdue.values():
                self.recorder.dropped(pending, ErrorClass.ACCOUNT_UNAVAILABLE)
            self._accounts.overdue.clear()
