"""JSON-RPC for everything but the hot path: setup, audits, following blocks. Faults become LedgerErrors.

What differs between families is a `Dialect`; a family's own file adds the shapes of its results.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import orjson

from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError
from bench.adapters.protocol import JsonValue
from bench.model.errors import LedgerError

METHOD_NOT_FOUND = -32601
BATCH_CALLS = 100
"""Calls per batch outside the hot path: below every client's own limit (geth 1,000, others as low as 100)."""

_RETRY_S = 0.2
_BUSY = frozenset({429, 502, 503, 504})
"""What a gateway or an overloaded node answers with, whatever the body: the same request may succeed in a moment."""

_ids = count(1)  # of the whole process: several may share a WebSocket, where answers are told apart by id alone

Params = Sequence[JsonValue] | Mapping[str, JsonValue]
"""By position or by name."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a family says things: `version` in requests, the members of an error object that say what happened, and what
    a user is told to do about an address that is none of a node's, refused credentials and a missing method.
    """

    version: str
    address: str
    credentials: str
    missing_method: str = "see the node's log"
    says: tuple[str, ...] = ("message",)

    def request(self, number: int, method: str, params: Params) -> bytes:
        """One request."""
        given = dict(params) if isinstance(params, Mapping) else list(params)
        return orjson.dumps({"jsonrpc": self.version, "id": number, "method": method, "params": given})

    def result(self, item: Mapping[str, JsonValue]) -> JsonValue:
        """The result of one answer; raises RpcFault where it is an error."""
        error = item.get("error")
        if isinstance(error, dict):
            code = error.get("code")
            words = [str(error[part]) for part in self.says if error.get(part)]
            raise RpcFault(code if isinstance(code, int) else 0, (": ".join(words) or str(error))[:300])
        return item.get("result")


@dataclass(frozen=True, slots=True)
class RpcFault(Exception):
    """The node's own error object."""

    code: int
    message: str


class UnreachedError(LedgerError):
    """The exchange failed on its way, or its answer is none of a node's; the node may be back in a moment."""


