"""The hot path: one exchange per call of `submit`, spread over the nodes, and what its answer says of each transaction.

The usual answer to a single transaction is recognised without parsing JSON. Nothing here logs, formats or locks before
the bytes are out. A node that cannot be connected to, or that
breaks a connection off, is passed over for `_DOWN_S` and the next one is asked: sending the same bytes twice is safe
here, because whoever has them says so and they are executed once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count

import orjson

from bench.adapters.cometbft.encoding import request_id
from bench.adapters.cometbft.rpc import Peer, RpcFault, result_of
from bench.adapters.cometbft.statuses import classify_check, classify_fault, classify_status
from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction, Unanswered

_DOWN_S = 1.0
_UNKNOWN_FATE = frozenset({502, 504})
_READ_KEEPS = frozenset(
    {ErrorClass.UNREACHABLE, ErrorClass.RATE_LIMITED, ErrorClass.UNAUTHORIZED, ErrorClass.METHOD_MISSING}
)


class Submitter:
    """Any number of greenlets or threads. `batch_limit` is how many requests a node takes in one exchange."""

    def __init__(self, peers: Sequence[Peer], batch_limit: int) -> None:
        self._peers = peers
        self._batch_limit = batch_limit
        self._turn = count()
        self._down_until_s = [0.0] * len(peers)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One reply per transaction, in order; never raises for what a node or network does."""
        if len(batch) == 1:
            return [self._submit_one(batch[0])]
        replies: list[Reply] = []
        for start in range(0, len(batch), self._batch_limit):
            replies += self._submit_many(batch[start : start + self._batch_limit])
        return replies

    def _submit_one(self, transaction: Transaction) -> Reply:
        payload = transaction.payload
        answer = self._exchange(payload, (request_id(payload),))
        if isinstance(answer, Refusal | Unanswered):
            return answer
        tx_id = transaction.tx_id
        if tx_id and answer.status == 200 and b'"result":{"code":0,' in answer.body:
            shown = b'"hash":"' + tx_id.hex().upper().encode() + b'"'
            if shown in answer.body:
                return ACCEPTED
        item = _parse(answer)
        if isinstance(item, dict):
            return _interpret(item, transaction)
        return _for_kind(transaction, Unanswered("the answer is a batch") if isinstance(item, list) else item)

    def _submit_many(self, batch: Sequence[Transaction]) -> list[Reply]:
        """Answers may be fewer than asked for, or be one error for the whole batch."""
        payloads = [transaction.payload for transaction in batch]
        ids = [request_id(payload) for payload in payloads]
        answer = self._exchange(b"[" + b",".join(payloads) + b"]", ids)
        if isinstance(answer, Refusal | Unanswered):
            return [answer] * len(batch)
        parsed = _parse(answer)
        if isinstance(parsed, Refusal | Unanswered):
            return [_for_kind(transaction, parsed) for transaction in batch]
        items = parsed if isinstance(parsed, list) else [parsed]
        by_id = {item.get("id"): item for item in items if isinstance(item, dict)}
        if len(items) == 1 and isinstance(items[0], dict) and items[0].get("error") and "id" not in items[0]:
            return [_interpret(items[0], transaction) for transaction in batch]
        missing: Reply = Unanswered("the batch's answer leaves this transaction out")
        return [
            missing if (item := by_id.get(number)) is None else _interpret(item, transaction)
            for number, transaction in zip(ids, batch, strict=True)
        ]

    def _exchange(self, body: bytes, ids: Sequence[int]) -> Answer | Refusal | Unanswered:
        first, size, down, now_s = next(self._turn), len(self._peers), self._down_until_s, time.monotonic()
        failure, lost = "", ""
        for number in sorted(((first + step) % size for step in range(size)), key=lambda each: down[each] > now_s):
            try:
                return self._peers[number].channel.exchange(body, ids)
            except NotSentError as error:
                down[number] = now_s + _DOWN_S
                failure = str(error)
            except LostError as error:
                if isinstance(error.__cause__, TimeoutError):
                    return Unanswered(str(error))  # the caller has waited long enough
                down[number] = now_s + _DOWN_S
                lost = str(error)
        return Unanswered(lost) if lost else Refusal(ErrorClass.UNREACHABLE, failure)


def _interpret(item: dict[str, object], transaction: Transaction) -> Reply:
    try:
        result = result_of(item)  # type: ignore[arg-type]  # as JSON has it
    except RpcFault as fault:
        return _for_kind(transaction, classify_fault(fault))
    if isinstance(result, dict) and transaction.tx_id and isinstance(code := result.get("code"), int):
        return classify_check(code, str(result.get("codespace", "")), str(result.get("log", "")))
    response = result.get("response") if isinstance(result, dict) else None
    if isinstance(response, dict) and not transaction.tx_id:
        if response.get("code") == 0:
            return ACCEPTED
        return Refusal(ErrorClass.READ_REFUSED, str(response.get("log") or response.get("code")))
    return Unanswered("the answer has neither result nor error")


def _for_kind(transaction: Transaction, reply: Reply) -> Reply:
    """A read is in no mempool: what refused it is kept only where it is about the connection."""
    if transaction.tx_id or not isinstance(reply, Refusal) or reply.error_class in _READ_KEEPS:
        return reply
    return Refusal(ErrorClass.READ_REFUSED, reply.message)


def _parse(answer: Answer) -> dict[str, object] | list[object] | Refusal | Unanswered:
    """The JSON-RPC answer where there is one, whatever the HTTP status."""
    text = answer.body[:200].decode("utf-8", "replace")
    if answer.status in (401, 403, 429):
        return classify_status(answer.status, text)
    try:
        parsed = orjson.loads(answer.body)
    except ValueError:
        parsed = None
    if isinstance(parsed, list) or (isinstance(parsed, dict) and ("error" in parsed or "result" in parsed)):
        return parsed
    if answer.status in _UNKNOWN_FATE:
        return Unanswered(f"HTTP {answer.status} from a gateway")
    if answer.status == 200:
        return Unanswered(f"the answer is not JSON-RPC: {text}")
    return classify_status(answer.status, text)
