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

from bench.adapters.cometbft.encoding import request_id
from bench.adapters.cometbft.rpc import DIALECT, Peer
from bench.adapters.cometbft.statuses import classify_check, classify_fault
from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError
from bench.adapters.jsonrpc.replies import parse, refused_read, without_json
from bench.adapters.jsonrpc.rpc import RpcFault
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction, Unanswered

_DOWN_S = 1.0


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
        item = parse(answer)
        if isinstance(item, dict):
            return _interpret(item, transaction)
        reply = Unanswered("the answer is a batch") if isinstance(item, list) else item
        return without_json(transaction, reply, answer.status)

    def _submit_many(self, batch: Sequence[Transaction]) -> list[Reply]:
        """Answers may be fewer than asked for, or be one error for the whole batch."""
        payloads = [transaction.payload for transaction in batch]
        ids = [request_id(payload) for payload in payloads]
        answer = self._exchange(b"[" + b",".join(payloads) + b"]", ids)
        if isinstance(answer, Refusal | Unanswered):
            return [answer] * len(batch)
        parsed = parse(answer)
        if isinstance(parsed, Refusal | Unanswered):
            return [without_json(transaction, parsed, answer.status) for transaction in batch]
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
        result = DIALECT.result(item)  # type: ignore[arg-type]  # as JSON has it
    except RpcFault as fault:
        reply = classify_fault(fault)
        return reply if transaction.tx_id else refused_read(reply, fault.message)
    if isinstance(result, dict) and transaction.tx_id and isinstance(code := result.get("code"), int):
        return classify_check(code, str(result.get("codespace", "")), str(result.get("log", "")))
    response = result.get("response") if isinstance(result, dict) else None
    if isinstance(response, dict) and not transaction.tx_id:
        if response.get("code") == 0:
            return ACCEPTED
        return Refusal(ErrorClass.READ_REFUSED, str(response.get("log") or response.get("code")))
    return Unanswered("the answer has neither result nor error")
