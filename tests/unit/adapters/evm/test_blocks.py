import threading
from collections import deque
from itertools import count, islice

import pytest

from bench.adapters.evm.blocks import BlockFollower
from bench.adapters.evm.heads import Head
from bench.adapters.jsonrpc.channel import LostError
from bench.model.errors import LedgerError
from bench.model.transaction import Block, Orphaned, Settled
from tests.support.fake_node import FakeChain

TX = [bytes([number]) * 32 for number in range(9)]


class Heads:
    """Heads the test hands over, one by one."""

    def __init__(self) -> None:
        self.queue: list[Head] = []
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def next(self, timeout_s: float) -> Head | None:
        return self.queue.pop(0) if self.queue else None


class Statuses:
    """Settles at once what it is asked for."""

    def __init__(self) -> None:
        self.ready: list[Settled] = []
        self.dropped: list[int] = []
        self.empty_seen = 0
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def add(self, ordinal, height, block_id, tx_ids) -> None:
        self.ready.append(Settled(ordinal, bytes(len(tx_ids))))

    def saw_empty_block(self) -> None:
        self.empty_seen += 1

    def drop(self, ordinal: int) -> None:
        self.dropped.append(ordinal)

    def settled(self) -> Settled | None:
        return self.ready.pop(0) if self.ready else None


class Setting:
    def __init__(self, blocks: int = 1, after: int | None = None) -> None:
        self.chain = FakeChain()
        for _ in range(blocks):
            self.chain.add("a")
        self.node = self.chain.node()
        self.heads, self.statuses = Heads(), Statuses()
        self.follower = BlockFollower(self.node.rpc, self.heads, self.statuses, 0.05)  # type: ignore[arg-type]
        self.iterator = self.follower.follow(after)
        assert self.events() == []

    def announce(self, block_id: str | None = None, at: int = 0) -> None:
        block_id = block_id or self.chain.canonical[-1]
        self.heads.queue.append(Head(int(self.chain.by_id[block_id]["number"], 16), block_id, at))

    def poll(self, at: int = 0) -> None:
        self.heads.queue.append(Head(len(self.chain.canonical) - 1, None, at))

    def events(self):
        """All events until nothing is left to tell."""
        found = []
        while (event := next(self.iterator)) is not None:
            found.append(event)
        return found


def heights(events) -> list[int]:
    return [event.height for event in events if isinstance(event, Block)]


def test_a_block_is_told_with_the_stamp_of_its_head_and_settled_after():
    setting = Setting()
    block_id = setting.chain.add("a", TX[:2])
    setting.announce(at=123)
    block, settled = setting.events()
    expected = Block(0, 2, bytes.fromhex(block_id[2:]), 123, tuple(TX[:2]), None, 42_000, 512)
    assert block == expected
    assert settled == Settled(0, b"\0\0")


def test_an_empty_block_needs_no_settling():
    setting = Setting()
    setting.chain.add("a")
    setting.announce()
    (block,) = setting.events()
    assert block.error_classes == b""
    assert setting.statuses.empty_seen == 1


def test_gaps_are_filled_in_order_with_one_request_per_block():
    setting = Setting()
    for number in range(4):
        setting.chain.add("a", TX[number : number + 1])
    setting.announce(at=7)
    events = setting.events()
    assert heights(events) == [2, 3, 4, 5]
    assert [event.ordinal for event in events if isinstance(event, Block)] == [0, 1, 2, 3]
    assert all(event.observed_at_ns == 7 for event in events if isinstance(event, Block))
    assert len(setting.node.calls) == 5  # the base and four blocks


def test_a_head_learnt_twice_is_told_once():
    setting = Setting()
    setting.chain.add("a")
    setting.announce()
    setting.poll()
    setting.announce()
    assert heights(setting.events()) == [2]


def test_following_begins_after_a_given_height():
    setting = Setting(blocks=5, after=2)
    setting.poll()
    assert heights(setting.events()) == [3, 4, 5]


def test_a_height_that_does_not_exist_is_an_error():
    with pytest.raises(LedgerError, match="no block has this height yet"):
        Setting(after=99)


@pytest.mark.parametrize("by_poll", [False, True])
def test_a_longer_branch_orphans_ours_down_to_the_common_ancestor(by_poll):
    setting = Setting()
    setting.chain.add("a", TX[:1])
    setting.chain.add("a", TX[1:2])
    setting.announce()
    setting.events()
    setting.chain.fork(1)
    for number in range(3):
        setting.chain.add("b", TX[number : number + 1])
    setting.poll() if by_poll else setting.announce()
    events = setting.events()
    assert events[:2] == [Orphaned(1), Orphaned(0)]
    assert heights(events) == [2, 3, 4]
    assert [event.ordinal for event in events if isinstance(event, Block)] == [2, 3, 4]
    assert setting.statuses.dropped == [1, 0]


