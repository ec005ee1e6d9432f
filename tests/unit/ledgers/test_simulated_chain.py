import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ledgers.options import parse_options
from bench.ledgers.simulated_chain import Pending, SimulatedChain
from bench.ledgers.simulated_options import SimulatedOptions
from bench.model.errors import ConfigurationError
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal

MS = 1_000_000
S = 1000 * MS


def chain_of(**options: Any) -> SimulatedChain:
    return SimulatedChain(parse_options("simulated", SimulatedOptions, options), 0)


def tx(number: int, sender: int = 0) -> Pending:
    return Pending(sender.to_bytes(16, "big") + number.to_bytes(16, "big"), sender, number)


def committed(chain: SimulatedChain, until_ns: int) -> list[tuple[int, list[int]]]:
    """(height, transaction numbers) of every block up to a time that holds any."""
    blocks = chain.advance(until_ns)
    return [(b.height, [int.from_bytes(i[16:], "big") for i in b.tx_ids]) for b in blocks if b.tx_ids]


def test_by_default_all_is_taken_and_committed_at_once() -> None:
    chain = chain_of()
    answers = [chain.submit(5, tx(number)) for number in range(3)]
    assert [(answer.reply, answer.due_ns) for answer in answers] == [(ACCEPTED, 5)] * 3
    assert chain.next_due_ns() == 5
    assert committed(chain, 5) == [(1, [0, 1, 2])]
    assert chain.next_due_ns() is None
    assert chain.transactions == 3


def test_blocks_come_on_the_interval_also_empty_ones_and_hold_no_more_than_they_can() -> None:
    chain = chain_of(block_interval_ms=100, block_capacity=2)
    for number in range(5):
        chain.submit(50 * MS, tx(number))
    assert chain.next_due_ns() == 100 * MS
    blocks = chain.advance(400 * MS)
    assert [(block.height, len(block.tx_ids)) for block in blocks] == [(1, 2), (2, 2), (3, 1), (4, 0)]
    assert chain.block(2) == blocks[1]
    assert chain.block(5) is None


def test_service_rate_spaces_commits_and_latency_shifts_them() -> None:
    chain = chain_of(service_rate_per_s=100, commit_latency={"median_ms": 30})
    for number in range(3):
        chain.submit(0, tx(number))
    times = []
    while (due_ns := chain.next_due_ns()) is not None:
        times.append((due_ns, committed(chain, due_ns)[0][1]))
    assert times == [(40 * MS, [0]), (50 * MS, [1]), (60 * MS, [2])]


def test_a_collapse_slows_whatever_arrives_while_too_many_are_pending_and_passes() -> None:
    chain = chain_of(service_rate_per_s=100, collapse={"above": 2, "factor": 0.5})
    for number in range(5):
        chain.submit(0, tx(number))
    times = []
    while (due_ns := chain.next_due_ns()) is not None:
        chain.advance(due_ns)
        times.append(due_ns)
    assert times == [10 * MS, 20 * MS, 30 * MS, 50 * MS, 70 * MS], "the fourth meets three pending ones"
    chain.submit(100 * MS, tx(5))
    assert chain.next_due_ns() == 110 * MS


def test_a_varying_rate_keeps_its_mean_spread_and_memory() -> None:
    """Served without a pause for 5,000 spans of a second: completions per span are the rate of that span."""
    for memory in (0.0, 0.6):
        variation = {"sigma": 0.2, "every_s": 1.0, "memory": memory}
        chain = chain_of(service_rate_per_s=20, service_variation=variation, block_interval_ms=1000)
        for number in range(110_000):
            chain.submit(0, tx(number))
        served = [len(block.tx_ids) for block in chain.advance(5_000 * S)]
        mean = statistics.fmean(served)
        assert mean == pytest.approx(20, rel=0.02)
        logs = [math.log(count) for count in served]
        assert statistics.stdev(logs) == pytest.approx(0.2, rel=0.1)
        lagged = statistics.correlation(logs[1:], logs[:-1])
        assert lagged == pytest.approx(memory, abs=0.06)


@pytest.mark.parametrize("option", [{"collapse": {"above": 1, "factor": 0.5}}, {"service_variation": {"sigma": 0.1}}])
def test_what_changes_a_service_rate_needs_one(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="need a service_rate_per_s"):
        chain_of(**option)


