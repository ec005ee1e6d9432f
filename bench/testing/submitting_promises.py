"""Promises of `submit` and of the optional powers."""

from __future__ import annotations

from functools import partial

from bench.adapters.protocol import Auditable, Queryable, Sequenced
from bench.model.transaction import ACCEPTED, Accepted, ErrorClass, Refusal, Reply, Unanswered
from bench.testing.basis import VALID, ContractBasis, ids, in_threads, known_or_past
from bench.testing.stage import Stage


class SubmittingPromises(ContractBasis):
    """The timed part of an adapter, and what it answers."""

    # submit

    def test_submit_answers_every_transaction_in_order(self, stage: Stage) -> None:
        follower = stage.follow()
        first = stage.encode([self.write(0)])
        assert stage.adapter.submit(first) == [ACCEPTED]
        follower.wait_for(ids(first))
        good, others = stage.encode([self.write(1)], 0), stage.encode([self.write(2)], 1)
        if stage.sequenced:
            bad = stage.adapter.encode(self.write(3), 0, stage.fixture.sequences[0])
        else:
            bad = self.malformed(stage.encode([self.write(3)])[0])
        replies = stage.adapter.submit([*good, bad, *others])
        assert [type(reply) for reply in replies] == [Accepted, Refusal, Accepted]
        follower.wait_for(ids(good + others))
        assert bad.tx_id not in follower.included()

    def test_submit_of_nothing_answers_nothing(self, stage: Stage) -> None:
        assert stage.adapter.submit([]) == []

    def test_the_same_bytes_are_included_once(self, stage: Stage) -> None:
        follower = stage.follow()
        repeated, marker = stage.encode([self.write(0)], 0), stage.encode([self.write(1)], 1)
        assert stage.adapter.submit(repeated) == [ACCEPTED]
        assert known_or_past(stage.adapter.submit(repeated)[0])
        follower.wait_for(ids(repeated))
        assert known_or_past(stage.adapter.submit(repeated)[0])
        assert stage.adapter.submit(marker) == [ACCEPTED]
        assert follower.wait_for(ids(marker))[repeated[0].tx_id] == VALID

    def test_many_threads_may_submit_at_once(self, stage: Stage) -> None:
        follower = stage.follow()
        batches = [stage.encode([self.write(number) for number in range(5)], sender) for sender in range(self.accounts)]
        replies: dict[int, list[Reply]] = {}

        def send(sender: int) -> None:
            replies[sender] = [
                reply for transaction in batches[sender] for reply in stage.adapter.submit([transaction])
            ]

        in_threads([partial(send, sender) for sender in range(self.accounts)], self.patience_s)
        assert replies == {sender: [ACCEPTED] * 5 for sender in range(self.accounts)}
        tx_ids = ids([transaction for batch in batches for transaction in batch])
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
        included = follower.wait_for(ids(marker + (refused if reply == ACCEPTED else [])))
        assert included.get(refused[0].tx_id, []) != VALID

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
        follower.wait_for(ids(transaction))
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
