from __future__ import annotations

import json
import os
import re
import select
import socket
from collections.abc import Iterator

import pytest
from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from bench.ledgers.null_evm_chain import KEPT_BLOCKS, NullEvmChain
from bench.ledgers.null_evm_node import Peer, frame, take_frame

RAW = "02f8" + "5c" * 110


def ask(chain: NullEvmChain, method: str, *params: object) -> object:
    answer = json.loads(chain.answer(json.dumps({"id": 7, "method": method, "params": params}).encode()))
    assert answer["id"] == 7
    return answer["result"]


def send(raw: str, number: int) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{number},"method":"eth_sendRawTransaction","params":["0x{raw}"]}}'.encode()


def true_hash(raw: str) -> str:
    return "0x" + keccak.new(digest_bits=256, data=bytes.fromhex(raw)).hexdigest()


def test_a_transaction_is_answered_with_its_own_hash() -> None:
    chain = NullEvmChain()
    assert json.loads(chain.answer(send(RAW, 11))) == {"jsonrpc": "2.0", "id": 11, "result": true_hash(RAW)}
    assert ask(chain, "eth_sendRawTransaction", "0x" + RAW) == true_hash(RAW), "however the request is written"


def test_a_batch_is_answered_in_its_order() -> None:
    raws = [f"{k:02x}" * 100 for k in range(5)]
    body = b"[" + b",".join(send(raw, 100 + k) for k, raw in enumerate(raws)) + b"]"
    answers = json.loads(NullEvmChain().answer(body))
    assert [(one["id"], one["result"]) for one in answers] == [(100 + k, true_hash(raw)) for k, raw in enumerate(raws)]


def test_a_mixed_batch_is_understood() -> None:
    chain = NullEvmChain()
    body = b"[" + send(RAW, 1) + b',{"jsonrpc":"2.0","id":2,"method":"eth_chainId","params":[]}]'
    assert [one["result"] for one in json.loads(chain.answer(body))] == [true_hash(RAW), hex(31337)]


def test_what_was_sent_is_in_the_next_block_once_and_valid() -> None:
    chain = NullEvmChain()
    raws = [f"{k:02x}" * 100 for k in range(3)]
    for raw in [*raws, raws[0]]:
        chain.answer(send(raw, 1))
    genesis = ask(chain, "eth_getBlockByNumber", "latest", False)
    assert isinstance(genesis, dict)
    made = chain.make_block(1_700_000_000_000)
    assert chain.pending == 0
    block = ask(chain, "eth_getBlockByHash", made.block_id, False)
    assert isinstance(block, dict)
    assert block["transactions"] == [true_hash(raw) for raw in raws]
    assert (block["number"], block["parentHash"]) == ("0x1", genesis["hash"])
    assert block == ask(chain, "eth_getBlockByNumber", "0x1", False)
    assert ask(chain, "eth_blockNumber") == "0x1"
    receipts = ask(chain, "eth_getBlockReceipts", made.block_id)
    assert isinstance(receipts, list)
    assert [one["transactionHash"] for one in receipts] == block["transactions"]
    assert {(one["status"], one["blockHash"], one["gasUsed"]) for one in receipts} == {("0x1", made.block_id, "0x5208")}
    assert chain.make_block(1_700_000_000_250).tx_ids == ()


def test_only_recent_blocks_are_kept() -> None:
    chain = NullEvmChain()
    first = chain.make_block(0)
    for k in range(KEPT_BLOCKS):
        last = chain.make_block(k)
    assert ask(chain, "eth_getBlockByHash", first.block_id, False) is None
    assert ask(chain, "eth_getBlockByNumber", "0x1", False) is None
    assert ask(chain, "eth_getBlockByNumber", hex(last.height), False) is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"id":1,"method":"eth_unheardOf","params":[]}', -32601),
        (b'{"id":1,"method":"eth_getBlockByNumber","params":[]}', -32602),
        (b'{"id":1,"method":"eth_sendRawTransaction","params":["0xzz"]}', -32602),
        (b'{"id":1}', -32601),
    ],
)
def test_what_it_does_not_know_is_an_error_object(body: bytes, code: int) -> None:
    assert json.loads(NullEvmChain().answer(body))["error"]["code"] == code


@pytest.mark.parametrize("body", [b"", b"GET", b"[1]", b'"text"'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what it says is for nobody
        NullEvmChain().answer(body)


def masked(payload: bytes, mask: bytes) -> bytes:
    plain = frame(payload)
    head = plain[: len(plain) - len(payload)]
    return bytes([head[0], head[1] | 0x80]) + head[2:] + mask + bytes(b ^ mask[k % 4] for k, b in enumerate(payload))


@given(size=st.sampled_from([0, 1, 3, 4, 125, 126, 127, 65_535, 65_536]), mask=st.binary(min_size=4, max_size=4))
def test_frames_of_every_size_and_mask(size: int, mask: bytes) -> None:
    payload = os.urandom(size)
    data = masked(payload, mask)
    assert take_frame(data + b"more") == (1, payload, len(data))
    assert take_frame(frame(payload)) == (1, payload, len(frame(payload)))
    assert take_frame(data[:-1]) is None
    assert take_frame(data[:1]) is None


@pytest.fixture
def node() -> Iterator[tuple[socket.socket, Peer, NullEvmChain]]:
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    peer = Peer(listener.accept()[0])
    listener.close()
    yield client, peer, NullEvmChain()
    client.close()
    peer.socket.close()


def served(node: tuple[socket.socket, Peer, NullEvmChain], data: bytes) -> None:
    client, peer, chain = node
    client.sendall(data)
    select.select([peer.socket], [], [], 5)
    peer.receive(chain)


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_requests_in_pieces_and_several_at_once(node: tuple[socket.socket, Peer, NullEvmChain]) -> None:
    client = node[0]
    data = post(send(RAW, 1)) + post(send(RAW, 2)) + post(send(RAW, 3))[:30]
    for start in range(0, len(data), 100):
        served(node, data[start : start + 100])
    served(node, post(send(RAW, 3))[30:])
    client.settimeout(5)
    answers = b""
    while answers.count(b"HTTP/1.1 200 OK") < 3 or not answers.endswith(b"}"):
        answers += client.recv(65_536)
    assert re.findall(rb'"id":(\d)', answers) == [b"1", b"2", b"3"]


def test_an_answer_the_kernel_does_not_take_at_once_waits(node: tuple[socket.socket, Peer, NullEvmChain]) -> None:
    client, peer, chain = node
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
    for k in range(20_000):
        chain.answer(send(f"{k:08x}", 1))
    block = chain.make_block(0)
    request = json.dumps({"id": 1, "method": "eth_getBlockByHash", "params": [block.block_id, False]}).encode()
    served(node, post(request))
    assert peer.waits
    received = bytearray()
    while peer.waits or select.select([client], [], [], 0.2)[0]:
        readable, writable, _ = select.select([client], [peer.socket] if peer.waits else [], [], 5)
        if readable:
            received += client.recv(1 << 20)
        if writable:
            peer.flush()
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert int(re.findall(rb"content-length: (\d+)", head)[0]) == len(body)
    assert len(json.loads(body)["result"]["transactions"]) == 20_000
