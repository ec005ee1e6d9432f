"""JSON-RPC for everything but the hot path: setup, audits, following blocks. Faults become LedgerErrors."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import orjson

from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError, Target, parse_target
from bench.adapters.jsonrpc.http import HttpChannel
from bench.adapters.jsonrpc.ws import WsChannel
from bench.adapters.protocol import Endpoint, JsonValue
from bench.model.errors import LedgerError

METHOD_NOT_FOUND = -32601
_RETRY_S = 0.2
_BUSY = frozenset({429, 502, 503, 504})
"""What a gateway or an overloaded node answers with, whatever the body: the same request may succeed in a moment."""

_ids = count(1)  # of the whole process: several may share a WebSocket, where answers are told apart by id alone

BATCH_CALLS = 100
"""Calls per batch outside the hot path: below every client's own limit (geth 1,000, others as low as 100)."""


@dataclass(frozen=True, slots=True)
class RpcFault(Exception):
    """The node's own error object."""

    code: int
    message: str


class UnreachedError(LedgerError):
    """The exchange failed on its way, or its answer is none of a node's; the node may be back in a moment."""


def open_channel(endpoint: Endpoint) -> tuple[Target, Channel]:
    """A channel of the kind the URL asks for. Connects on first use."""
    target = parse_target(endpoint.url, endpoint.headers)
    kind = WsChannel if target.websocket else HttpChannel
    return target, kind(target, endpoint.timeout_s)


class Rpc:
    """Thread-safe as far as its channel is. `shown` names the endpoint without credentials.

    An exchange that fails on its way, or that something else than a node answers (the HTML page of a gateway, say), is
    tried again for `patience_s`, or until `lose_patience`: every method used here may be repeated. `batch_calls` is
    what the node takes in one batch; 1 sends every call by itself.
    """

    def __init__(self, channel: Channel, shown: str, patience_s: float = 0.0, batch_calls: int = BATCH_CALLS) -> None:
        self._channel = channel
        self._shown = shown
        self._patience_s = patience_s
        self._impatient = threading.Event()
        self.batch_calls = batch_calls

    def lose_patience(self) -> None:
        """Let no exchange be tried again, now or later."""
        self._impatient.set()

    def call(self, method: str, params: Sequence[JsonValue]) -> JsonValue:
        """The result; a node's error is a LedgerError too."""
        try:
            return self.attempt(method, params)
        except RpcFault as fault:
            raise self._refused(method, fault) from fault

    def optional(self, method: str, params: Sequence[JsonValue]) -> JsonValue:
        """The result, or None where the node lacks the method or refuses it."""
        try:
            return self.attempt(method, params)
        except RpcFault:
            return None

    def attempt(self, method: str, params: Sequence[JsonValue]) -> JsonValue:
        """The result; raises RpcFault with the node's own error."""
        number = next(_ids)
        answer = self._exchange(_request(number, method, params), [number])
        if not isinstance(answer, dict):
            raise self._nonsense(method, answer)
        return _result(answer)

    def batch(self, method: str, params: Sequence[Sequence[JsonValue]]) -> list[JsonValue]:
        """One result per element of `params`, in order; the first error ends it as a LedgerError."""
        results: list[JsonValue] = []
        if self.batch_calls <= 1:
            return [self.call(method, each) for each in params]
        for start in range(0, len(params), self.batch_calls):
            results += self.whole_batch(method, params[start : start + self.batch_calls])
        return results

    def hex_int(self, method: str, params: Sequence[JsonValue]) -> int:
        """A result that is a quantity."""
        return self.quantity(method, self.call(method, params))

    def quantity(self, method: str, value: JsonValue) -> int:
        """A hexadecimal quantity as the node gave it."""
        try:
            return int(str(value), 16)
        except ValueError:
            raise self._nonsense(method, value) from None

    def whole_batch(self, method: str, params: Sequence[Sequence[JsonValue]]) -> list[JsonValue]:
        """`batch` in one request, however many there are."""
        numbers = [next(_ids) for _ in params]
        requests = [_request(number, method, item) for number, item in zip(numbers, params, strict=True)]
        answers = self._exchange(b"[" + b",".join(requests) + b"]", numbers)
        if not isinstance(answers, list):
            raise self._nonsense(method, answers)
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        try:
            return [_result(by_id[number]) for number in numbers]
        except RpcFault as fault:
            raise self._refused(method, fault) from fault
        except KeyError as missing:
            raise LedgerError(
                f"{self._shown} left calls of a {method} batch unanswered",
                value=f"{len(by_id)} of {len(numbers)}",
                remedy="raise the node's batch limit to at least 100",
            ) from missing

    def _exchange(self, body: bytes, numbers: Sequence[int]) -> JsonValue:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return self._attempt_once(body, numbers)
            except UnreachedError:
                if time.monotonic() >= deadline or self._impatient.wait(_RETRY_S):
                    raise

    def _attempt_once(self, body: bytes, numbers: Sequence[int]) -> JsonValue:
        try:
            return self._parse(self._channel.exchange(body, numbers))
        except (NotSentError, LostError) as error:
            raise UnreachedError(str(error), remedy="check the endpoint URL and that the node runs") from error

    def _parse(self, answer: Answer) -> JsonValue:
        if answer.status in (401, 403):
            raise LedgerError(
                f"{self._shown} refuses these credentials",
                value=f"HTTP {answer.status}",
                remedy="give headers or basic auth in the endpoint's key file",
            )
        if answer.status in _BUSY:
            raise UnreachedError(
                f"{self._shown} is too busy to answer",
                value=_excerpt(answer),
                remedy="see the logs of the node and of what stands before it",
            )
        try:
            parsed: JsonValue = orjson.loads(answer.body)
        except ValueError as error:
            raise UnreachedError(
                f"{self._shown} does not answer with JSON",
                value=_excerpt(answer),
                remedy="check that the endpoint is a JSON-RPC port of an EVM node",
            ) from error
        return parsed

    def _nonsense(self, method: str, value: object) -> LedgerError:
        return LedgerError(
            f"{self._shown} answered {method} with something else than a result",
            value=str(value)[:200],
            remedy="check that the endpoint is a JSON-RPC port of an EVM node",
        )

    def _refused(self, method: str, fault: RpcFault) -> LedgerError:
        remedy = "enable the method on the node" if fault.code == METHOD_NOT_FOUND else "see the node's log"
        return LedgerError(f"{self._shown} refused {method}", value=fault.message, remedy=remedy)


def _excerpt(answer: Answer) -> str:
    return f"HTTP {answer.status}: {answer.body[:80].decode('utf-8', 'replace')}"


def _request(number: int, method: str, params: Sequence[JsonValue]) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)})


def _result(answer: dict[str, JsonValue]) -> JsonValue:
    error = answer.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        raise RpcFault(code if isinstance(code, int) else 0, str(error.get("message", error))[:300])
    return answer.get("result")