def test_a_rate_that_was_idle_does_not_save_up() -> None:
    chain = chain_of(service_rate_per_s=100)
    chain.submit(10 * S, tx(0))
    assert chain.next_due_ns() == 10 * S + 10 * MS


def test_lognormal_latency_has_the_stated_median_and_sigma() -> None:
    chain = chain_of(commit_latency={"distribution": "lognormal", "median_ms": 200, "sigma": 0.5})
    for number in range(4000):
        chain.submit(0, tx(number))
    latencies = []
    while (due_ns := chain.next_due_ns()) is not None:
        latencies += [due_ns / MS] * len(chain.advance(due_ns)[0].tx_ids)
    ordered = sorted(latencies)
    assert statistics.median(ordered) == pytest.approx(200, rel=0.05)
    assert ordered[int(0.8413 * 4000)] / 200 == pytest.approx(2.718**0.5, rel=0.06)


def test_a_stall_holds_answers_service_and_blocks() -> None:
    chain = chain_of(stalls=[[1, 2]], block_interval_ms=500, accept_delay_ms=100)
    start = 10 * S
    chain.advance(start)
    assert chain.submit(start, tx(0)).due_ns == start + 100 * MS
    assert chain.submit(start + 950 * MS, tx(1)).due_ns == start + 3 * S + 50 * MS, "half the delay lies behind it"
    assert chain.submit(start + 2 * S, tx(2)).due_ns == start + 3 * S + 100 * MS
    blocks = [(block.height, len(block.tx_ids)) for block in chain.advance(start + 3 * S)]
    assert blocks == [(21, 1), (22, 2)], "ticks at 0.5 and 3.0 s; those of 1.0 to 2.5 s fell away"


