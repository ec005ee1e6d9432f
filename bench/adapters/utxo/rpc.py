"""JSON-RPC for everything but the hot path: setup, audits, following blocks. Faults become LedgerErrors.

Bitcoin's dialect: an error comes as HTTP 500 with a JSON body, a full work queue as HTTP 503 with a plain one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import orjson

from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError
from bench.adapters.protocol import JsonValue
from bench.model.errors import LedgerError

METHOD_NOT_FOUND = -32601
NOT_FOUND = -5
WARMING_UP = -28
BATCH_CALLS = 100
_RETRY_S = 0.2
_BUSY = frozenset({429, 502, 503, 504})
_ids = count(1)


@dataclass(frozen=True, slots=True)
class RpcFault(Exception):
    """The node's own error object."""

    code: int
    message: str


class UnreachedError(LedgerError):
    """The exchange failed on its way, or its answer is none of a node's; the node may be back in a moment."""


class Rpc:
    """Thread-safe as far as its channel is. An exchange that fails on its way is tried again for `patience_s`, or until
    `lose_patience`: every method used here may be repeated.
    """

    def __init__(self, channel: Channel, shown: str, patience_s: float = 0.0) -> None:
        self._channel = channel
        self._shown = shown
        self._patience_s = patience_s
        self._impatient = threading.Event()

    def lose_patience(self) -> None:
        """Let no exchange be tried again, now or later."""
        self._impatient.set()

    def call(self, method: str, *params: JsonValue) -> JsonValue:
        """The result; a node's error is a LedgerError too."""
        try:
            return self.attempt(method, *params)
        except RpcFault as fault:
            raise self._refused(method, fault) from fault

    def number(self, method: str, *params: JsonValue) -> int:
        """A result that is a whole number."""
        result = self.call(method, *params)
        if not isinstance(result, int):
            raise self._nonsense(method, result)
        return result

    def record(self, method: str, *params: JsonValue) -> dict[str, JsonValue]:
        """A result that is an object."""
        result = self.call(method, *params)
        if not isinstance(result, dict):
            raise self._nonsense(method, result)
        return result

    def attempt(self, method: str, *params: JsonValue) -> JsonValue:
        """The result; raises RpcFault with the node's own error."""
        answer = self._exchange(_request(next(_ids), method, params))
        if not isinstance(answer, dict):
            raise self._nonsense(method, answer)
        return _result(answer)

    def batch(self, method: str, params: Sequence[Sequence[JsonValue]]) -> list[JsonValue | RpcFault]:
        """One result or fault per element of `params`, in order."""
        results: list[JsonValue | RpcFault] = []
        for start in range(0, len(params), BATCH_CALLS):
            results += self._batch(method, params[start : start + BATCH_CALLS])
        return results

    def _batch(self, method: str, params: Sequence[Sequence[JsonValue]]) -> list[JsonValue | RpcFault]:
        numbers = [next(_ids) for _ in params]
        requests = [_request(number, method, item) for number, item in zip(numbers, params, strict=True)]
        answers = self._exchange(b"[" + b",".join(requests) + b"]")
        if not isinstance(answers, list):
            raise self._nonsense(method, answers)
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        results: list[JsonValue | RpcFault] = []
        for number in numbers:
            if number not in by_id:
                raise self._nonsense(method, f"{len(by_id)} answers to {len(numbers)} calls")
            try:
                results.append(_result(by_id[number]))
            except RpcFault as fault:
                results.append(fault)
        return results

    def _exchange(self, body: bytes) -> JsonValue:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return self._attempt_once(body)
            except UnreachedError:
                if time.monotonic() >= deadline or self._impatient.wait(_RETRY_S):
                    raise

    def _attempt_once(self, body: bytes) -> JsonValue:
        try:
            return self._parse(self._channel.exchange(body, ()))
        except (NotSentError, LostError) as error:
            raise UnreachedError(str(error), remedy="check the endpoint URL and that the node runs") from error

    def _parse(self, answer: Answer) -> JsonValue:
        if answer.status in (401, 403):
            raise LedgerError(
                f"{self._shown} refuses these credentials",
                value=f"HTTP {answer.status}",
                remedy="name the node's cookie in adapter option cookie_file, or give an Authorization header",
            )
        if answer.status in _BUSY:
            raise UnreachedError(f"{self._shown} is too busy to answer", value=_excerpt(answer))
        try:
            parsed: JsonValue = orjson.loads(answer.body)
        except ValueError as error:
            raise UnreachedError(
                f"{self._shown} does not answer with JSON",
                value=_excerpt(answer),
                remedy="check that the endpoint is the RPC port of a node of the Bitcoin family",
            ) from error
        return parsed

    def _nonsense(self, method: str, value: object) -> LedgerError:
        return LedgerError(
            f"{self._shown} answered {method} with something else than a result",
            value=str(value)[:200],
            remedy="check that the endpoint is the RPC port of a node of the Bitcoin family",
        )

    def _refused(self, method: str, fault: RpcFault) -> LedgerError:
        remedy = "the node's software lacks the method" if fault.code == METHOD_NOT_FOUND else "see the node's log"
        return LedgerError(f"{self._shown} refused {method}", value=fault.message, remedy=remedy)


def _excerpt(answer: Answer) -> str:
    return f"HTTP {answer.status}: {answer.body[:80].decode('utf-8', 'replace')}"


def _request(number: int, method: str, params: Sequence[JsonValue]) -> bytes:
    return orjson.dumps({"jsonrpc": "1.0", "id": number, "method": method, "params": list(params)})


def _result(answer: dict[str, JsonValue]) -> JsonValue:
    error = answer.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        raise RpcFault(code if isinstance(code, int) else 0, str(error.get("message", error))[:300])
    return answer.get("result")
