"""The encoder process: draws operations from the seed and signs them ahead of their time.

It follows the worker's shard of the arrival plan in order and keeps as many encoded items outstanding as the worker has
given it credit for, so that neither side's memory grows with the run. When a sender's sequence is broken by a refusal,
the worker says so (`reset`) and names the items whose signatures are void (`resign`); they are encoded again from the
operations kept here. Nothing here is timed.

Wire, one msgpack frame each. Worker → encoder: ["credit", n], ["reset", sender, generation, next, holes],
["resign", [index…]], ["skip", sender, n], ["filler", sender, sequence]. Encoder → worker: ["items", [Item…]],
["again", [Item…]] (signed again, and fillers), ["done", planned]. Started with the spec on standard input.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from bench import registry
from bench.adapters.protocol import Adapter, Sequenced
from bench.load.drawing import DrawingPlan, draw
from bench.load.lifeline import die_with_parent, ignore_interrupts
from bench.load.messages import FILLER_INDEX, Item, TrialSpec
from bench.load.stream import Stream
from bench.model.ledger import Sequencing
from bench.model.operation import Kind, Operation
from bench.model.transaction import Transaction
from bench.model.workload import Workload

CHUNK = 256
NICENESS = 19  # it works ahead of time: what stamps and what is measured go first
KEPT_BEYOND = 10_000  # operations whose turn may have come and whose signature may still be asked for again
_UNSIGNED = Transaction(b"", b"")


@dataclass(slots=True)
class Sequences:
    """The next sequence number of one sender: holes left by refusals first, then upwards."""

    next: int
    generation: int = 0
    holes: list[int] = field(default_factory=list)
    unsigned: int = 0  # so many of the next writes are delivered without a transaction

    def take(self) -> int:
        """Reserve one number."""
        if self.holes:
            return self.holes.pop(0)
        number = self.next
        self.next += 1
        return number


class Encoder:
    """Turns planned arrivals of one worker's shard into encoded items, in order; pure but for the adapter's signing."""

    def __init__(self, adapter: Adapter, workload: Workload, spec: TrialSpec, worker: int) -> None:
        self._adapter = adapter
        self._codes = {operation.name: code for code, operation in enumerate(workload.operations)}
        fixture = spec.prepared()
        senders = range(worker, fixture.accounts, spec.workers)
        if not senders:
            raise ValueError(f"worker {worker} of {spec.workers} has none of the {fixture.accounts} accounts")
        self._senders = senders
        self._turn = 0
        sequences = fixture.sequences if adapter.sequencing is Sequencing.ACCOUNT else [0] * fixture.accounts
        self._sequences = {sender: Sequences(sequences[sender]) for sender in senders}
        self._drawn = draw(workload, DrawingPlan.of(spec), worker)
        self._kept: OrderedDict[int, tuple[int, Operation, int]] = OrderedDict()
        self._keep = spec.buffer + KEPT_BEYOND
        self.planned = 0
        self.exhausted = False

    def next_items(self, count: int) -> list[Item]:
        """At most `count` further items of the plan; fewer only when it is exhausted."""
        items: list[Item] = []
        for _ in range(count):
            drawn = next(self._drawn, None)
            if drawn is None:
                self.exhausted = True
                break
            index, due_ns, operation = drawn
            sender = self._assign(operation)
            self._remember(index, due_ns, operation, sender)
            sequences = self._sequences[sender]
            if sequences.unsigned and operation.kind is not Kind.READ:
                sequences.unsigned -= 1
                items.append(self._item(index, due_ns, operation, sender, sequences, 0, _UNSIGNED))
            else:
                items.append(self._encode(index, due_ns, operation, sender))
        self.planned += len(items)
        return items

    def reset(self, sender: int, generation: int, following: int, holes: Sequence[int]) -> None:
        """A refusal broke the sender's sequence: number from the holes, then from `following`."""
        unsigned = self._sequences[sender].unsigned
        self._sequences[sender] = Sequences(following, generation, sorted(holes), unsigned)

    def leave_unsigned(self, sender: int, count: int) -> None:
        """Deliver the sender's next `count` writes without a transaction."""
        self._sequences[sender].unsigned += count

    def resign(self, indices: Sequence[int]) -> list[Item]:
        """Encode operations again under their senders' present sequence. An operation no longer kept is left out; the
        worker then counts it as dropped.
        """
        return [self._encode(index, *self._kept[index]) for index in indices if index in self._kept]

    def filler(self, sender: int, sequence: int) -> Item:
        """The cheapest transaction that closes a hole at the end of a trial."""
        if not isinstance(self._adapter, Sequenced):
            raise TypeError("an adapter with account sequencing must implement Sequenced")
        transaction = self._adapter.encode_filler(sender, sequence)
        generation = self._sequences[sender].generation
        return Item(FILLER_INDEX, 0, 0, 0, 0, sender, sequence, generation, transaction.tx_id, transaction.payload)

    def _assign(self, operation: Operation) -> int:
        if operation.sender is not None:
            if operation.sender not in self._sequences:
                raise ValueError(f"operation {operation.name!r} names sender {operation.sender}, not of this worker")
            return operation.sender
        sender = self._senders[self._turn]
        self._turn = (self._turn + 1) % len(self._senders)
        return sender

    def _encode(self, index: int, due_ns: int, operation: Operation, sender: int) -> Item:
        sequences = self._sequences[sender]
        sequence = 0 if operation.kind is Kind.READ else sequences.take()
        transaction = self._adapter.encode(operation, sender, sequence)
        return self._item(index, due_ns, operation, sender, sequences, sequence, transaction)

    def _item(
        self,
        index: int,
        due_ns: int,
        operation: Operation,
        sender: int,
        sequences: Sequences,
        sequence: int,
        transaction: Transaction,
    ) -> Item:
        return Item(
            index,
            due_ns,
            self._codes[operation.name],
            1 if operation.kind is Kind.READ else 0,
            1 if operation.expects_refusal else 0,
            sender,
            sequence,
            sequences.generation,
            transaction.tx_id,
            transaction.payload,
        )

    def _remember(self, index: int, due_ns: int, operation: Operation, sender: int) -> None:
        if operation.kind is Kind.READ:
            return
        self._kept[index] = (due_ns, operation, sender)
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)


