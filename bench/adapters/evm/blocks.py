"""Following a chain block by block: gaps filled, parents verified, reorganisations reported, in O(blocks) requests."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from bench.adapters.evm.heads import Head, HeadWatcher
from bench.adapters.evm.receipts import ReceiptFetcher
from bench.adapters.evm.rpc import Rpc
from bench.adapters.jsonrpc.rpc import UnreachedError
from bench.adapters.protocol import JsonValue
from bench.model.clock import NS_PER_S, monotonic_ns
from bench.model.errors import LedgerError
from bench.model.transaction import Block, CommitEvent, Orphaned

KEPT_BLOCKS = 4096
"""How many blocks back a reorganisation can be followed."""

_YIELD_S = 0.1


@dataclass(frozen=True, slots=True)
class ChainBlock:
    """A block with the hashes of its transactions, as the node gave it."""

    height: int
    block_id: str
    parent_id: str
    tx_ids: tuple[bytes, ...]
    gas_used: int
    size_bytes: int


class BlockFollower:
    """Turns heads into events. The generator `follow` owns watcher and fetcher: closing it stops their threads.

    Blocks are asked for in a thread of their own, so that the caller gets its turns while a node is slow or silent. A
    node that cannot be reached is asked again for `patience_s`, then `follow` raises `UnreachedError`. A block that was
    announced and is not served is asked for again until it comes, or is no longer the highest that was announced.
    """

    def __init__(self, rpc: Rpc, watcher: HeadWatcher, receipts: ReceiptFetcher, patience_s: float) -> None:
        self._rpc = rpc
        self._patience_s = patience_s
        self._watcher = watcher
        self._receipts = receipts
        self._chain: OrderedDict[str, tuple[int, int]] = (
            OrderedDict()
        )  # block id → (height, ordinal or -1), oldest first
        self._next_ordinal = 0
        self._tip_height = -1
        self._tip_id = ""
        self._reached_at_ns = 0
        self._asking = ThreadPoolExecutor(1, "evm-blocks")

    def follow(self, after: int | None) -> Iterator[CommitEvent | None]:
        """See `Adapter.commits`."""
        base = self._ask("latest" if after is None else hex(after))
        if base is None:
            raise LedgerError("no block has this height yet", value=after, remedy="begin at a block that exists")
        self._remember(base, -1)
        self._watcher.start()
        self._receipts.start()
        again: Head | None = None
        unserved: Head | None = None
        try:
            while True:
                while settled := self._receipts.settled():
                    yield settled
                if (head := again or self._watcher.next(_YIELD_S) or unserved) is None:
                    yield None
                    continue
                if again is None:
                    self._reached_at_ns = monotonic_ns()
                try:
                    yield from self._extend(head)
                    again = None
                    if (unserved := self._unserved(head, unserved)) is not None:
                        yield None
                except UnreachedError:
                    if monotonic_ns() - self._reached_at_ns > self._patience_s * NS_PER_S:
                        raise
                    again = head
                    yield None
                    time.sleep(_YIELD_S)
        finally:
            self._watcher.stop()
            self._receipts.stop()
            self._asking.shutdown()

    def _extend(self, head: Head) -> Iterator[CommitEvent | None]:
        if head.block_id is not None and head.block_id in self._chain:
            return
        while self._tip_height < head.height:
            by_id = head.block_id is not None and head.height == self._tip_height + 1
            block = yield from self._fetch(head.block_id if by_id and head.block_id else hex(self._tip_height + 1))
            if block is None:
                return  # announced, but not served yet, or gone again
            if block.parent_id != self._tip_id:
                yield from self._switch(block, head.observed_at_ns)
            else:
                yield self._append(block, head.observed_at_ns)
        if self._lowest() <= head.height <= self._tip_height and self._is_other_branch(head):
            block = yield from self._fetch(head.block_id or hex(head.height))
            if block is not None and block.block_id not in self._chain:
                yield from self._switch(block, head.observed_at_ns)

    def _unserved(self, head: Head, before: Head | None) -> Head | None:
        """What is to be asked for again when no other head comes; by height, because its block may be gone for good."""
        highest = head if before is None or head.height >= before.height else before
        return replace(highest, block_id=None) if self._tip_height < highest.height else None

    def _is_other_branch(self, head: Head) -> bool:
        return head.height < self._tip_height if head.block_id is None else head.block_id not in self._chain

    def _lowest(self) -> int:
        return next(iter(self._chain.values()))[0]

    def _switch(self, block: ChainBlock, observed_at_ns: int) -> Iterator[CommitEvent | None]:
        """The chain was reorganised: orphan our blocks down to the common ancestor, then take the new branch."""
        branch = [block]
        while branch[-1].parent_id not in self._chain:
            parent = yield from self._fetch(branch[-1].parent_id)
            if parent is None or parent.height < self._lowest():
                raise LedgerError(
                    "the chain was reorganised below the first block this run followed",
                    value=block.height,
                    remedy="raise adapter option confirmations, or start from a fresh ledger",
                )
            branch.append(parent)
        yield from self._orphan_down_to(branch[-1].parent_id)
        for item in reversed(branch):
            yield self._append(item, observed_at_ns)

    def _orphan_down_to(self, ancestor: str) -> Iterator[CommitEvent]:
        while self._tip_id != ancestor:
            _, (_, ordinal) = self._chain.popitem()
            self._tip_id = next(reversed(self._chain))
            self._tip_height = self._chain[self._tip_id][0]
            self._receipts.drop(ordinal)
            yield Orphaned(ordinal)

    def _append(self, block: ChainBlock, observed_at_ns: int) -> Block:
        ordinal = self._next_ordinal
        self._next_ordinal += 1
        self._remember(block, ordinal)
        if block.tx_ids:
            self._receipts.add(ordinal, block.height, block.block_id, block.tx_ids)
        else:
            self._receipts.saw_empty_block()
        return Block(
            ordinal=ordinal,
            height=block.height,
            block_id=bytes.fromhex(block.block_id[2:]),
            observed_at_ns=observed_at_ns,
            tx_ids=block.tx_ids,
            error_classes=None if block.tx_ids else b"",
            gas_used=block.gas_used,
            size_bytes=block.size_bytes,
        )

    def _remember(self, block: ChainBlock, ordinal: int) -> None:
        self._chain[block.block_id] = (block.height, ordinal)
        self._tip_id, self._tip_height = block.block_id, block.height
        if len(self._chain) > KEPT_BLOCKS:
            self._chain.popitem(last=False)

    def _fetch(self, reference: str) -> Generator[None, None, ChainBlock | None]:
        """`_ask` in the other thread, with a turn for the caller every `_YIELD_S`."""
        answer = self._asking.submit(self._ask, reference)
        while not wait([answer], _YIELD_S).done:
            yield None
        block = answer.result()
        self._reached_at_ns = monotonic_ns()
        return block

    def _ask(self, reference: str) -> ChainBlock | None:
        """By id (66 characters), height or tag; hashes of transactions only."""
        method = "eth_getBlockByHash" if len(reference) == 66 else "eth_getBlockByNumber"
        answer = self._rpc.call(method, [reference, False])
        if answer is None:
            return None
        return _parse(answer)


def _parse(answer: JsonValue) -> ChainBlock:
    try:
        if not isinstance(answer, dict) or not isinstance(answer["transactions"], list):
            raise TypeError("not a block")
        return ChainBlock(
            height=int(str(answer["number"]), 16),
            block_id=str(answer["hash"]),
            parent_id=str(answer["parentHash"]),
            tx_ids=tuple(bytes.fromhex(str(tx_id)[2:]) for tx_id in answer["transactions"]),
            gas_used=_number(answer.get("gasUsed")),
            size_bytes=_number(answer.get("size")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            "the node's block cannot be read", value=str(answer)[:200], remedy="see the node's log"
        ) from error


def _number(value: JsonValue) -> int:
    return int(value, 16) if isinstance(value, str) else -1
