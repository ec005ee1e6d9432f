"""What the adapters of our own ledgers share: pooled connections, submission, following blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

from bench.adapters.protocol import Endpoint
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.transaction import (
    ACCEPTED,
    ID_BYTES,
    Block,
    ErrorClass,
    Refusal,
    Reply,
    Transaction,
    Unanswered,
)
from bench.model.wire import Address, Connection, NotConnectedError, WireError

IDLE_S = 0.25
"""How long a follower waits for a block before it yields None; the contract allows 0.5 s."""


class NodeClient:
    """A client of one node. Any number of threads or greenlets may call it at once; each request has a connection of
    its own while it lasts, kept for the next one afterwards.
    """

    def __init__(self, endpoint: Endpoint, kind: str) -> None:
        """Connects, and raises LedgerError unless a node of this `kind` answers."""
        if endpoint.headers:
            raise ConfigurationError(f"{kind} takes no headers", value=sorted(endpoint.headers), remedy="remove them")
        if endpoint.options:
            raise ConfigurationError(f"{kind} takes no adapter options", value=sorted(endpoint.options))
        self._address = Address.parse(endpoint.url)
        self._timeout_s = endpoint.timeout_s
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._closed = False
        try:
            self.greeting = self._greet(kind)
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> Address:
        """Where the node listens."""
        return self._address

    @property
    def chain_id(self) -> bytes:
        """What distinguishes this ledger from every other."""
        return bytes(self.greeting[2])

    def ask(self, message: list[Any]) -> Any:
        """The value of an answer ["value", v] or ["prepared", …]; raises LedgerError for ["error", text]."""
        answer = self._answer(message)
        if answer[0] == "error":
            raise LedgerError(f"the ledger refused to {message[0]}: {answer[1]}")
        return answer[1:] if len(answer) > 2 else answer[1]

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One frame for the whole batch; writes and reads may be mixed."""
        if not batch:
            return []
        kind = "submit" if any(transaction.tx_id for transaction in batch) else "query"
        try:
            answers = self._request([kind, [transaction.payload for transaction in batch]])
        except NotConnectedError as error:
            return [Refusal(ErrorClass.UNREACHABLE, error.what)] * len(batch)
        except (WireError, TimeoutError) as error:
            return [Unanswered(str(error) or "no answer in time")] * len(batch)
        return [_reply(answer) for answer in answers]

    def follow(self, after: int | None) -> Generator[Block | None]:
        """See `Adapter.commits`."""
        connection = self._connect()
        self._busy.add(connection)
        try:
            connection.send(["follow", after])
            head = connection.receive()[1]
            connection.set_timeout(IDLE_S)
            height = head if after is None else after
            ordinal = 0
            while True:
                try:
                    frame = connection.receive()
                except TimeoutError:
                    yield None
                    continue
                height += 1
                if frame[0] != height:
                    raise LedgerError("the ledger skipped a block", value=f"{frame[0]} instead of {height}")
                yield _block(frame, ordinal, connection.received_at_ns)
                ordinal += 1
        finally:
            self._busy.discard(connection)
            connection.close()

    def close(self) -> None:
        """Idempotent; a request under way ends as unanswered."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        for connection in list(self._busy):
            connection.close()

    def _greet(self, kind: str) -> list[Any]:
        greeting = self._answer(["hello"])
        if not isinstance(greeting, list) or greeting[:2] != ["hello", kind]:
            raise LedgerError(f"this is no {kind} ledger", value=str(self._address), remedy="correct the endpoint")
        return greeting

    def _answer(self, message: list[Any]) -> Any:
        try:
            return self._request(message)
        except TimeoutError as error:
            what = f"no answer to {message[0]} within {self._timeout_s:g} s"
            raise LedgerError(what, value=str(self._address), remedy="see the node's log") from error

    def _request(self, message: object) -> Any:
        connection = self._connect()
        self._busy.add(connection)
        try:
            answer = connection.request(message)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def _connect(self) -> Connection:
        if self._closed:
            raise NotConnectedError("this adapter is closed", value=str(self._address))
        try:
            return self._idle.pop()
        except IndexError:
            return Connection(self._address, self._timeout_s)


def _reply(answer: Any) -> Reply:
    if answer == 0:
        return ACCEPTED
    error_class, message = answer
    if error_class == 0:  # the node was told, and does not know what became of it
        return Unanswered(message)
    return Refusal(ErrorClass(error_class), message)


def _block(frame: list[Any], ordinal: int, observed_at_ns: int) -> Block:
    height, block_id, joined, error_classes = frame
    tx_ids = [joined[start : start + ID_BYTES] for start in range(0, len(joined), ID_BYTES)]
    return Block(ordinal, height, block_id, observed_at_ns, tx_ids, error_classes, size_bytes=-1)
