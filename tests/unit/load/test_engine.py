"""The engine, its accounts and the real encoder together, against a ledger in the test that enforces sequence
numbers.
"""

import random
import time
from collections import defaultdict
from collections.abc import Sequence

import gevent
import numpy as np
import pytest

from bench.load.encoder import Encoder
from bench.load.engine import Engine
from bench.load.messages import TrialSpec
from bench.load.recorder import Pending, Recorder
from bench.model.clock import NS_PER_MS, monotonic_ns
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Operation
from bench.model.phase import Outcome
from bench.model.record import ROW
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction, Unanswered
from workloads.transfer import WORKLOAD

ACCOUNTS = 5


class StrictLedger:
    """Executes each sender's transactions in sequence without gaps; refuses and drops answers by script."""

    finality = Finality("inclusion")
    capabilities = frozenset({"batch"})

    def __init__(
        self, sequencing: Sequencing, refuse: float = 0.0, silent: float = 0.0, delay_s: float = 0.001
    ) -> None:
        self.sequencing = sequencing
        self.executing = True
        self.sends = 0
        self._random = random.Random(7)
        self._refuse, self._silent, self._delay_s = refuse, silent, delay_s
        self._waiting: dict[int, dict[int, bytes]] = defaultdict(dict)
        self.next: dict[int, int] = defaultdict(int)
        self.executed: list[bytes] = []
        self._reported = 0

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        salt = self._random.getrandbits(64).to_bytes(8, "big")
        body = sender.to_bytes(4, "big") + sequence.to_bytes(4, "big") + salt
        return Transaction(body.ljust(32, b"\0"), body)

    def encode_filler(self, sender: int, sequence: int) -> Transaction:
        return self.encode(Operation("filler"), sender, sequence)

    def next_sequence(self, sender: int) -> int:
        return self.next[sender]

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        gevent.sleep(self._delay_s)
        return [self._one(transaction) for transaction in batch]

    def _one(self, transaction: Transaction) -> Reply:
        self.sends += 1
        sender = int.from_bytes(transaction.payload[:4], "big")
        sequence = int.from_bytes(transaction.payload[4:8], "big")
        waiting = self._waiting[sender]
        if transaction.tx_id in waiting.values() or transaction.tx_id in self.executed:
            return ACCEPTED
        if self._random.random() < self._refuse:
            return Refusal(ErrorClass.POOL_FULL, "txpool is full")
        if self.sequencing is Sequencing.ACCOUNT and (sequence < self.next[sender] or sequence in waiting):
            return Refusal(ErrorClass.SEQUENCE_TOO_LOW, "nonce too low")
        key = sequence if self.sequencing is Sequencing.ACCOUNT else self.next[sender] + len(waiting)
        waiting[key] = transaction.tx_id
        if self._random.random() < self._silent:
            return Unanswered("connection lost")
        return ACCEPTED

    def block(self) -> list[bytes]:
        """Execute what can be executed; the ids executed since the last block."""
        if self.executing:
            for sender, waiting in self._waiting.items():
                while self.next[sender] in waiting:
                    self.executed.append(waiting.pop(self.next[sender]))
                    self.next[sender] += 1
        new = self.executed[self._reported :]
        self._reported = len(self.executed)
        return new

    def stuck(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())


class StandingStill(StrictLedger):
    """Answers at once, but the whole process stands still at one of the sends."""

    stall_s = 0.2
    stood_still = False

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        if self.sends >= 60 and not self.stood_still:
            self.stood_still = True
            over = time.monotonic() + self.stall_s
            while time.monotonic() < over:
                pass
        return super().submit(batch)


class Hasty(StrictLedger):
    """Takes what it leaves unanswered, and turns the repeat away with a reason that says nothing of the first send."""

    reason = ErrorClass.RATE_LIMITED

    def __init__(self, reason: ErrorClass) -> None:
        super().__init__(Sequencing.ACCOUNT, silent=0.1)
        self.reason = reason
        self.turned_away = 0

    def _one(self, transaction: Transaction) -> Reply:
        if any(transaction.tx_id in waiting.values() for waiting in self._waiting.values()):
            self.turned_away += 1
            return Refusal(self.reason, "not now")
        return super()._one(transaction)


