"""Following a chain block by block: two calls per block in one exchange, no gaps, parents verified.

There are no reorganisations to follow: a block that two thirds have committed stays. One that does not continue the
block before it is an error (a fork, or another chain at the same address).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bench.adapters.cometbft.heights import Height, HeightWatcher, latest_height
from bench.adapters.cometbft.rpc import Rpc
from bench.adapters.cometbft.statuses import classify_result
from bench.adapters.jsonrpc.rpc import RpcFault, UnreachedError
from bench.adapters.protocol import JsonValue
from bench.model.clock import NS_PER_S, monotonic_ns
from bench.model.errors import LedgerError
from bench.model.transaction import Block, CommitEvent

_YIELD_S = 0.1


@dataclass(frozen=True, slots=True)
class _ChainBlock:
    block_id: str
    parent_id: str
    tx_ids: list[bytes]
    error_classes: bytes


class BlockFollower:
    """Turns heights into blocks. Blocks are asked for in a thread of their own, so that the caller gets its turns while
    a node is slow or silent. What no node serves is asked for again for `patience_s`, then `follow` raises LedgerError.
    A chain that has stopped making blocks is no error: its nodes answer, and nothing is yielded.
    """

    def __init__(self, rpc: Rpc, watcher: HeightWatcher, patience_s: float) -> None:
        self._rpc = rpc
        self._watcher = watcher
        self._patience_s = patience_s
        self._asking = ThreadPoolExecutor(1, "cometbft-blocks")

    def follow(self, after: int | None) -> Iterator[CommitEvent | None]:
        """See `Adapter.commits`."""
        try:
            head = latest_height(self._rpc)
            done = head if after is None else after
            if done > head:
                raise LedgerError("no block has this height yet", value=after, remedy="begin at a block that exists")
            self._watcher.start()
            ordinal, parent_id = 0, ""
            yield None
            while True:
                found = self._watcher.next(_YIELD_S)
                if found is None or found.height <= done:
                    yield None
                    continue
                while done < found.height:
                    block = yield from self._fetch(done + 1)
                    if parent_id not in ("", block.parent_id):
                        raise LedgerError(
                            "the chain does not continue the block before",
                            value=f"height {done + 1}",
                            remedy="was the chain started anew during the run?",
                        )
                    done, parent_id = done + 1, block.block_id
                    yield _event(block, ordinal, done, found)
                    ordinal += 1
        finally:
            self._watcher.stop()
            self._asking.shutdown()

    def _fetch(self, height: int) -> Generator[None, None, _ChainBlock]:
        """`_ask` in the other thread until it succeeds, with a turn for the caller every `_YIELD_S`."""
        began_at_ns = monotonic_ns()
        while True:
            answer = self._asking.submit(self._ask, height)
            while not wait([answer], _YIELD_S).done:
                yield None
            try:
                return answer.result()
            except (UnreachedError, RpcFault) as error:  # a node that took over may not have the block yet
                if monotonic_ns() - began_at_ns > self._patience_s * NS_PER_S:
                    raise LedgerError(
                        f"no node serves block {height}: {error}", remedy="see the logs of the nodes"
                    ) from error
                yield None
                time.sleep(_YIELD_S)

    def _ask(self, height: int) -> _ChainBlock:
        at: dict[str, JsonValue] = {"height": str(height)}
        block, results = self._rpc.batch([("block", at), ("block_results", at)])
        return _parse(height, block, results)


def _event(block: _ChainBlock, ordinal: int, height: int, found: Height) -> Block:
    return Block(
        ordinal=ordinal,
        height=height,
        block_id=bytes.fromhex(block.block_id),
        observed_at_ns=found.observed_at_ns,
        tx_ids=block.tx_ids,
        error_classes=block.error_classes,
    )


def _parse(height: int, block: Any, results: Any) -> _ChainBlock:
    """Names of transactions are made here (SHA-256 of their bytes); the node's index is not needed."""
    try:
        header = block["block"]["header"]
        tx_ids = [sha256(base64.b64decode(each)).digest() for each in block["block"]["data"]["txs"] or []]
        outcomes = results["txs_results"] or []
        statuses = bytes(classify_result(each["code"], each.get("codespace", "")) for each in outcomes)
        if int(header["height"]) != height or len(statuses) != len(tx_ids):
            raise ValueError(f"height {header['height']}, {len(statuses)} results of {len(tx_ids)} transactions")
        return _ChainBlock(str(block["block_id"]["hash"]), str(header["last_block_id"]["hash"]), tx_ids, statuses)
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            f"block {height} cannot be read: {error}", value=str(block)[:200], remedy="see the node's log"
        ) from error
