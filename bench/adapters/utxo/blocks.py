"""Following a chain block by block: gaps filled, parents verified, reorganisations reported, in O(blocks) requests.

A transaction in a block of this family is valid: what is not cannot be in one. So every status is known with its block.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from bench.adapters.protocol import JsonValue
from bench.adapters.utxo.heads import Head, HeadWatcher
from bench.adapters.utxo.rpc import Rpc
from bench.model.errors import LedgerError
from bench.model.transaction import Block, CommitEvent, Orphaned

KEPT_BLOCKS = 4096
"""How many blocks back a reorganisation can be followed."""

_YIELD_S = 0.1


@dataclass(frozen=True, slots=True)
class ChainBlock:
    """A block with the ids of its transactions as printed."""

    height: int
    block_id: str
    parent_id: str
    tx_ids: tuple[bytes, ...]
    size_bytes: int


class BlockFollower:
    """Turns heads into events. Blocks are asked for in a thread of their own, so that the caller gets its turns while a
    node is slow.
    """

    def __init__(self, rpc: Rpc, watcher: HeadWatcher) -> None:
        self._rpc = rpc
        self._watcher = watcher
        self._chain: OrderedDict[str, tuple[int, int]] = OrderedDict()  # block id → (height, ordinal or -1)
        self._next_ordinal = 0
        self._tip = ("", -1)
        self._asking = ThreadPoolExecutor(1, "utxo-blocks")

    def follow(self, after: int | None) -> Iterator[CommitEvent | None]:
        """See `Adapter.commits`."""
        base = self._base(after)
        self._remember(base, -1)
        self._watcher.start(base.height, base.block_id)
        try:
            while True:
                head = self._watcher.next(_YIELD_S)
                if head is None:
                    yield None
                else:
                    yield from self._extend(head)
        finally:
            self._watcher.stop()
            self._asking.shutdown()

    def _base(self, after: int | None) -> ChainBlock:
        height = self._rpc.number("getblockcount") if after is None else after
        if after is not None and after > self._rpc.number("getblockcount"):
            raise LedgerError("no block has this height yet", value=after, remedy="begin at a block that exists")
        return self._ask(str(self._rpc.call("getblockhash", [height])))

    def _extend(self, head: Head) -> Iterator[CommitEvent | None]:
        """From the new head back to a block that is known, and forward again."""
        if head.block_id in self._chain:  # the node went back: its best block is one of ours
            yield from self._orphan_down_to(head.block_id)
            return
        branch = [(yield from self._fetch(head.block_id))]
        lowest = next(iter(self._chain.values()))[0]
        while branch[-1].parent_id not in self._chain:
            if branch[-1].height <= lowest + 1:
                raise LedgerError(
                    "the chain was reorganised below the first block this run followed",
                    value=branch[-1].height,
                    remedy="raise adapter option confirmations, or start from a fresh ledger",
                )
            branch.append((yield from self._fetch(branch[-1].parent_id)))
        yield from self._orphan_down_to(branch[-1].parent_id)
        for block in reversed(branch):
            yield self._append(block, head.observed_at_ns)

    def _orphan_down_to(self, ancestor: str) -> Iterator[CommitEvent]:
        while self._tip[0] != ancestor:
            _, (_, ordinal) = self._chain.popitem()
            block_id = next(reversed(self._chain))
            self._tip = (block_id, self._chain[block_id][0])
            yield Orphaned(ordinal)

    def _append(self, block: ChainBlock, observed_at_ns: int) -> Block:
        ordinal = self._next_ordinal
        self._next_ordinal += 1
        self._remember(block, ordinal)
        return Block(
            ordinal=ordinal,
            height=block.height,
            block_id=bytes.fromhex(block.block_id),
            observed_at_ns=observed_at_ns,
            tx_ids=block.tx_ids,
            error_classes=bytes(len(block.tx_ids)),
            size_bytes=block.size_bytes,
        )

    def _remember(self, block: ChainBlock, ordinal: int) -> None:
        self._chain[block.block_id] = (block.height, ordinal)
        self._tip = (block.block_id, block.height)
        if len(self._chain) > KEPT_BLOCKS:
            self._chain.popitem(last=False)

    def _fetch(self, block_id: str) -> Generator[None, None, ChainBlock]:
        """`_ask` in the other thread, with a turn for the caller every `_YIELD_S`."""
        answer = self._asking.submit(self._ask, block_id)
        while not wait([answer], _YIELD_S).done:
            yield None
        return answer.result()

    def _ask(self, block_id: str) -> ChainBlock:
        return _parse(self._rpc.call("getblock", [block_id, 1]))


def _parse(answer: JsonValue) -> ChainBlock:
    try:
        if not isinstance(answer, dict) or not isinstance(answer["tx"], list):
            raise TypeError("not a block")
        size = answer.get("size")
        return ChainBlock(
            height=int(str(answer["height"])),
            block_id=str(answer["hash"]),
            parent_id=str(answer.get("previousblockhash", "")),
            tx_ids=tuple(bytes.fromhex(str(tx_id)) for tx_id in answer["tx"]),
            size_bytes=size if isinstance(size, int) else -1,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            "the node's block cannot be read", value=str(answer)[:200], remedy="see the node's log"
        ) from error
