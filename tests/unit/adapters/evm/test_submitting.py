import json
from collections.abc import Sequence

import orjson
import pytest

from bench.adapters.evm.encoding import request_id, send_request
from bench.adapters.evm.submitting import submit
from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError
from bench.model.keccak import keccak256
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Transaction, Unanswered

SENT = [send_request(bytes([number]) * 40, keccak256) for number in range(3)]
READ = Transaction(b"", b'{"jsonrpc":"2.0","id":77,"method":"eth_getBalance","params":["0x0","latest"]}')


class Fake:
    """Answers with a status and a body, or raises."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []

    def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
        self.bodies.append(body)
        self.ids = list(ids)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None: ...


def item(transaction: Transaction, **fields: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id(transaction.payload), **fields}


def good(transaction: Transaction) -> dict[str, object]:
    return item(transaction, result="0x" + transaction.tx_id.hex())


def bad(transaction: Transaction, message: str, code: int = -32000) -> dict[str, object]:
    return item(transaction, error={"code": code, "message": message})


def answered(body: object, status: int = 200, batch: Sequence[Transaction] = (SENT[0],)):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return submit(Fake(Answer(status, text)), batch)


def test_the_request_is_json_with_the_id_of_the_hash():
    request = orjson.loads(SENT[0].payload)
    assert request["params"] == ["0x" + "00" * 40]
    assert request["id"] == int(SENT[0].tx_id[-6:].hex(), 16) == request_id(SENT[0].payload)


def test_a_single_transaction_is_an_object_and_a_batch_an_array():
    fake = Fake(Answer(200, orjson.dumps(good(SENT[0]))))
    assert submit(fake, SENT[:1]) == [ACCEPTED]
    assert fake.bodies == [SENT[0].payload]
    fake = Fake(Answer(200, orjson.dumps([good(each) for each in SENT])))
    assert submit(fake, SENT) == [ACCEPTED] * 3
    assert orjson.loads(fake.bodies[0]) == [orjson.loads(each.payload) for each in SENT]
    assert fake.ids == [request_id(each.payload) for each in SENT]
    assert submit(fake, []) == []


def test_single_answers():
    low = Refusal(ErrorClass.SEQUENCE_TOO_LOW, "nonce too low")
    assert answered(bad(SENT[0], "nonce too low")) == [low]
    assert answered(bad(SENT[0], "nonce too low"), status=400) == [low]
    assert answered(bad(SENT[0], "already known")) == [ACCEPTED]
    assert answered(item(SENT[0], result="0xother")) == [ACCEPTED]
    assert answered(bad(SENT[0], "no such method", -32601))[0].error_class is ErrorClass.METHOD_MISSING


def test_an_error_without_message_shows_its_data():
    error = item(SENT[0], error={"code": 1, "data": "txpool is full"})
    assert answered(error) == [Refusal(ErrorClass.POOL_FULL, "txpool is full")]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[]", b"7", b"null", b'{"id":1}', b'{"id":1,"result":null}'])
def test_what_is_no_answer_leaves_the_transaction_open(body):
    assert isinstance(answered(body)[0], Unanswered)
    assert all(isinstance(reply, Unanswered) for reply in answered(body, batch=SENT))


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (429, ErrorClass.RATE_LIMITED),
        (401, ErrorClass.UNAUTHORIZED),
        (403, ErrorClass.UNAUTHORIZED),
        (404, ErrorClass.NODE_ERROR),
        (413, ErrorClass.NODE_ERROR),
    ],
)
def test_statuses_refuse_the_whole_batch(status, error_class):
    assert [reply.error_class for reply in answered(b"no", status, SENT)] == [error_class] * 3


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504, 520])
def test_a_gateway_that_may_have_passed_it_on_leaves_it_open(status):
    assert answered(b"Bad Gateway", status, SENT) == [Unanswered(f"HTTP {status} Bad Gateway")] * 3


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"upstream timed out, could not decode response"}',
        b'{"error":{"message":"authentication service unavailable"}}',
    ],
)
def test_a_gateways_json_is_no_answer_of_the_node(body):
    assert all(isinstance(reply, Unanswered) for reply in answered(body, 504, SENT))
    assert answered(body, 504, SENT[:1])[0].message.startswith("HTTP 504")


def test_an_error_in_unknown_words_leaves_it_open():
    assert isinstance(answered(bad(SENT[0], "internal error", -32603), status=500)[0], Unanswered)


def test_transport_failures():
    assert submit(Fake(NotSentError("down")), SENT) == [Refusal(ErrorClass.UNREACHABLE, "down")] * 3
    assert submit(Fake(LostError("gone")), SENT) == [Unanswered("gone")] * 3
    assert submit(Fake(NotSentError("down")), SENT[:1]) == [Refusal(ErrorClass.UNREACHABLE, "down")]
    assert submit(Fake(LostError("gone")), SENT[:1]) == [Unanswered("gone")]


def test_batch_answers_are_matched_by_id_whatever_their_order():
    body = [bad(SENT[2], "txpool is full"), good(SENT[0]), bad(SENT[1], "nonce too high")]
    assert answered(body, batch=SENT) == [
        ACCEPTED,
        Refusal(ErrorClass.SEQUENCE_GAP, "nonce too high"),
        Refusal(ErrorClass.POOL_FULL, "txpool is full"),
    ]


def test_a_partial_batch_leaves_the_rest_open():
    replies = answered([good(SENT[1])], batch=SENT)
    assert replies[1] == ACCEPTED
    assert isinstance(replies[0], Unanswered)
    assert isinstance(replies[2], Unanswered)


def test_one_error_for_the_whole_batch():
    refused = [Refusal(ErrorClass.NODE_ERROR, "batch too large")] * 3
    error = {"code": -32600, "message": "batch too large"}
    assert answered({"jsonrpc": "2.0", "id": None, "error": error}, batch=SENT) == refused
    assert answered([{"jsonrpc": "2.0", "id": request_id(SENT[0].payload), "error": error}], batch=SENT) == refused


def test_one_result_for_a_batch_says_nothing():
    assert all(isinstance(reply, Unanswered) for reply in answered(good(SENT[0]), batch=SENT))


def test_the_same_transaction_twice_in_a_batch():
    assert answered([good(SENT[0]), bad(SENT[0], "already known")], batch=[SENT[0], SENT[0]]) == [ACCEPTED] * 2


def test_reads():
    assert answered(item(READ, result="0x0"), batch=[READ]) == [ACCEPTED]
    assert answered(item(READ, result=None), batch=[READ]) == [ACCEPTED]
    refused = answered(bad(READ, "execution reverted"), batch=[READ])
    assert refused == [Refusal(ErrorClass.READ_REFUSED, "execution reverted")]
    assert answered(bad(READ, "already known"), batch=[READ]) == [Refusal(ErrorClass.READ_REFUSED, "already known")]
    assert answered(b"no", 429, [READ])[0].error_class is ErrorClass.RATE_LIMITED
    assert answered(b"no", 500, [READ])[0].error_class is ErrorClass.READ_REFUSED
    assert answered([good(SENT[0]), item(READ, result="0x0")], batch=[READ, SENT[0]]) == [ACCEPTED, ACCEPTED]
