"""A scripted ledger as a pure, deterministic state machine: time is an argument, so hours run in a moment.

Order of things for one transaction: submitted → refused, or accepted (and answered after the accept delay, or never) →
served one after the other at the service rate → ready after the commit latency → included in the next block that has
room. Every choice comes from the seed, and each kind of choice has a random stream of its own, so that switching one on
does not move the others.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import random
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from bench.ledgers.chain_block import ChainBlock
from bench.ledgers.simulated_options import Latency, Selection, SimulatedOptions, Variation
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

REMEMBERED = 1_000_000
"""How many recently accepted transactions are recognised when they come again."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A transaction on its way into a block."""

    tx_id: bytes
    sender: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`reply` at `due_ns`; None is silence."""

    reply: Reply | None
    due_ns: int


class SimulatedChain:
    """Call `submit` and `advance` with times that never decrease. Blocks are made by `advance` only: without a block
    interval, one call makes one block of all that has become ready since the last.
    """

    def __init__(self, options: SimulatedOptions, started_ns: int) -> None:
        self.options = options
        self.height = 0
        self.transactions = 0
        self._hash = hashlib.sha256(b"simulated genesis").digest()
        self._blocks: list[ChainBlock] = [ChainBlock(0, self._hash, [], b"")]
        self._interval_ns = round(options.block_interval_ms * NS_PER_MS)
        self._service = _Service(options, started_ns)
        self._next_tick_ns = started_ns + self._interval_ns
        self._free_at_ns = started_ns
        self._stalls = _Stalls(
            [(round(start * NS_PER_S), round(length * NS_PER_S)) for start, length in options.stalls]
        )
        self._latency = _LatencySource(options.commit_latency, options.seed)
        self._refuse, self._lose, self._fail, self._duplicate, self._forget, self._unanswered = (
            _Chooser(name, getattr(options, name), options.seed)
            for name in ("refuse", "lose", "fail", "duplicate", "forget", "unanswered")
        )
        self._shuffle = random.Random(f"{options.seed}/reorder")
        self._in_service: list[tuple[int, int, Pending]] = []
        self._ready: deque[Pending] = deque()
        self._again: list[bytes] = []
        self._forgotten: set[bytes] = set()
        self._executed: set[bytes] = set()  # of the first `_searchable` blocks; filled when somebody asks
        self._searchable = 0
        self._known: dict[bytes, None] = {}
        self._accepted = 0
        self._sequences = _Sequences() if options.sequencing == "account" else None
        self._fresh: list[ChainBlock] = []

    def submit(self, now_ns: int, transaction: Pending) -> Answer:
        """The ledger's answer, and when it is given."""
        self._stalls.begin(now_ns)
        arrived_ns = self._stalls.elapse(now_ns, 0)
        due_ns = self._stalls.elapse(arrived_ns, round(self.options.accept_delay_ms * NS_PER_MS))
        if transaction.tx_id in self._known:
            return Answer(ACCEPTED, due_ns)
        refusal = self._refusal(transaction)
        if refusal is not None:
            return Answer(refusal, due_ns)
        if not self._lose.hit():
            self._take(transaction, arrived_ns)
        return Answer(None if self._unanswered.hit() else ACCEPTED, due_ns)

    def advance(self, now_ns: int) -> list[ChainBlock]:
        """The blocks made since the last call, up to `now_ns`."""
        self._produce(now_ns)
        fresh, self._fresh = self._fresh, []
        return fresh

    def next_due_ns(self) -> int | None:
        """When `advance` has something to do next; None while nothing can happen without a submission."""
        if self._interval_ns:
            return self._stalls.elapse(self._next_tick_ns, 0)
        return self._stalls.elapse(self._in_service[0][0], 0) if self._in_service else None

    def next_sequence(self, sender: int) -> int:
        """One above the sender's last included sequence number; 0 without sequencing."""
        return 0 if self._sequences is None else self._sequences.included(sender)

    def block(self, height: int) -> ChainBlock | None:
        """A block by height."""
        return self._blocks[height] if 0 <= height <= self.height else None

    def missing(self, tx_ids: Collection[bytes]) -> int:
        """How many of these the state does not know: not included as valid, or forgotten."""
        for block in self._blocks[self._searchable :]:
            self._executed.update(tx for tx, error in zip(block.tx_ids, block.error_classes, strict=True) if not error)
        self._searchable = len(self._blocks)
        return sum(tx_id in self._forgotten or tx_id not in self._executed for tx_id in tx_ids)

    def _refusal(self, transaction: Pending) -> Refusal | None:
        if self._refuse.hit() and self.options.refuse is not None:
            return Refusal(self.options.refuse.error_class, "scripted refusal")
        capacity = self.options.pool_capacity
        if capacity is not None and self._pending >= capacity:
            return Refusal(ErrorClass.POOL_FULL, f"pool holds {capacity} transactions")
        return None if self._sequences is None else self._sequences.refusal(transaction)

    @property
    def _pending(self) -> int:
        """Accepted and in no block yet."""
        return len(self._in_service) + len(self._ready)

    def _take(self, transaction: Pending, arrived_ns: int) -> None:
        self._known[transaction.tx_id] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        if self._sequences is not None:
            self._sequences.reserve(transaction)
        self._accepted += 1
        begun_ns = max(arrived_ns, self._free_at_ns)
        self._free_at_ns = self._stalls.elapse(begun_ns, self._service.takes_ns(begun_ns, self._pending))
        ready_ns = self._stalls.elapse(self._free_at_ns, self._latency.draw_ns())
        heapq.heappush(self._in_service, (ready_ns, self._accepted, transaction))

    def _produce(self, now_ns: int) -> None:
        if not self._interval_ns:
            if not self._stalls.covers(now_ns):
                self._collect(now_ns)
                while self._ready or self._again:
                    self._make_block()
            return
        while self._next_tick_ns <= now_ns:
            tick_ns = self._next_tick_ns
            self._next_tick_ns += self._interval_ns
            if not self._stalls.covers(tick_ns):
                self._collect(tick_ns)
                self._make_block()

    def _collect(self, until_ns: int) -> None:
        """Move what is ready, and whose turn it is, behind what is waiting for a block already."""
        while self._in_service and self._in_service[0][0] <= until_ns:
            transaction = heapq.heappop(self._in_service)[2]
            if self._sequences is None:
                self._ready.append(transaction)
            else:
                self._ready.extend(self._sequences.released_by(transaction))

    def _make_block(self) -> None:
        room = self.options.block_capacity or len(self._ready) + len(self._again)
        tx_ids, self._again = self._again[:room], self._again[room:]
        error_classes = bytearray(len(tx_ids))
        chosen = [self._ready.popleft() for _ in range(min(room - len(tx_ids), len(self._ready)))]
        for transaction in self._reordered(chosen):
            tx_ids.append(transaction.tx_id)
            failed = self._fail.hit() and self.options.fail is not None
            error_classes.append(self.options.fail.error_class if failed and self.options.fail else 0)
            if self._forget.hit():
                self._forgotten.add(transaction.tx_id)
            if self._duplicate.hit():
                self._again.append(transaction.tx_id)
            if self._sequences is not None:
                self._sequences.include(transaction)
        self._append(tx_ids, bytes(error_classes))

    def _reordered(self, chosen: list[Pending]) -> list[Pending]:
        """Shuffled if so scripted; one sender's sequence stays in order where the ledger has sequences."""
        if not self.options.reorder:
            return chosen
        shuffled = list(chosen)
        self._shuffle.shuffle(shuffled)
        if self._sequences is None:
            return shuffled
        queues: dict[int, deque[Pending]] = {}
        for transaction in chosen:
            queues.setdefault(transaction.sender, deque()).append(transaction)
        return [queues[transaction.sender].popleft() for transaction in shuffled]

    def _append(self, tx_ids: list[bytes], error_classes: bytes) -> None:
        self.height += 1
        self.transactions += len(tx_ids)
        head = self._hash + self.height.to_bytes(8, "big")
        self._hash = hashlib.sha256(head + error_classes + b"".join(tx_ids)).digest()
        block = ChainBlock(self.height, self._hash, tx_ids, error_classes)
        self._blocks.append(block)
        self._fresh.append(block)