def test_an_immediate_ledger_sleeps_through_a_stall() -> None:
    chain = chain_of(stalls=[[0, 1]])
    chain.submit(0, tx(0))
    assert chain.next_due_ns() == 1 * S
    assert committed(chain, S // 2) == []
    assert committed(chain, 1 * S) == [(1, [0])]


def test_every_nth_is_refused_and_may_come_again() -> None:
    chain = chain_of(refuse={"every": 3, "error": "rate_limited"})
    replies = [chain.submit(0, tx(number)).reply for number in range(6)]
    refusal = Refusal(ErrorClass.RATE_LIMITED, "scripted refusal")
    assert replies == [ACCEPTED, ACCEPTED, refusal, ACCEPTED, ACCEPTED, refusal]
    assert committed(chain, 0) == [(1, [0, 1, 3, 4])]
    assert chain.submit(1, tx(2)).reply == ACCEPTED


def test_lost_transactions_are_accepted_and_never_included_unless_sent_again() -> None:
    chain = chain_of(lose={"every": 2})
    assert [chain.submit(0, tx(number)).reply for number in range(3)] == [ACCEPTED] * 3
    assert committed(chain, 0) == [(1, [0, 2])]
    assert chain.submit(1, tx(3)).reply == ACCEPTED  # the fourth: lost
    assert chain.submit(1, tx(1)).reply == ACCEPTED
    assert committed(chain, 1) == [(2, [1])]


def test_failures_have_their_class_in_the_block() -> None:
    chain = chain_of(fail={"every": 2, "error": "conflict"})
    for number in range(4):
        chain.submit(0, tx(number))
    assert chain.advance(0)[0].error_classes == bytes([0, ErrorClass.CONFLICT, 0, ErrorClass.CONFLICT])


def test_duplicates_come_again_in_the_next_block() -> None:
    chain = chain_of(duplicate={"every": 2}, block_interval_ms=10)
    for number in range(2):
        chain.submit(0, tx(number))
    assert committed(chain, 30 * MS) == [(1, [0, 1]), (2, [1])]
    assert chain.transactions == 3


def test_unanswered_transactions_are_included() -> None:
    chain = chain_of(unanswered={"every": 1})
    assert chain.submit(0, tx(0)).reply is None
    assert committed(chain, 0) == [(1, [0])]
    assert chain.submit(1, tx(0)).reply == ACCEPTED, "known by then"


def test_the_pool_fills_and_drains() -> None:
    chain = chain_of(pool_capacity=2, block_interval_ms=10)
    replies = [chain.submit(0, tx(number)).reply for number in range(3)]
    assert replies[:2] == [ACCEPTED, ACCEPTED]
    assert isinstance(replies[2], Refusal)
    assert replies[2].error_class is ErrorClass.POOL_FULL
    chain.advance(10 * MS)
    assert chain.submit(11 * MS, tx(2)).reply == ACCEPTED


def error_class(chain: SimulatedChain, sequence: int, sender: int = 0) -> ErrorClass:
    reply = chain.submit(1, Pending(b"other" + bytes([sequence] * 27), sender, sequence)).reply
    assert isinstance(reply, Refusal)
    return reply.error_class


def test_sequences_are_enforced_per_sender() -> None:
    chain = chain_of(sequencing="account")
    assert error_class(chain, 1) is ErrorClass.SEQUENCE_GAP
    assert chain.submit(0, tx(0)).reply == ACCEPTED
    assert error_class(chain, 0) is ErrorClass.UNDERPRICED, "another one for the same pending sequence"
    assert chain.submit(0, tx(1)).reply == ACCEPTED
    assert chain.submit(0, tx(0, sender=5)).reply == ACCEPTED
    assert chain.next_sequence(0) == 0, "pending ones do not count"
    chain.advance(0)
    assert (chain.next_sequence(0), chain.next_sequence(5), chain.next_sequence(6)) == (2, 1, 0)
    assert error_class(chain, 1) is ErrorClass.SEQUENCE_TOO_LOW


def test_a_lost_sequence_holds_back_those_after_it_until_it_is_sent_again() -> None:
    chain = chain_of(sequencing="account", lose={"every": 2})
    assert chain.submit(0, tx(0)).reply == ACCEPTED
    assert chain.submit(0, tx(1)).reply == ACCEPTED  # lost
    assert error_class(chain, 2) is ErrorClass.SEQUENCE_GAP
    chain.advance(0)
    assert chain.next_sequence(0) == 1
    assert chain.submit(1, tx(1)).reply == ACCEPTED
    assert committed(chain, 1) == [(2, [1])]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=60),
    st.integers(0, 5),
    st.sampled_from([0, 7, 50]),
    st.sampled_from([None, 1, 3]),
)
def test_sequenced_reordered_blocks_keep_each_senders_order_and_lose_nothing(
    steps: list[tuple[int, int]], seed: int, interval_ms: int, capacity: int | None
) -> None:
    latency = {"distribution": "lognormal", "median_ms": 20, "sigma": 1.0}
    chain = chain_of(sequencing="account", reorder=True, seed=seed, block_interval_ms=interval_ms,
                     block_capacity=capacity, commit_latency=latency)  # fmt: skip
    now_ns, following = 0, [0] * 4
    blocks = []
    for sender, pause_ms in steps:
        now_ns += pause_ms * MS
        blocks += chain.advance(now_ns)
        assert chain.submit(now_ns, tx(following[sender], sender)).reply == ACCEPTED
        following[sender] += 1
    blocks += chain.advance(now_ns + 10 * S)
    assert [block.height for block in blocks] == list(range(1, len(blocks) + 1))
    included = [tx_id for block in blocks for tx_id in block.tx_ids]
    for sender in range(4):
        mine = [int.from_bytes(i[16:], "big") for i in included if int.from_bytes(i[:16], "big") == sender]
        assert mine == list(range(following[sender]))
    if capacity is not None:
        assert max((len(block.tx_ids) for block in blocks), default=0) <= capacity


def test_the_same_seed_gives_the_same_chain_and_another_seed_another() -> None:
    def run(seed: int) -> list[bytes]:
        chain = chain_of(seed=seed, reorder=True, lose={"probability": 0.2}, fail={"probability": 0.3})
        for number in range(50):
            chain.submit(0, tx(number))
        return [block.block_hash for block in chain.advance(0)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_one_script_does_not_move_another() -> None:
    def lost(**more: Any) -> set[int]:
        chain = chain_of(lose={"probability": 0.3}, **more)
        for number in range(200):
            chain.submit(0, tx(number))
        return set(range(200)) - set(committed(chain, 0)[0][1])

    alone = lost()
    assert 35 < len(alone) < 85
    assert lost(fail={"probability": 0.5}, reorder=True) == alone
