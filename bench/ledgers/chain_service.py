"""The service of the SQL baselines' nodes: gathers submissions, commits them in groups, feeds followers.

Starts empty; a `prepare` request brings the workload. Who can open the socket (this user) can send and can name the
workload directory whose procedures are loaded. Requests and answers, one frame each:

    ["hello"]                                          → ["hello", kind, chain id, head height, settings]
    ["prepare", workload, directory, parameters, accounts] → ["prepared", salt, transactions so far, reads]
    ["submit", [payload…]]                             → [0 | [error class, message]…], after COMMIT returned
    ["query", [read payload…]]                         → as submit, from committed state, at once
    ["read", payload]                                  → ["value", value]
    ["transactions"]                                   → ["value", transactions executed so far]
    ["verify"]                                         → ["value", height], every hash recomputed from stored bytes
    ["follow", after | null]                           → ["following", head], then a block frame for each height
    Any of them may be answered ["error", text].
    block frame: [height, block hash, tx ids in one string of 32 bytes each, error classes]
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.ledgers.chain_block import ChainBlock
from bench.ledgers.socket_server import Peer
from bench.ledgers.sql_chain import Head
from bench.model.errors import BenchError
from bench.model.transaction import Refusal, Reply
from bench.model.wire import WireError

RECENT_BLOCKS = 256
_STRANGERS_ERRORS = (ArithmeticError, LookupError, TypeError, ValueError, OSError, SyntaxError)


class Chain(Protocol):
    """A SQL database with business state and a hash-chained ledger. Owned by one thread."""

    head: Head
    settings: tuple[str, ...]
    database_errors: tuple[type[Exception], ...]

    def prepare(self, workload: str, directory: Path, parameters: Mapping[str, Any], accounts: int) -> bool:
        """Load the workload; False when that had been done already."""

    def commit(self, payloads: Sequence[bytes]) -> tuple[list[Reply], ChainBlock | None]:
        """Execute a group in order and make it durable: one reply per payload, and the block if anything was new."""

    def read(self, payload: bytes) -> tuple[Reply, object]:
        """Answer a read from committed state."""

    @property
    def reads(self) -> frozenset[str]:
        """Names of the workload's reads."""

    def block(self, height: int) -> ChainBlock | None:
        """A committed block."""

    def verify_chain(self) -> Head:
        """Recompute every hash from stored bytes."""


class ChainService:
    """Gathers submissions, commits them in groups, answers after the commit. See `socket_server.Service`."""

    def __init__(self, kind: str, chain: Chain, max_group: int) -> None:
        self._kind = kind
        self._chain = chain
        self._setup_errors: tuple[type[Exception], ...] = (*chain.database_errors, *_STRANGERS_ERRORS)
        self._max_group = max_group
        self._waiting: deque[_Submission] = deque()
        self._recent: dict[int, bytes] = {}

    def handle(self, peer: Peer, message: Any) -> None:
        """Reads are answered at once; writes wait for `tick`."""
        match message:
            case ["submit", [*payloads]] if all(isinstance(payload, bytes) for payload in payloads):
                self._waiting.append(_Submission(peer, payloads))
            case ["query", [*payloads]] if all(isinstance(payload, bytes) for payload in payloads):
                peer.send([_wire_reply(self._chain.read(payload)[0]) for payload in payloads])
            case ["read", bytes(payload)]:
                reply, value = self._chain.read(payload)
                peer.send(["error", reply.message] if isinstance(reply, Refusal) else ["value", value])
            case ["transactions"]:
                peer.send(["value", self._chain.head.transactions])
            case ["verify"]:
                peer.send(self._verify())
            case ["follow", int() | None as after]:
                head = self._chain.head.height
                peer.follows = head + 1 if after is None else after + 1
                peer.send(["following", head])
            case ["prepare", str(workload), str(directory), dict(parameters), int(accounts)]:
                peer.send(self._prepare(workload, Path(directory), parameters, accounts))
            case ["hello"]:
                genesis = self._chain.block(0)
                chain_id = genesis.block_hash if genesis else b""
                peer.send(["hello", self._kind, chain_id, self._chain.head.height, list(self._chain.settings)])
            case _:
                raise WireError("not a request of this node", value=str(message)[:80])

    def tick(self) -> float | None:
        """Commit one group and answer it; whatever came meanwhile is the next."""
        group, payloads = self._next_group()
        if payloads:
            replies, block = self._chain.commit(payloads)
            if block is not None:
                self._remember(block)
            self._answer(group, replies)
        return 0.0 if self._waiting else None

    def block(self, height: int) -> bytes | None:
        """From memory if recent, else from the file."""
        if height > self._chain.head.height:
            return None
        frame = self._recent.get(height)
        if frame is None:
            stored = self._chain.block(height)
            frame = None if stored is None else stored.frame()
        return frame

    def _verify(self) -> list[object]:
        try:
            return ["value", self._chain.verify_chain().height]
        except BenchError as error:
            return ["error", str(error)]

    def _next_group(self) -> tuple[list[_Submission], list[bytes]]:
        group: list[_Submission] = []
        payloads: list[bytes] = []
        while self._waiting and (not group or len(payloads) + len(self._waiting[0].payloads) <= self._max_group):
            submission = self._waiting.popleft()
            group.append(submission)
            payloads.extend(submission.payloads)
        for submission in group:
            if not submission.payloads:
                submission.peer.send([])
        return group, payloads

    def _answer(self, group: Sequence[_Submission], replies: Sequence[Reply]) -> None:
        position = 0
        for submission in group:
            end = position + len(submission.payloads)
            if submission.payloads:
                submission.peer.send([_wire_reply(reply) for reply in replies[position:end]])
            position = end

    def _remember(self, block: ChainBlock) -> None:
        self._recent[block.height] = block.frame()
        self._recent.pop(block.height - RECENT_BLOCKS, None)

    def _prepare(self, workload: str, directory: Path, parameters: dict[str, Any], accounts: int) -> list[object]:
        try:
            self._chain.prepare(workload, directory, parameters, accounts)
        except BenchError as error:
            return ["error", str(error)]
        except self._setup_errors as error:
            # a stranger's procedures or schema: their fault is an answer, not the end of the node
            return ["error", f"setup of {workload} failed: {type(error).__name__}: {error}"]
        head = self._chain.head
        return ["prepared", hashlib.sha256(head.block_hash).digest()[:16], head.transactions, list(self._chain.reads)]


class _Submission:
    """Who asked, and what for; a peer that has gone meanwhile is not told, but what it sent counts."""

    __slots__ = ("payloads", "peer")

    def __init__(self, peer: Peer, payloads: list[bytes]) -> None:
        self.peer = peer
        self.payloads = payloads


def _wire_reply(reply: Reply) -> object:
    return [int(reply.error_class), reply.message] if isinstance(reply, Refusal) else 0