class InProcessEncoder:
    """The real encoder behind the link's methods, without the process and the socket."""

    broken = ""

    def __init__(self, encoder: Encoder, engine: Engine) -> None:
        self._encoder, self._engine = encoder, engine

    @property
    def planned(self) -> int | None:
        return self._encoder.planned if self._encoder.exhausted else None

    def credit(self, count: int) -> None:
        self._engine.feed([Pending(*item) for item in self._encoder.next_items(count)])

    def renumber(self, sender: int, generation: int, following: int, holes: Sequence[int]) -> None:
        self._encoder.reset(sender, generation, following, holes)

    def sign_again(self, indices: Sequence[int]) -> None:
        items = [Pending(*item) for item in self._encoder.resign(indices)]
        gevent.spawn_later(0.005, self._engine.feed_again, items)

    def leave_unsigned(self, sender: int, count: int) -> None:
        self._encoder.leave_unsigned(sender, count)

    def filler(self, sender: int, sequence: int) -> None:
        self._engine.feed_again([Pending(*self._encoder.filler(sender, sequence))])


class Run:
    def __init__(
        self,
        ledger: StrictLedger,
        *,
        rate: int = 1000,
        batch: int = 1,
        in_flight: int = 1000,
        lanes: int = 4,
        max_lanes: int = 16,
    ):
        self.spec = TrialSpec(
            token="t",
            adapter="",
            url="",
            headers={},
            options={},
            timeout_s=1,
            fixture={"accounts": ACCOUNTS, "sequences": [0] * ACCOUNTS, "data": {}, "disclosed": {}},
            workload="transfer",
            parameters={"amount": 1},
            seed=3,
            arrival={"process": "constant", "rate": rate},
            duration_ns=400 * NS_PER_MS,
            workers=1,
            batch=batch,
            linger_ns=5 * NS_PER_MS,
            lanes=lanes,
            max_lanes=max_lanes,
            in_flight=in_flight,
            buffer=300,
            drain_ns=3000 * NS_PER_MS,
        )
        self.planned = rate * 400 // 1000
        self.ledger = ledger
        self.recorder = Recorder(0, 1, 0)
        self.engine = Engine(self.spec, 0, ledger, self.recorder)
        encoder = InProcessEncoder(Encoder(ledger, WORKLOAD, self.spec, 0), self.engine)
        self.engine.attach(encoder)
        encoder.credit(self.spec.buffer)

    def finish(self, until_s: float = 0.4, cause: ErrorClass = ErrorClass.BUFFER_EMPTY) -> np.ndarray:
        lanes = [gevent.spawn(self.engine.lane) for _ in range(self.spec.lanes)]
        self.engine.begin(monotonic_ns())
        blocks = gevent.spawn(self._blocks)
        gevent.sleep(until_s)
        if cause is ErrorClass.INTERRUPTED:
            self.engine.stop()
        self.engine.drain(lambda: self.engine.stopped or self.engine.now() > self.spec.duration_ns + self.spec.drain_ns)
        self.engine.stop()
        gevent.joinall(lanes, timeout=2, raise_error=True)
        blocks.kill()
        self.engine.discard_rest(cause)
        self.recorder.close_open()
        return np.frombuffer(self.recorder.take_rows(), ROW)

    def _blocks(self) -> None:
        for ordinal in range(10_000):
            gevent.sleep(0.02)
            ids = self.ledger.block()
            frame = ["block", ordinal, ordinal, monotonic_ns(), b"".join(ids), 32, bytes(len(ids)), -1, -1]
            self.recorder.block(frame, self.engine.start_ns)


def outcomes(rows: np.ndarray) -> dict[Outcome, int]:
    return {Outcome(outcome): int((rows["outcome"] == outcome).sum()) for outcome in np.unique(rows["outcome"])}


def planned_exactly_once(rows: np.ndarray, planned: int) -> bool:
    return sorted(rows["index"].tolist()) == list(range(planned))


