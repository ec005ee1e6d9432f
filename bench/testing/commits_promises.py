"""Promises of `commits`."""

from __future__ import annotations

import time

from bench.model.transaction import ACCEPTED
from bench.testing.basis import VALID, ContractBasis, ids
from bench.testing.stage import Stage

IDLE_BOUND_S = 0.5 + 0.4
"""What the protocol promises, and what a busy machine may add."""


class CommitsPromises(ContractBasis):
    """What an observer relies on."""

    # commits

    def test_commits_hold_every_accepted_transaction_once(self, stage: Stage) -> None:
        follower = stage.follow()
        transactions = stage.encode([self.write(number) for number in range(20)])
        assert stage.adapter.submit(transactions) == [ACCEPTED] * 20
        included = follower.wait_for(ids(transactions))
        assert [included[tx_id] for tx_id in ids(transactions)] == [VALID] * 20

    def test_blocks_come_without_gap_and_in_order(self, stage: Stage) -> None:
        follower = stage.follow()
        before_ns = time.monotonic_ns()
        for number in range(3):
            transaction = stage.encode([self.write(number)])
            assert stage.adapter.submit(transaction) == [ACCEPTED]
            follower.wait_for(ids(transaction))
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
        follower.wait_for(ids(transaction))
        seen = next(block for block in follower.blocks if transaction[0].tx_id in map(bytes, block.tx_ids))
        again = stage.follow(after=seen.height - 1).wait_for_blocks(1)[0]
        assert (again.ordinal, again.height, again.block_id) == (0, seen.height, seen.block_id)
        assert list(again.tx_ids) == list(seen.tx_ids)

    def test_commits_from_the_head_hold_nothing_old(self, stage: Stage) -> None:
        early = stage.follow()
        old, new = stage.encode([self.write(0)]), stage.encode([self.write(1)], 1)
        assert stage.adapter.submit(old) == [ACCEPTED]
        early.wait_for(ids(old))
        late = stage.follow()
        assert stage.adapter.submit(new) == [ACCEPTED]
        assert old[0].tx_id not in late.wait_for(ids(new))

    def test_commits_give_the_caller_a_turn_twice_a_second(self, stage: Stage) -> None:
        follower = stage.follow()
        follower.wait_for_yields(4)
        assert follower.longest_silence_s <= IDLE_BOUND_S