def serve(encoder: Encoder, stream: Stream) -> None:
    """Answer the worker until it closes the connection."""
    credit = 0
    told = False
    while True:
        idle = credit == 0 or encoder.exhausted
        if idle or select.select([stream.connection], [], [], 0)[0]:
            command = stream.read()
            if command is None:
                return
            if command[0] == "credit":
                credit += command[1]
            else:
                _obey(encoder, command, stream)
            continue
        items = encoder.next_items(min(credit, CHUNK))
        credit -= len(items)
        if items:
            stream.send(["items", items])
        if encoder.exhausted and not told:
            stream.send(["done", encoder.planned])
            told = True


def _obey(encoder: Encoder, command: list[Any], stream: Stream) -> None:
    match command:
        case ["reset", sender, generation, following, holes]:
            encoder.reset(sender, generation, following, holes)
        case ["resign", indices]:
            stream.send(["again", encoder.resign(indices)])
        case ["skip", sender, count]:
            encoder.leave_unsigned(sender, count)
        case ["filler", sender, sequence]:
            stream.send(["again", [encoder.filler(sender, sequence)]])
        case _:
            raise ValueError(f"unknown command to the encoder: {command!r}")


def main() -> None:
    """Process entry: spec and worker index on standard input, a connected socket as file descriptor 3's number."""
    die_with_parent()
    ignore_interrupts()
    os.nice(NICENESS)
    start = msgpack.unpackb(sys.stdin.buffer.read())
    spec = TrialSpec.from_wire(start["spec"])
    connection = socket.socket(fileno=start["descriptor"])
    connection.setblocking(True)  # the worker's end is gevent's, and left both unblocking
    adapter = registry.adapter(spec.adapter)
    adapter.open(spec.endpoint(), spec.prepared())
    try:
        with connection:
            serve(Encoder(adapter, registry.workload(spec.workload), spec, start["worker"]), Stream(connection))
    except (BrokenPipeError, ConnectionResetError):
        return  # the worker has gone; so do we
    finally:
        adapter.close()


if __name__ == "__main__":
    main()
