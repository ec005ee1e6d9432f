"""Every promise of `bench.adapters.protocol`, as tests. An adapter that passes can be measured.

Subclass it in a test module, under a name that pytest collects, give it a running ledger, and say what to send:

    class TestMyAdapter(AdapterContract):
        refused = Operation("transfer", {"to": Account(1), "amount": 10**30})  # if the ledger can refuse

        @pytest.fixture
        def endpoint(self) -> Endpoint: ...          # of a running ledger, fresh or not
        @pytest.fixture
        def dead_endpoint(self) -> Endpoint: ...     # where nobody listens
        @pytest.fixture
        def adapter_factory(self) -> Callable[[], Adapter]: ...
        @pytest.fixture
        def workload(self) -> Workload: ...
        def write(self, number: int) -> Operation: ...  # a valid write, whoever sends it

Nothing is skipped: a power the adapter does not have is checked to be not claimed.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import pytest

from bench.adapters.protocol import Adapter, Auditable, Endpoint, Queryable, Sequenced, Setup
from bench.model.errors import BenchError, LedgerError
from bench.model.operation import Operation
from bench.model.transaction import (
    ACCEPTED,
    ID_BYTES,
    Accepted,
    ErrorClass,
    Refusal,
    Reply,
    Transaction,
    Unanswered,
)
from bench.model.workload import Parameter, Workload
from bench.testing.stage import Stage, through_json

VALID = [int(ErrorClass.NONE)]
IDLE_BOUND_S = 0.5 + 0.4
"""What the protocol promises, and what a busy machine may add."""


class AdapterContract:
    """See the module docstring. The class attributes are optional."""

    accounts: ClassVar[int] = 4
    patience_s: ClassVar[float] = 20.0
    """How long a committed transaction may take; several block intervals."""
    read: ClassVar[Operation | None] = None
    """A read the ledger answers; needed if the adapter claims "reads"."""
    refused: ClassVar[Operation | None] = None
    """A write that business logic rightly refuses."""
    audit_read: ClassVar[tuple[str, Mapping[str, object]] | None] = None
    """Name and arguments of a read of state; needed if the adapter is `Auditable`."""

    @pytest.fixture
    def endpoint(self) -> Endpoint:
        """A running ledger."""
        raise NotImplementedError("override the fixture `endpoint`")

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        """Nobody listens there."""
        raise NotImplementedError("override the fixture `dead_endpoint`")

    @pytest.fixture
    def other_endpoint(self) -> Endpoint | None:
        """Another ledger of the same family, if one is to be had: fixtures must not be mixed up."""
        return None

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        """Makes an adapter that is not open."""
        raise NotImplementedError("override the fixture `adapter_factory`")

    @pytest.fixture
    def workload(self) -> Workload:
        """The workload whose operations `write`, `read` and `refused` are."""
        raise NotImplementedError("override the fixture `workload`")

    @pytest.fixture
    def parameters(self, workload: Workload) -> Mapping[str, Parameter]:
        """The workload's parameters."""
        return workload.defaults

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        """Keys that preparation needs (`Network.secrets`)."""
        return {}

    def write(self, number: int) -> Operation:
        """The `number`-th of any number of writes that are valid whoever sends them, in whatever order."""
        raise NotImplementedError("override write()")

    def malformed(self, transaction: Transaction) -> Transaction:
        """`transaction` spoilt, so that the node refuses it and can still read the rest of its batch. Used where there
        are no sequence numbers to spoil.
        """
        return Transaction(transaction.tx_id, transaction.payload[:-1])

    @pytest.fixture
    def setup(self, workload: Workload, parameters: Mapping[str, Parameter], secrets: Mapping[str, str]) -> Setup:
        """What is prepared."""
        return Setup(workload, parameters, self.accounts, writes=500, seed=7, secrets=secrets)

    @pytest.fixture
    def stage(self, adapter_factory: Callable[[], Adapter], endpoint: Endpoint, setup: Setup) -> Iterator[Stage]:
        """A prepared ledger."""
        stage = Stage(adapter_factory, endpoint, setup, self.patience_s)
        try:
            yield stage
        finally:
            stage.close()

    # open

    def test_open_raises_ledger_error_when_nobody_listens(
        self, adapter_factory: Callable[[], Adapter], dead_endpoint: Endpoint
    ) -> None:
        adapter = adapter_factory()
        with pytest.raises(LedgerError):
            adapter.open(dead_endpoint)
        adapter.close()

    def test_two_adapters_can_be_open_at_once(self, stage: Stage) -> None:
        follower, other = stage.follow(), stage.open()
        mine, others = stage.encode([self.write(0)], 0), stage.encode([self.write(1)], 1)
        assert stage.adapter.submit(mine) + other.submit(others) == [ACCEPTED, ACCEPTED]
        included = follower.wait_for(_ids(mine + others))
        assert [included[tx_id] for tx_id in _ids(mine + others)] == [VALID, VALID]

    def test_a_fixture_of_another_ledger_is_refused(self, stage: Stage, other_endpoint: Endpoint | None) -> None:
        if other_endpoint is not None:
            with pytest.raises(LedgerError):
                stage.open(other_endpoint)

    # prepare

    def test_prepare_makes_the_accounts_asked_for(self, stage: Stage) -> None:
        assert stage.fixture.accounts == self.accounts
        assert len(stage.fixture.sequences) == (self.accounts if stage.sequenced else 0)

    def test_fixture_survives_json(self, stage: Stage) -> None:
        once = through_json(stage.fixture)
        assert through_json(once) == once
        assert once.accounts == stage.fixture.accounts
        assert list(once.sequences) == list(stage.fixture.sequences)

    def test_fixture_is_all_a_fresh_adapter_needs(self, stage: Stage) -> None:
        follower, fresh = stage.follow(), stage.open()
        transaction = fresh.encode(self.write(0), 1, stage.next_sequence(1))
        assert fresh.submit([transaction]) == [ACCEPTED]
        assert follower.wait_for([transaction.tx_id])[transaction.tx_id] == VALID

    def test_prepare_again_leaves_a_usable_ledger(self, stage: Stage, setup: Setup) -> None:
        first = stage.encode([self.write(0)])
        follower = stage.follow()
        assert stage.adapter.submit(first) == [ACCEPTED]
        follower.wait_for(_ids(first))
        again = stage.open()
        fixture = again.prepare(setup)
        assert fixture.accounts == self.accounts
        second = again.encode(self.write(0), 0, fixture.sequences[0] if stage.sequenced else 0)
        assert second.tx_id != first[0].tx_id
        assert again.submit([second]) == [ACCEPTED]
        assert follower.wait_for([second.tx_id])[second.tx_id] == VALID

    # encode

    def test_encode_is_deterministic(self, stage: Stage) -> None:
        def encode_all(adapter: Adapter) -> list[tuple[bytes, bytes]]:
            encoded = []
            for sender in range(self.accounts):
                for number in range(3):
                    sequence = stage.next_sequence(sender) + number if stage.sequenced else 0
                    transaction = adapter.encode(self.write(number), sender, sequence)
                    encoded.append((transaction.tx_id, transaction.payload))
            return encoded

        assert encode_all(stage.open()) == encode_all(stage.open())

    def test_equal_operations_are_different_transactions(self, stage: Stage) -> None:
        tx_ids = [tx_id for sender in (0, 1) for tx_id in _ids(stage.encode([self.write(0)] * 50, sender))]
        assert len(set(tx_ids)) == 100
        assert all(0 < len(tx_id) <= ID_BYTES for tx_id in tx_ids)

    def test_encode_needs_no_network(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        adapter = stage.open()

        def refuse(*_: object) -> None:
            raise AssertionError("encode used the network")

        with monkeypatch.context() as patch:
            for name in ("connect", "send", "sendall", "sendto", "sendmsg", "recv", "recv_into"):
                patch.setattr(socket.socket, name, refuse)
            assert adapter.encode(self.write(0), 0, stage.next_sequence(0)).payload

    # submit

    def test_submit_answers_every_transaction_in_order(self, stage: Stage) -> None:
        follower = stage.follow()
        first = stage.encode([self.write(0)])
        assert stage.adapter.submit(first) == [ACCEPTED]
        follower.wait_for(_ids(first))
        good, others = stage.encode([self.write(1)], 0), stage.encode([self.write(2)], 1)
        if stage.sequenced:
            bad = stage.adapter.encode(self.write(3), 0, stage.fixture.sequences[0])
        else:
            bad = self.malformed(stage.encode([self.write(3)])[0])
        replies = stage.adapter.submit([*good, bad, *others])
        assert [type(reply) for reply in replies] == [Accepted, Refusal, Accepted]
        follower.wait_for(_ids(good + others))
        assert bad.tx_id not in follower.included()

    def test_submit_of_nothing_answers_nothing(self, stage: Stage) -> None:
        assert stage.adapter.submit([]) == []

    def test_the_same_bytes_are_included_once(self, stage: Stage) -> None:
        follower = stage.follow()
        repeated, marker = stage.encode([self.write(0)], 0), stage.encode([self.write(1)], 1)
        assert stage.adapter.submit(repeated) == [ACCEPTED]
        assert _known_or_past(stage.adapter.submit(repeated)[0])
        follower.wait_for(_ids(repeated))
        assert _known_or_past(stage.adapter.submit(repeated)[0])
        assert stage.adapter.submit(marker) == [ACCEPTED]
        assert follower.wait_for(_ids(marker))[repeated[0].tx_id] == VALID

    def test_many_threads_may_submit_at_once(self, stage: Stage) -> None:
        follower = stage.follow()
        batches = [stage.encode([self.write(number) for number in range(5)], sender) for sender in range(self.accounts)]
        replies: dict[int, list[Reply]] = {}

        def send(sender: int) -> None:
            replies[sender] = [
                reply for transaction in batches[sender] for reply in stage.adapter.submit([transaction])
            ]

        _in_threads([lambda sender=sender: send(sender) for sender in range(self.accounts)], self.patience_s)
        assert replies == {sender: [ACCEPTED] * 5 for sender in range(self.accounts)}
        tx_ids = _ids([transaction for batch in batches for transaction in batch])
        included = follower.wait_for(tx_ids)
        assert [included[tx_id] for tx_id in tx_ids] == [VALID] * len(tx_ids)

    def test_a_business_refusal_is_told_apart_from_success(self, stage: Stage) -> None:
        if self.refused is None:
            return
        follower = stage.follow()
        refused, marker = stage.encode([self.refused], 0), stage.encode([self.write(0)], 1)
        reply = stage.adapter.submit(refused)[0]
        assert not isinstance(reply, Unanswered)
        assert stage.adapter.submit(marker) == [ACCEPTED]
        included = follower.wait_for(_ids(marker + (refused if reply == ACCEPTED else [])))
        assert VALID != included.get(refused[0].tx_id, [])

    # commits

    def test_commits_hold_every_accepted_transaction_once(self, stage: Stage) -> None:
        follower = stage.follow()
        transactions = stage.encode([self.write(number) for number in range(20)])
        assert stage.adapter.submit(transactions) == [ACCEPTED] * 20
        included = follower.wait_for(_ids(transactions))
        assert [included[tx_id] for tx_id in _ids(transactions)] == [VALID] * 20

    def test_blocks_come_without_gap_and_in_order(self, stage: Stage) -> None:
        follower = stage.follow()
        before_ns = time.monotonic_ns()
        for number in range(3):
            transaction = stage.encode([self.write(number)])
            assert stage.adapter.submit(transaction) == [ACCEPTED]
            follower.wait_for(_ids(transaction))
        blocks = follower.blocks
        assert [block.ordinal for block in blocks] == list(range(len(blocks)))
        assert [block.height for block in blocks] == [blocks[0].height + index for index in range(len(blocks))]
        assert len({block.block_id for block in blocks}) == len(blocks)
        stamps = [block.observed_at_ns for block in blocks]
        assert before_ns - 10**9 * self.patience_s < stamps[0] <= stamps[-1] <= time.monotonic_ns()
        assert stamps == sorted(stamps)

    def test_commits_can_start_in_the_past(self, stage: Stage) -> None:
        follower = stage.follow()
        transaction = stage.encode([self.write(0)])
        assert stage.adapter.submit(transaction) == [ACCEPTED]
        follower.wait_for(_ids(transaction))
        seen = next(block for block in follower.blocks if transaction[0].tx_id in map(bytes, block.tx_ids))
        again = stage.follow(after=seen.height - 1).wait_for_blocks(1)[0]
        assert (again.ordinal, again.height, again.block_id) == (0, seen.height, seen.block_id)
        assert list(again.tx_ids) == list(seen.tx_ids)

    def test_commits_from_the_head_hold_nothing_old(self, stage: Stage) -> None:
        early = stage.follow()
        old, new = stage.encode([self.write(0)]), stage.encode([self.write(1)], 1)
        assert stage.adapter.submit(old) == [ACCEPTED]
        early.wait_for(_ids(old))
        late = stage.follow()
        assert stage.adapter.submit(new) == [ACCEPTED]
        assert old[0].tx_id not in late.wait_for(_ids(new))

    def test_commits_give_the_caller_a_turn_twice_a_second(self, stage: Stage) -> None:
        follower = stage.follow()
        follower.wait_for_yields(4)
        assert follower.longest_silence_s <= IDLE_BOUND_S

    # sequences

    def test_sequencing_is_claimed_with_its_methods(self, stage: Stage) -> None:
        if stage.sequenced:
            assert isinstance(stage.adapter, Sequenced)
            assert all(sequence >= 0 for sequence in stage.fixture.sequences)
        else:
            assert list(stage.fixture.sequences) == []

    def test_a_used_sequence_is_too_low(self, stage: Stage) -> None:
        if not (stage.sequenced and isinstance(stage.adapter, Sequenced)):
            return
        first = stage.fixture.sequences[0]
        transaction = stage.encode([self.write(0)])
        follower = stage.follow()
        assert stage.adapter.submit(transaction) == [ACCEPTED]
        follower.wait_for(_ids(transaction))
        assert stage.adapter.next_sequence(0) == first + 1
        reply = stage.adapter.submit([stage.adapter.encode(self.write(1), 0, first)])[0]
        assert isinstance(reply, Refusal)
        assert reply.error_class is ErrorClass.SEQUENCE_TOO_LOW

    def test_a_gap_is_refused_or_held_until_it_is_filled(self, stage: Stage) -> None:
        if not stage.sequenced:
            return
        follower = stage.follow()
        lower, higher = stage.encode([self.write(0), self.write(1)])
        ahead = stage.adapter.submit([higher])[0]
        assert ahead == ACCEPTED or (isinstance(ahead, Refusal) and ahead.error_class is ErrorClass.SEQUENCE_GAP)
        assert stage.adapter.submit([lower]) == [ACCEPTED]
        expected = [lower.tx_id, higher.tx_id] if ahead == ACCEPTED else [lower.tx_id]
        included = follower.wait_for(expected)
        assert [included[tx_id] for tx_id in expected] == [VALID] * len(expected)

    def test_a_filler_consumes_a_sequence(self, stage: Stage) -> None:
        if not (stage.sequenced and isinstance(stage.adapter, Sequenced)):
            return
        follower = stage.follow()
        sequence = stage.adapter.next_sequence(2)
        filler = stage.adapter.encode_filler(2, sequence)
        assert stage.adapter.submit([filler]) == [ACCEPTED]
        follower.wait_for([filler.tx_id])
        assert stage.adapter.next_sequence(2) == sequence + 1

    # reads and audit

    def test_reads_are_answered_and_leave_no_trace(self, stage: Stage) -> None:
        adapter = stage.adapter
        if not isinstance(adapter, Queryable) or not adapter.reads:
            assert self.read is None, "the contract was given a read, but the adapter offers none"
            return
        assert "reads" in adapter.capabilities
        assert self.read is not None, "the adapter offers reads: give the contract one"
        assert self.read.name in adapter.reads
        transaction = adapter.encode(self.read, 0, 0)
        assert transaction.tx_id == b""
        assert adapter.submit([transaction, transaction]) == [ACCEPTED, ACCEPTED]

    def test_state_can_be_read(self, stage: Stage) -> None:
        if not isinstance(stage.adapter, Auditable):
            assert "audit" not in stage.adapter.capabilities
            return
        assert "audit" in stage.adapter.capabilities
        assert self.audit_read is not None, "the adapter is Auditable: give the contract an audit_read"
        answer = stage.open().state().read(*self.audit_read)  # type: ignore[attr-defined]  # same class as above
        assert answer is not None
        assert stage.adapter.state().read(*self.audit_read) == answer

    # close and secrets

    def test_close_is_idempotent_also_without_open(self, adapter_factory: Callable[[], Adapter], stage: Stage) -> None:
        unopened, opened = adapter_factory(), stage.open()
        for adapter in (unopened, opened):
            adapter.close()
            adapter.close()

    def test_close_during_submit_ends_it(self, stage: Stage) -> None:
        adapter = stage.open()
        transactions = stage.encode([self.write(number) for number in range(300)])
        started = threading.Event()

        def send() -> None:
            try:
                for transaction in transactions:
                    adapter.submit([transaction])
                    started.set()
            except BenchError:  # allowed once it is closed
                pass

        def close() -> None:
            assert started.wait(self.patience_s)
            adapter.close()

        _in_threads([send, close], self.patience_s)

    def test_secrets_are_not_shown(self, stage: Stage, secrets: Mapping[str, str]) -> None:
        shown = " ".join(
            map(repr, (stage.adapter, stage.setup, stage.fixture, stage.fixture.disclosed, stage.endpoint))
        )
        for secret in [*secrets.values(), *stage.endpoint.headers.values()]:
            assert secret not in shown
            assert secret.removeprefix("0x") not in shown


def _ids(transactions: list[Transaction]) -> list[bytes]:
    return [transaction.tx_id for transaction in transactions]


def _known_or_past(reply: Reply) -> bool:
    """How a node may answer to bytes it has: it knows them, or their sequence number has been used (by them)."""
    return reply == ACCEPTED or (isinstance(reply, Refusal) and reply.error_class is ErrorClass.SEQUENCE_TOO_LOW)


def _in_threads(actions: list[Callable[[], None]], patience_s: float) -> None:
    """Run all at once; raise what the first of them raised."""
    errors: list[BaseException] = []

    def guarded(action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - a thread's edge: raised again by the caller
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience_s)
    assert not any(thread.is_alive() for thread in threads), f"not done after {patience_s:g} s"
    if errors:
        raise errors[0]