@pytest.mark.parametrize("sequencing", [Sequencing.ACCOUNT, Sequencing.NONE])
@pytest.mark.parametrize("batch", [1, 20])
def test_everything_planned_is_sent_on_time_and_finalized(sequencing, batch):
    run = Run(StrictLedger(sequencing), batch=batch)
    rows = run.finish()
    assert planned_exactly_once(rows, run.planned)
    assert outcomes(rows) == {Outcome.FINALIZED: run.planned}
    assert (rows["submitted_ns"] >= rows["intended_ns"]).all()
    assert run.ledger.sends == run.planned


def test_refusals_break_sequences_and_are_mended_without_losing_a_transaction():
    run = Run(StrictLedger(Sequencing.ACCOUNT, refuse=0.08))
    rows = run.finish()
    assert planned_exactly_once(rows, run.planned)
    found = outcomes(rows)
    assert found[Outcome.REJECTED] > 5
    assert found.get(Outcome.UNRESOLVED, 0) == 0
    assert run.ledger.stuck() == 0
    # a filler may be refused like any other transaction; then another one is sent
    assert 0 <= len(run.ledger.executed) - found[Outcome.FINALIZED] <= run.recorder.counters.fillers


def test_unanswered_sends_are_resolved_by_the_ledger_and_never_signed_again():
    run = Run(StrictLedger(Sequencing.ACCOUNT, silent=0.1))
    rows = run.finish()
    assert outcomes(rows) == {Outcome.FINALIZED: run.planned}
    assert (rows["accepted_ns"] == -1).sum() > 10
    assert len(set(run.ledger.executed)) == run.planned


@pytest.mark.parametrize(
    "reason", [ErrorClass.RATE_LIMITED, ErrorClass.NODE_ERROR, ErrorClass.POOL_FULL, ErrorClass.CONFLICT]
)
def test_a_repeat_that_is_turned_away_proves_nothing_of_the_first_send(reason):
    ledger = Hasty(reason)
    ledger.executing = False
    gevent.spawn_later(1.6, setattr, ledger, "executing", True)  # the first repeat comes after 1 s
    run = Run(ledger)
    rows = run.finish()
    assert ledger.turned_away > 10
    assert outcomes(rows) == {Outcome.FINALIZED: run.planned}
    assert len(set(ledger.executed)) == len(ledger.executed) == run.planned


def test_what_is_sent_again_counts_as_sent_bytes():
    ledger = StrictLedger(Sequencing.ACCOUNT, silent=0.1)
    ledger.executing = False
    gevent.spawn_later(1.4, setattr, ledger, "executing", True)  # the first repeat comes after 1 s
    run = Run(ledger)
    run.finish()
    assert ledger.sends > run.planned
    assert run.recorder.counters.sent_bytes == 16 * ledger.sends  # 4 + 4 + 8 bytes each


def test_a_full_in_flight_bound_drops_without_breaking_sequences():
    ledger = StrictLedger(Sequencing.ACCOUNT)
    ledger.executing = False
    gevent.spawn_later(0.25, setattr, ledger, "executing", True)
    run = Run(ledger, in_flight=40)
    rows = run.finish()
    assert planned_exactly_once(rows, run.planned)
    found = outcomes(rows)
    assert found[Outcome.DROPPED] > 100
    assert found[Outcome.FINALIZED] + found[Outcome.DROPPED] == run.planned
    assert (rows["error_class"][rows["outcome"] == Outcome.DROPPED] == ErrorClass.IN_FLIGHT_BOUND).all()
    assert ledger.stuck() == 0


def test_a_long_overload_with_refusals_keeps_every_sequence_whole():
    """Many drops per account, signatures voided meanwhile, and a ledger that executes a tenth of what is offered."""
    ledger = StrictLedger(Sequencing.ACCOUNT, refuse=0.01)
    run = Run(ledger, in_flight=30, rate=20_000, batch=10)
    rows = run.finish()
    assert planned_exactly_once(rows, run.planned)
    found = outcomes(rows)
    assert found[Outcome.DROPPED] > 4_000
    assert found[Outcome.FINALIZED] > 100
    assert found.get(Outcome.UNRESOLVED, 0) == 0
    assert ledger.stuck() == 0
    assert run.recorder.counters.fillers < found[Outcome.FINALIZED] / 5
    assert 0 <= len(ledger.executed) - found[Outcome.FINALIZED] <= run.recorder.counters.fillers