class _Sequences:
    """Gapless numbers per sender: what is reserved in the pool, what waits for a lower one, what is included."""

    def __init__(self) -> None:
        self._included: dict[int, int] = {}
        self._released: dict[int, int] = {}
        self._reserved: dict[int, set[int]] = {}
        self._waiting: dict[int, dict[int, Pending]] = {}

    def included(self, sender: int) -> int:
        return self._included.get(sender, 0)

    def refusal(self, transaction: Pending) -> Refusal | None:
        sender, sequence = transaction.sender, transaction.sequence
        if sequence < self.included(sender):
            return Refusal(ErrorClass.SEQUENCE_TOO_LOW, f"next sequence is {self.included(sender)}")
        reserved = self._reserved.get(sender, set())
        if sequence in reserved:
            return Refusal(ErrorClass.UNDERPRICED, f"sequence {sequence} is taken by a pending transaction")
        free = self.included(sender)
        while free in reserved:
            free += 1
        if sequence > free:
            return Refusal(ErrorClass.SEQUENCE_GAP, f"next free sequence is {free}")
        return None

    def reserve(self, transaction: Pending) -> None:
        self._reserved.setdefault(transaction.sender, set()).add(transaction.sequence)

    def released_by(self, transaction: Pending) -> list[Pending]:
        """`transaction` and those it let through, in order; nothing while a lower one is missing."""
        waiting = self._waiting.setdefault(transaction.sender, {})
        waiting[transaction.sequence] = transaction
        released = []
        following = self._released.get(transaction.sender, 0)
        while following in waiting:
            released.append(waiting.pop(following))
            following += 1
        self._released[transaction.sender] = following
        return released

    def include(self, transaction: Pending) -> None:
        self._included[transaction.sender] = transaction.sequence + 1
        self._reserved[transaction.sender].discard(transaction.sequence)


