"""What an answer to a send means, whichever family: is it an answer at all, and does it prove that nothing was taken?

A refusal is certain when the node says a reason that its family's table knows, when JSON-RPC says that the method was
not run, and when a status below 500 turned the request away. Everything else (an error in unknown words, an internal
error, any 5xx: of a gateway that passed the request on, perhaps) leaves the transaction open until a block shows it or
the drain ends. Nothing here logs, formats or locks on the way of the usual answer.
"""

from __future__ import annotations

import orjson

from bench.adapters.jsonrpc.channel import Answer
from bench.adapters.jsonrpc.rpc import METHOD_NOT_FOUND
from bench.model.transaction import ErrorClass, Refusal, Reply, Transaction, Unanswered

INTERNAL_ERROR = -32603
_NOT_RUN = frozenset({-32700, -32600, -32602})
"""JSON-RPC 2.0, 5.1: no JSON, no request, wrong parameters. The method was not run."""

_MESSAGE_CHARACTERS = 300
_STATUSES = {401: ErrorClass.UNAUTHORIZED, 403: ErrorClass.UNAUTHORIZED, 429: ErrorClass.RATE_LIMITED}
_GAVE_UP = frozenset({408, 499})
"""Somebody on the way stopped waiting; whoever was behind may have it."""

_READ_KEEPS = frozenset(
    {ErrorClass.UNREACHABLE, ErrorClass.RATE_LIMITED, ErrorClass.UNAUTHORIZED, ErrorClass.METHOD_MISSING}
)


def classify_other(code: int, message: str, certain: frozenset[int] = frozenset()) -> Refusal | Unanswered:
    """The reply that an error stands for whose words a family does not know; `certain` are its codes for a no."""
    shown = message[:_MESSAGE_CHARACTERS]
    if code == METHOD_NOT_FOUND:
        return Refusal(ErrorClass.METHOD_MISSING, shown)
    if code in _NOT_RUN or code in certain:
        return Refusal(ErrorClass.NODE_ERROR, shown)
    return Unanswered(f"error {code} leaves the transaction's fate open: {shown}")


def classify_status(status: int, message: str) -> Refusal | Unanswered:
    """The reply that an HTTP status without a JSON-RPC answer stands for."""
    said = f"HTTP {status} {message[:_MESSAGE_CHARACTERS]}".strip()
    if status >= 500 or status in _GAVE_UP:
        return Unanswered(said)
    return Refusal(_STATUSES.get(status, ErrorClass.NODE_ERROR), said)


def parse(answer: Answer) -> dict[str, object] | list[object] | Refusal | Unanswered:
    """The JSON-RPC answer where there is one, whatever the HTTP status (nodes send errors as 200, 400, 404, 500)."""
    text = answer.body[:200].decode("utf-8", "replace")
    if answer.status in _STATUSES:
        return classify_status(answer.status, text)
    try:
        parsed = orjson.loads(answer.body)
    except ValueError:
        parsed = None
    if isinstance(parsed, list) or (isinstance(parsed, dict) and _is_answer(parsed, answer.status)):
        return parsed
    if answer.status == 200:
        return Unanswered(f"the answer is not JSON-RPC: {text}")
    return classify_status(answer.status, text)


def _is_answer(parsed: dict[str, object], status: int) -> bool:
    """Gateways, too, say "error" in JSON when they fail; a node's error has a code."""
    error = parsed.get("error")
    if status >= 500 and error is not None:
        return isinstance(error, dict) and isinstance(error.get("code"), int)
    return "error" in parsed or "result" in parsed


def without_json(transaction: Transaction, reply: Refusal | Unanswered, status: int) -> Reply:
    """What `parse` found instead of an answer, for a write or a read."""
    return reply if transaction.tx_id or status == 200 else refused_read(reply, reply.message)


def refused_read(reply: Reply, message: str) -> Refusal:
    """A read has no sequence number, fee or pool: what refused it is kept only where it is about the connection."""
    if isinstance(reply, Refusal) and reply.error_class in _READ_KEEPS:
        return reply
    return Refusal(ErrorClass.READ_REFUSED, message)
