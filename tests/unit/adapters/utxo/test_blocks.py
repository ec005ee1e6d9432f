"""Following a chain that a test writes block by block, with its forks."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest

from bench.adapters.utxo.blocks import BlockFollower
from bench.adapters.utxo.heads import Head
from bench.api import Block, CommitEvent, LedgerError, Orphaned


def name(text: str) -> str:
    return text.encode().hex().rjust(64, "0")


class Chain:
    """Stands in for `Rpc`: blocks by id, and what is best."""

    def __init__(self) -> None:
        self.blocks: dict[str, dict[str, Any]] = {}
        self.best = ""
        self.add("a0", "")

    def add(self, block: str, parent: str) -> None:
        height = self.blocks[name(parent)]["height"] + 1 if parent else 0
        self.blocks[name(block)] = {
            "height": height,
            "hash": name(block),
            "previousblockhash": name(parent),
            "tx": [name(f"t{block}")],
            "size": 99,
        }
        self.best = block

    def number(self, method: str) -> int:
        return int(self.blocks[name(self.best)]["height"])

    def call(self, method: str, params: Any) -> Any:
        if method == "getblock":
            return self.blocks[params[0]]
        at = name(self.best)
        while self.blocks[at]["height"] != params[0]:
            at = self.blocks[at]["previousblockhash"]
        return at


class Told:
    """Stands in for the watcher."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._heads: queue.SimpleQueue[Head] = queue.SimpleQueue()
        self.stopped = False

    def start(self, height: int, block_id: str) -> None: ...

    def tell(self, block: str, at_ns: int = 7) -> None:
        self._heads.put(Head(self._chain.blocks[name(block)]["height"], name(block), at_ns))

    def next(self, timeout_s: float) -> Head | None:
        try:
            return self._heads.get_nowait()
        except queue.Empty:
            return None

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def told(chain: Chain) -> Told:
    return Told(chain)


@pytest.fixture
def events(chain: Chain, told: Told) -> Iterator[Iterator[CommitEvent | None]]:
    following = BlockFollower(chain, told).follow(None)  # type: ignore[arg-type] # they stand in for both
    assert next(following) is None
    yield following
    following.close()  # type: ignore[attr-defined] # it is a generator
    assert told.stopped


def until_idle(events: Iterator[CommitEvent | None]) -> list[str]:
    found = []
    while (event := next(events)) is not None:
        if isinstance(event, Block):
            found.append(f"{event.ordinal}:{event.block_id.lstrip(bytes(1)).decode()}@{event.height}")
        elif isinstance(event, Orphaned):
            found.append(f"-{event.ordinal}")
    return found


def test_blocks_between_two_heads_are_filled_in(chain: Chain, told: Told, events: Iterator[CommitEvent | None]) -> None:
    for block, parent in (("a1", "a0"), ("a2", "a1"), ("a3", "a2")):
        chain.add(block, parent)
    told.tell("a1", 5)
    first = next(events)
    assert isinstance(first, Block)
    assert (first.observed_at_ns, first.error_classes, first.size_bytes) == (5, b"\0", 99)
    assert list(first.tx_ids) == [bytes.fromhex(name("ta1"))]
    told.tell("a3")
    assert until_idle(events) == ["1:a2@2", "2:a3@3"]
    told.tell("a3")
    assert until_idle(events) == []


def test_a_longer_branch_orphans_ours(chain: Chain, told: Told, events: Iterator[CommitEvent | None]) -> None:
    for block, parent in (("a1", "a0"), ("a2", "a1"), ("b1", "a0"), ("b2", "b1"), ("b3", "b2")):
        chain.add(block, parent)
    told.tell("a2")
    told.tell("b3")
    assert until_idle(events) == ["0:a1@1", "1:a2@2", "-1", "-0", "2:b1@1", "3:b2@2", "4:b3@3"]


def test_a_node_that_goes_back_takes_its_blocks_along(
    chain: Chain, told: Told, events: Iterator[CommitEvent | None]
) -> None:
    chain.add("a1", "a0")
    chain.add("a2", "a1")
    for block in ("a2", "a1", "a2"):
        told.tell(block)
    assert until_idle(events) == ["0:a1@1", "1:a2@2", "-1", "2:a2@2"]


def test_a_branch_from_before_the_start_cannot_be_followed(
    chain: Chain, told: Told, events: Iterator[CommitEvent | None]
) -> None:
    chain.add("a1", "a0")
    told.tell("a1")
    assert until_idle(events) == ["0:a1@1"]
    chain.blocks[name("zz")] = {"height": -1, "hash": name("zz"), "previousblockhash": "", "tx": []}
    chain.add("b0", "zz")
    chain.add("b1", "b0")
    chain.add("b2", "b1")
    told.tell("b2")
    with pytest.raises(LedgerError, match="below the first block"):
        until_idle(events)