def exchange(
    channel: Channel, shown: str, dialect: Dialect, calls: Sequence[tuple[str, Params]], *, batch: bool
) -> Answers:
    """Ask once. `shown` names the node without credentials."""
    numbers = [next(_ids) for _ in calls]
    requests = [dialect.request(number, *call) for number, call in zip(numbers, calls, strict=True)]
    body = b"[" + b",".join(requests) + b"]" if batch else requests[0]
    try:
        parsed = _parse(channel.exchange(body, numbers), shown, dialect)
    except (NotSentError, LostError) as error:
        raise UnreachedError(str(error), remedy="check the endpoint URL and that the node runs") from error
    return Answers(parsed, numbers)


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back, as JSON, for the requests with these numbers."""

    parsed: JsonValue
    numbers: Sequence[int]

    def by_id(self) -> Mapping[JsonValue, Mapping[str, JsonValue]]:
        """Those that are answers at all."""
        items = self.parsed if isinstance(self.parsed, list) else [self.parsed]
        return {item.get("id"): item for item in items if isinstance(item, dict)}

    def in_order(self) -> list[Mapping[str, JsonValue] | None]:
        """One per request; None for one that was left out."""
        found = self.by_id()
        return [found.get(number) for number in self.numbers]


class Rpc:
    """Thread-safe as far as its channel is. `shown` names the endpoint without credentials.

    An exchange that fails on its way, or that something else than a node answers (the HTML page of a gateway, say), is
    tried again for `patience_s`, or until `lose_patience`: every method used here may be repeated. `batch_calls` is
    what the node takes in one batch; 1 sends every call by itself.
    """

    dialect: Dialect
    """Given by the family's subclass."""

    def __init__(self, channel: Channel, shown: str, patience_s: float = 0.0, batch_calls: int = BATCH_CALLS) -> None:
        self._channel = channel
        self._shown = shown
        self._patience_s = patience_s
        self._impatient = threading.Event()
        self.batch_calls = batch_calls

    def lose_patience(self) -> None:
        """Let no exchange be tried again, now or later."""
        self._impatient.set()

    def call(self, method: str, params: Params = ()) -> JsonValue:
        """The result; a node's error is a LedgerError too."""
        try:
            return self.attempt(method, params)
        except RpcFault as fault:
            raise self._refused(method, fault) from fault

    def optional(self, method: str, params: Params = ()) -> JsonValue:
        """The result, or None where the node lacks the method or refuses it."""
        try:
            return self.attempt(method, params)
        except RpcFault:
            return None

    def attempt(self, method: str, params: Params = ()) -> JsonValue:
        """The result; raises RpcFault with the node's own error."""
        answer = self._exchange([(method, params)], batch=False).parsed
        if not isinstance(answer, dict):
            raise self.nonsense(method, answer)
        return self.dialect.result(answer)

    def batch(self, method: str, params: Sequence[Params]) -> list[JsonValue]:
        """One result per element of `params`, in order; the first error ends it as a LedgerError."""
        if self.batch_calls <= 1:
            return [self.call(method, each) for each in params]
        return [each for part in self._parts(params) for each in self.whole_batch(method, part)]

    def answers(self, method: str, params: Sequence[Params]) -> list[JsonValue | RpcFault]:
        """`batch` with each call's error in the place of its result."""
        return [
            _result_or_fault(self.dialect, item) for part in self._parts(params) for item in self._ask(method, part)
        ]

    def whole_batch(self, method: str, params: Sequence[Params]) -> list[JsonValue]:
        """`batch` in one request, however many there are."""
        try:
            return [self.dialect.result(item) for item in self._ask(method, params)]
        except RpcFault as fault:
            raise self._refused(method, fault) from fault

    def nonsense(self, method: str, value: object) -> LedgerError:
        """For a result of a shape that this method has not."""
        return LedgerError(
            f"{self._shown} answered {method} with something else than a result",
            value=str(value)[:200],
            remedy=self.dialect.address,
        )

    def _parts(self, params: Sequence[Params]) -> Iterable[Sequence[Params]]:
        size = max(1, self.batch_calls)
        return (params[start : start + size] for start in range(0, len(params), size))

    def _ask(self, method: str, params: Sequence[Params]) -> Iterator[Mapping[str, JsonValue]]:
        found = self._exchange([(method, each) for each in params], batch=True)
        if not isinstance(found.parsed, list):
            raise self.nonsense(method, found.parsed)
        for item in found.in_order():
            if item is None:
                raise LedgerError(
                    f"{self._shown} left calls of a {method} batch unanswered",
                    value=f"{len(found.by_id())} of {len(params)}",
                    remedy="raise the node's batch limit to at least 100",
                )
            yield item

    def _exchange(self, calls: Sequence[tuple[str, Params]], *, batch: bool) -> Answers:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return exchange(self._channel, self._shown, self.dialect, calls, batch=batch)
            except UnreachedError:
                if time.monotonic() >= deadline or self._impatient.wait(_RETRY_S):
                    raise

    def _refused(self, method: str, fault: RpcFault) -> LedgerError:
        remedy = self.dialect.missing_method if fault.code == METHOD_NOT_FOUND else "see the node's log"
        return LedgerError(f"{self._shown} refused {method}", value=fault.message, remedy=remedy)


def _result_or_fault(dialect: Dialect, item: Mapping[str, JsonValue]) -> JsonValue | RpcFault:
    try:
        return dialect.result(item)
    except RpcFault as fault:
        return fault


def _parse(answer: Answer, shown: str, dialect: Dialect) -> JsonValue:
    if answer.status in (401, 403):
        raise LedgerError(
            f"{shown} refuses these credentials", value=f"HTTP {answer.status}", remedy=dialect.credentials
        )
    if answer.status in _BUSY:
        raise UnreachedError(
            f"{shown} is too busy to answer",
            value=_excerpt(answer),
            remedy="see the logs of the node and of what stands before it",
        )
    try:
        parsed: JsonValue = orjson.loads(answer.body)
    except ValueError as error:
        raise UnreachedError(
            f"{shown} does not answer with JSON", value=_excerpt(answer), remedy=dialect.address
        ) from error
    return parsed


def _excerpt(answer: Answer) -> str:
    return f"HTTP {answer.status}: {answer.body[:80].decode('utf-8', 'replace')}"
