"""The contract must fail where a promise is broken: a sound adapter in memory, and one fault at a time."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.model.errors import LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Kind, Operation
from bench.model.transaction import ACCEPTED, Block, CommitEvent, ErrorClass, Refusal, Reply, Transaction
from bench.model.workload import OperationInfo, Workload
from bench.testing import AdapterContract, Stage

WORKLOAD = Workload("pay", "", "x:Y", Path(), (OperationInfo("pay", Kind.WRITE, 1, ""),), frozenset({"memory"}))


class Ledger:
    def __init__(self) -> None:
        self.blocks: list[list[bytes]] = []
        self.known: set[bytes] = set()
        self.changed = threading.Condition()


class MemoryAdapter:
    """Sound, unless a subclass spoils one thing."""

    finality = Finality("memory")
    sequencing = Sequencing.NONE
    capabilities: frozenset[str] = frozenset({"batch"})
    ledgers: ClassVar[dict[str, Ledger]] = {}

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.salt = ""
        self.count = 0

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        if endpoint.url not in self.ledgers:
            raise LedgerError("nobody there")
        self.ledger = self.ledgers[endpoint.url]
        if fixture is not None:
            self.salt = str(fixture.data["salt"])

    def prepare(self, setup: Setup) -> Fixture:
        self.salt = str(len(self.ledger.blocks))
        return Fixture(setup.accounts, data={"salt": self.salt})

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        self.count += 1
        payload = json.dumps([self.salt, sender, self.count, operation.name]).encode()
        return Transaction(hashlib.sha256(payload).digest(), payload)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        with self.ledger.changed:
            good = [transaction for transaction in batch if transaction.payload.endswith(b"]")]
            fresh = [self.name_of(transaction) for transaction in good]
            fresh = [tx_id for tx_id in fresh if tx_id not in self.ledger.known]
            self.ledger.known.update(fresh)
            if fresh:
                self.ledger.blocks.append(fresh)
                self.ledger.changed.notify_all()
        malformed = Refusal(ErrorClass.INVALID_TRANSACTION, "malformed")
        return [ACCEPTED if transaction in good else malformed for transaction in batch]

    def name_of(self, transaction: Transaction) -> bytes:
        return hashlib.sha256(transaction.payload).digest()

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        start = height = len(self.ledger.blocks) if after is None else after
        while True:
            with self.ledger.changed:
                if len(self.ledger.blocks) == height:
                    self.ledger.changed.wait(timeout=0.01)
                blocks = self.ledger.blocks[height:]
            for ids in blocks:
                height += 1
                yield Block(height - start - 1, height, bytes([height]), time.monotonic_ns(), ids, bytes(len(ids)))
            if not blocks:
                yield None

    def close(self) -> None:
        pass


class MemoryContract(AdapterContract):
    patience_s = 0.5
    factory: ClassVar[Any] = MemoryAdapter

    def write(self, number: int) -> Operation:
        return Operation("pay", {"amount": number})


def broken_promise(adapter: type[MemoryAdapter], test: str, **needs: Any) -> None:
    """Run one test of the contract on an adapter; raises what the test raises."""
    MemoryAdapter.ledgers = {"memory:1": Ledger()}
    contract = MemoryContract()
    setup = Setup(WORKLOAD, {}, contract.accounts, 100, 1)
    stage = Stage(adapter, Endpoint("memory:1"), setup, contract.patience_s)
    offered = {"stage": stage, "setup": setup, "adapter_factory": adapter, **needs}
    function = getattr(contract, test)
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    try:
        function(**{name: offered[name] for name in names})
    finally:
        stage.close()


TESTS = sorted(name for name in dir(AdapterContract) if name.startswith("test_"))


@pytest.mark.parametrize("test", TESTS)
def test_a_sound_adapter_passes(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {"dead_endpoint": Endpoint("memory:2"), "other_endpoint": None, "monkeypatch": monkeypatch, "secrets": {}}
    broken_promise(MemoryAdapter, test, **needs)


class RaisesKeyError(MemoryAdapter):
    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        self.ledger = self.ledgers[endpoint.url]


class ForgetsFixture(MemoryAdapter):
    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        super().open(endpoint)

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        if not self.salt:
            raise LedgerError("not prepared")
        return super().encode(operation, sender, sequence)


class ClockInPayload(MemoryAdapter):
    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        self.count += time.monotonic_ns()
        return super().encode(operation, sender, sequence)


class SameBytes(MemoryAdapter):
    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        self.count = 0
        return super().encode(operation, sender, sequence)


class ConstantSalt(MemoryAdapter):
    def prepare(self, setup: Setup) -> Fixture:
        self.salt = "x"
        return Fixture(setup.accounts, data={"salt": self.salt})


class AnswersTooFew(MemoryAdapter):
    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        return super().submit(batch)[:2]


class AnswersOutOfOrder(MemoryAdapter):
    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        return sorted(super().submit(batch), key=lambda reply: reply != ACCEPTED)


class IncludesTwice(MemoryAdapter):
    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        self.ledger.known.clear()
        return super().submit(batch)


class WrongIds(MemoryAdapter):
    def name_of(self, transaction: Transaction) -> bytes:
        return hashlib.sha1(transaction.payload).digest()


class HidesFailures(MemoryAdapter):
    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        for event in super().commits(after):
            if event is None:
                yield None
            else:
                assert isinstance(event, Block)
                failed = bytes([ErrorClass.REVERTED]) * len(event.tx_ids)
                yield Block(event.ordinal, event.height, event.block_id, event.observed_at_ns, event.tx_ids, failed)


class SkipsBlocks(MemoryAdapter):
    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        for event in super().commits(after):
            if not isinstance(event, Block) or event.ordinal != 1:
                yield event


class IgnoresAfter(MemoryAdapter):
    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        return super().commits(0 if after is None else None)


class NeverYieldsNone(MemoryAdapter):
    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        for number, event in enumerate(super().commits(after)):
            if event is not None or number % 100 == 0:
                yield event


class ClaimsReads(MemoryAdapter):
    reads = frozenset({"look"})


class ClaimsAudit(MemoryAdapter):
    capabilities = frozenset({"audit"})


class InventsSequences(MemoryAdapter):
    def prepare(self, setup: Setup) -> Fixture:
        fixture = super().prepare(setup)
        return Fixture(fixture.accounts, sequences=[0] * fixture.accounts, data=fixture.data)


class ShowsFixture(MemoryAdapter):
    def __repr__(self) -> str:
        return "MemoryAdapter(key=0xc0ffee)"


@pytest.mark.parametrize(
    ("adapter", "test"),
    [
        (RaisesKeyError, "test_open_raises_ledger_error_when_nobody_listens"),
        (ForgetsFixture, "test_fixture_is_all_a_fresh_adapter_needs"),
        (ClockInPayload, "test_encode_is_deterministic"),
        (SameBytes, "test_equal_operations_are_different_transactions"),
        (ConstantSalt, "test_prepare_again_leaves_a_usable_ledger"),
        (AnswersTooFew, "test_submit_answers_every_transaction_in_order"),
        (AnswersOutOfOrder, "test_submit_answers_every_transaction_in_order"),
        (IncludesTwice, "test_the_same_bytes_are_included_once"),
        (WrongIds, "test_commits_hold_every_accepted_transaction_once"),
        (HidesFailures, "test_commits_hold_every_accepted_transaction_once"),
        (HidesFailures, "test_many_threads_may_submit_at_once"),
        (SkipsBlocks, "test_blocks_come_without_gap_and_in_order"),
        (IgnoresAfter, "test_commits_can_start_in_the_past"),
        (IgnoresAfter, "test_commits_from_the_head_hold_nothing_old"),
        (NeverYieldsNone, "test_commits_give_the_caller_a_turn_twice_a_second"),
        (ClaimsReads, "test_reads_are_answered_and_leave_no_trace"),
        (ClaimsAudit, "test_state_can_be_read"),
        (InventsSequences, "test_prepare_makes_the_accounts_asked_for"),
        (ShowsFixture, "test_secrets_are_not_shown"),
    ],
)
def test_a_broken_promise_is_found(adapter: type[MemoryAdapter], test: str) -> None:
    needs = {"dead_endpoint": Endpoint("memory:2"), "secrets": {"funding_key": "0xc0ffee"}}
    with pytest.raises((AssertionError, LedgerError, KeyError)):
        broken_promise(adapter, test, **needs)