def test_a_branch_of_the_same_height_replaces_ours():
    setting = Setting()
    setting.chain.add("a")
    setting.announce()
    setting.events()
    setting.chain.fork(1)
    setting.chain.add("b")
    setting.announce()
    assert [type(event) for event in setting.events()] == [Orphaned, Block]


def test_a_chain_that_became_shorter():
    setting = Setting()
    for _ in range(3):
        setting.chain.add("a")
    setting.announce()
    setting.events()
    setting.chain.fork(2)
    setting.chain.add("b")
    setting.poll()
    setting.chain.add("b")
    setting.poll()
    events = setting.events()
    assert [event.ordinal for event in events if isinstance(event, Orphaned)] == [2, 1]
    assert heights(events) == [3, 4]


def test_a_node_that_lags_behind_changes_nothing():
    setting = Setting(blocks=4)
    setting.heads.queue.append(Head(2, None, 0))
    assert setting.events() == []


def test_a_head_that_is_not_served_yet_comes_with_the_next():
    setting = Setting()
    setting.heads.queue.append(Head(2, "0x" + "ff" * 32, 0))
    assert setting.events() == []
    setting.chain.add("a")
    setting.poll()
    assert heights(setting.events()) == [2]


def test_the_last_block_is_asked_for_until_it_is_served():
    setting = Setting()
    last = setting.chain.add("a", TX[:1])
    setting.chain.fork(1)
    setting.announce(last, at=5)
    setting.chain.by_id.pop(last)
    assert setting.events() == []
    setting.heads.queue.append(Head(1, None, 6))  # a node behind the same address that lags further
    assert setting.events() == []
    setting.chain.add("a", TX[:1])
    (block, settled) = setting.events()
    assert isinstance(block, Block)
    assert isinstance(settled, Settled)
    assert (block.height, block.observed_at_ns) == (2, 5)
    assert setting.events() == []
    asked = len(setting.node.calls)
    assert setting.events() == []
    assert len(setting.node.calls) == asked


def test_a_reorganisation_below_the_first_block_cannot_be_followed():
    setting = Setting(blocks=2)
    setting.chain.fork(0)
    for _ in range(4):
        setting.chain.add("b")
    setting.announce()
    with pytest.raises(LedgerError, match="below the first block"):
        setting.events()


def test_a_node_that_is_back_in_time_is_followed_on():
    setting = Setting()
    setting.chain.add("a", TX[:1])
    setting.announce(at=5)
    working = setting.node.exchange

    def lost(body, ids):
        raise LostError("gone")

    setting.node.exchange = lost
    assert setting.events() == []
    setting.node.exchange = working
    assert setting.events()[0].observed_at_ns == 5


def test_a_node_that_stays_away_is_given_up():
    setting = Setting()
    setting.chain.add("a")
    setting.announce()

    def lost(body, ids):
        raise LostError("gone")

    setting.node.exchange = lost
    assert setting.events() == []
    with pytest.raises(LedgerError, match="gone"):
        deque(islice(setting.iterator, 9), maxlen=0)


def test_closing_stops_the_threads_it_started():
    setting = Setting()
    assert setting.heads.running
    assert setting.statuses.running
    setting.iterator.close()
    assert not setting.heads.running
    assert not setting.statuses.running


def test_a_block_that_cannot_be_read_is_an_error():
    setting = Setting()
    setting.node.methods["eth_getBlockByNumber"] = lambda *_: {"number": "0x2"}
    setting.heads.queue.append(Head(2, None, 0))
    with pytest.raises(LedgerError, match="block cannot be read"):
        setting.events()


def test_a_node_that_is_silent_leaves_the_caller_its_turns(monkeypatch):
    monkeypatch.setattr("bench.adapters.evm.blocks._YIELD_S", 0.01)
    setting = Setting()
    setting.chain.add("a", TX[:1])
    setting.announce(at=5)
    answers = threading.Event()
    working = setting.node.exchange

    def silent(body, ids):
        assert answers.wait(5)
        return working(body, ids)

    setting.node.exchange = silent
    assert [next(setting.iterator) for _ in range(5)] == [None] * 5
    answers.set()
    events = [event for event in islice(setting.iterator, 500) if event is not None]
    assert heights(events) == [2]
    assert events[0].observed_at_ns == 5


def test_progress_between_failures_counts_as_reached(monkeypatch):
    clock = iter(range(0, 10**12, 10**7))  # 10 ms per look; patience is 50 ms
    monkeypatch.setattr("bench.adapters.evm.blocks.monotonic_ns", lambda: next(clock))
    monkeypatch.setattr("bench.adapters.evm.blocks.time.sleep", lambda _: None)
    setting = Setting()
    for number in range(9):
        setting.chain.add("a", TX[number : number + 1])
    setting.announce()
    working, turn = setting.node.exchange, count()

    def every_other(body, ids):
        if next(turn) % 2:
            raise LostError("gone")
        return working(body, ids)

    setting.node.exchange = every_other
    events = [event for event in islice(setting.iterator, 40) if event is not None]
    assert heights(events) == list(range(2, 11))