def test_what_finds_every_lane_waiting_is_dropped_for_the_ledgers_sake():
    run = Run(StrictLedger(Sequencing.NONE, delay_s=0.1), rate=1000, lanes=4)
    rows = run.finish()
    assert planned_exactly_once(rows, run.planned)
    found = outcomes(rows)
    assert run.engine.lanes == 16
    assert found[Outcome.DROPPED] > 200
    sent = rows[rows["submitted_ns"] >= 0]
    assert np.quantile(sent["submitted_ns"] - sent["intended_ns"], 0.9) < 20 * NS_PER_MS
    assert (rows["error_class"][rows["outcome"] == Outcome.DROPPED] == ErrorClass.IN_FLIGHT_BOUND).all()


@pytest.mark.parametrize("bounds", [{"max_lanes": 2}, {"in_flight": 40}], ids=["lanes", "in flight"])
@pytest.mark.parametrize("sequencing", [Sequencing.ACCOUNT, Sequencing.NONE])
def test_what_is_late_because_the_worker_stood_still_is_sent_late_and_never_charged_to_the_ledger(sequencing, bounds):
    run = Run(StandingStill(sequencing), rate=500, lanes=2, **bounds)
    rows = run.finish()
    assert planned_exactly_once(rows, run.planned)
    assert outcomes(rows) == {Outcome.FINALIZED: run.planned}
    lag = rows["submitted_ns"] - rows["intended_ns"]
    assert np.count_nonzero(lag > 5 * NS_PER_MS) >= 90  # 100 fell due meanwhile, and some until those were sent
    assert lag.max() >= 190 * NS_PER_MS
    assert run.recorder.counters.loop_lag_ns >= 190 * NS_PER_MS


def test_a_ledger_that_does_not_keep_up_is_charged_also_when_the_worker_stood_still_once():
    """Two lanes of 10 ms each send 200/s of 500/s; the stall excuses itself and as long again."""
    ledger = StandingStill(Sequencing.NONE, delay_s=0.01)
    ledger.stall_s = 0.03
    ledger.sends = 40
    run = Run(ledger, rate=500, lanes=2, max_lanes=2)
    rows = run.finish()
    assert planned_exactly_once(rows, run.planned)
    dropped = rows[rows["outcome"] == Outcome.DROPPED]
    assert (dropped["error_class"] == ErrorClass.IN_FLIGHT_BOUND).all()
    assert len(dropped) >= 90
    lag = rows["submitted_ns"] - rows["intended_ns"]
    assert np.count_nonzero(lag > 20 * NS_PER_MS) <= 40


def test_sequences_used_by_somebody_else_are_skipped_never_rewound():
    ledger = StrictLedger(Sequencing.ACCOUNT)
    for sender in range(ACCOUNTS):
        ledger.next[sender] = 3
    run = Run(ledger)
    rows = run.finish()
    found = outcomes(rows)
    assert planned_exactly_once(rows, run.planned)
    assert ACCOUNTS <= found[Outcome.REJECTED] <= 3 * ACCOUNTS + 40
    assert found[Outcome.FINALIZED] + found[Outcome.REJECTED] == run.planned
    assert set(np.unique(rows["error_class"][rows["outcome"] == Outcome.REJECTED])) == {ErrorClass.SEQUENCE_TOO_LOW}


def test_lanes_are_added_while_answers_are_slow():
    run = Run(StrictLedger(Sequencing.NONE, delay_s=0.01), rate=1000, lanes=1)
    rows = run.finish()
    assert 8 <= run.engine.lanes <= 16
    assert planned_exactly_once(rows, run.planned)


def test_an_interrupted_trial_accounts_for_what_was_due_and_not_for_the_rest():
    run = Run(StrictLedger(Sequencing.ACCOUNT))
    rows = run.finish(until_s=0.15, cause=ErrorClass.INTERRUPTED)
    assert 100 < len(rows) < 300
    assert sorted(rows["index"].tolist()) == list(range(len(rows)))
    assert rows["intended_ns"].max() < 300 * NS_PER_MS
    assert outcomes(rows)[Outcome.FINALIZED] > 50