class _Chooser:
    """Which events a `Selection` hits; without one, none."""

    def __init__(self, name: str, selection: Selection | None, seed: int) -> None:
        self._every = 0 if selection is None else selection.every or 0
        self._probability = 0.0 if selection is None else selection.probability or 0.0
        self._random = random.Random(f"{seed}/{name}")
        self._count = 0

    def hit(self) -> bool:
        if self._every:
            self._count += 1
            return self._count % self._every == 0
        return self._probability > 0 and self._random.random() < self._probability


class _Service:
    """How long serving one transaction takes: at the stated rate, as it varies, and slower while too many wait."""

    def __init__(self, options: SimulatedOptions, started_ns: int) -> None:
        self._nominal_ns = 0.0 if options.service_rate_per_s is None else NS_PER_S / options.service_rate_per_s
        self._collapse = options.collapse
        varies = options.service_variation
        self._variation = None if varies is None else _Variation(varies, options.seed, started_ns)

    def takes_ns(self, begun_ns: int, pending: int) -> int:
        """Of a transaction whose service begins at `begun_ns` and that met `pending` others; times never decrease."""
        takes_ns = self._nominal_ns
        if self._variation is not None:
            takes_ns /= self._variation.factor(begun_ns)
        if self._collapse is not None and pending > self._collapse.above:
            takes_ns /= self._collapse.factor
        return round(takes_ns)


class _Variation:
    """A lognormal AR(1) of mean 1, one value per span of `every_s`: exp(σz − σ²/2) with z a unit normal AR(1)."""

    def __init__(self, variation: Variation, seed: int, started_ns: int) -> None:
        self._sigma, self._memory = variation.sigma, variation.memory
        self._every_ns = round(variation.every_s * NS_PER_S)
        self._random = random.Random(f"{seed}/variation")
        self._until_ns = started_ns + self._every_ns
        self._level = self._random.gauss(0, 1)

    def factor(self, at_ns: int) -> float:
        """By which the rate is multiplied at `at_ns`; times never decrease."""
        while at_ns >= self._until_ns:
            self._until_ns += self._every_ns
            fresh = self._random.gauss(0, math.sqrt(1 - self._memory**2))
            self._level = self._memory * self._level + fresh
        return math.exp(self._sigma * self._level - self._sigma**2 / 2)


class _LatencySource:
    """Draws of the commit latency in ns."""

    def __init__(self, latency: Latency, seed: int) -> None:
        self._latency = latency
        self._random = random.Random(f"{seed}/latency")

    def draw_ns(self) -> int:
        latency = self._latency
        if latency.distribution == "constant":
            return round(latency.median_ms * NS_PER_MS)
        return round(self._random.lognormvariate(math.log(latency.median_ms), latency.sigma) * NS_PER_MS)


class _Stalls:
    """Spans, in ns since the first submission, in which nothing moves."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._relative = spans
        self._spans: list[tuple[int, int]] = []
        self._begun = False

    def begin(self, now_ns: int) -> None:
        """The first call fixes where the spans lie."""
        if not self._begun:
            self._begun = True
            self._spans = [(now_ns + start, now_ns + start + length) for start, length in self._relative]

    def covers(self, at_ns: int) -> bool:
        return any(start <= at_ns < end for start, end in self._spans)

    def elapse(self, from_ns: int, work_ns: int) -> int:
        """When `work_ns` of unstalled time have passed since `from_ns`."""
        end_ns = from_ns + work_ns
        for start, end in self._spans:
            if end <= from_ns:
                continue
            if start > end_ns:
                break
            end_ns += end - max(start, from_ns)
        return end_ns
