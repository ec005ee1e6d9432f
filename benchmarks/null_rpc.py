"""A JSON-RPC endpoint that accepts every transaction and keeps none: the far end when the client is what is measured.

    .venv/bin/python -m benchmarks.null_rpc [--port 0]

Prints its URL, serves until standard input closes, then prints the CPU seconds it used. Transactions are answered
without parsing; setup calls get constants, so that an adapter can open and prepare on it. No block is ever made.
"""

from __future__ import annotations

import argparse
import re
import select
import socket
import sys
import time

import orjson

RESULT = "0x" + "ab" * 32
"""What every transaction is answered with; a benchmark that wants the fast path gives its transactions this id."""

_ID = re.compile(rb'"id":(\d+)')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_BLOCK = {
    "number": "0x1",
    "hash": "0x" + "01" * 32,
    "parentHash": "0x" + "00" * 32,
    "baseFeePerGas": "0x3b9aca00",
    "gasLimit": "0x1c9c380",
    "transactions": [],
}
_ANSWERS: dict[str, object] = {
    "eth_chainId": "0x7a69",
    "eth_blockNumber": "0x1",
    "eth_getBlockByNumber": _BLOCK,
    "eth_getBlockByHash": _BLOCK,
    "eth_getBalance": hex(10**30),
    "eth_getTransactionCount": "0x0",
    "eth_gasPrice": "0x3b9aca00",
    "eth_maxPriorityFeePerGas": "0x3b9aca00",
    "eth_estimateGas": "0x5208",
    "web3_clientVersion": "null/1",
}


def _answer(body: bytes) -> bytes:
    if b"eth_sendRawTransaction" not in body:
        request = orjson.loads(body)
        return orjson.dumps([_constant(item) for item in request] if isinstance(request, list) else _constant(request))
    answers = [b'{"jsonrpc":"2.0","id":%b,"result":"%b"}' % (number, RESULT.encode()) for number in _ID.findall(body)]
    return b"[" + b",".join(answers) + b"]" if body[:1] == b"[" else answers[0]


def _constant(request: dict[str, object]) -> dict[str, object]:
    method = str(request["method"])
    if method in _ANSWERS:
        return {"jsonrpc": "2.0", "id": request["id"], "result": _ANSWERS[method]}
    error = {"code": -32601, "message": f"method not found: {method}"}
    return {"jsonrpc": "2.0", "id": request["id"], "error": error}


def serve(port: int) -> float:
    """Until standard input closes; returns the CPU seconds used since the first request."""
    listener = socket.create_server(("127.0.0.1", port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    poll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
    peers: dict[int, socket.socket] = {}
    rests: dict[int, bytes] = {}
    started = 0.0
    while True:
        for number, _ in poll.poll():
            if number == sys.stdin.fileno():
                return time.process_time() - started
            if number == listener.fileno():
                started = started or time.process_time()
                peer = listener.accept()[0]
                peers[peer.fileno()] = peer
                poll.register(peer.fileno(), select.EPOLLIN)
            elif data := peers[number].recv(1 << 20):
                rests[number] = _answer_all(peers[number], rests.pop(number, b"") + data)
            else:
                poll.unregister(number)
                peers.pop(number).close()


def _answer_all(peer: socket.socket, data: bytes) -> bytes:
    """Answer every request that is whole; return what is left."""
    while (end := data.find(b"\r\n\r\n")) >= 0:
        found = _LENGTH.search(data, 0, end)
        size = int(found[1]) if found else 0
        if len(data) < end + 4 + size:
            break
        if not size:  # a WebSocket handshake, say
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            data = data[end + 4 :]
            continue
        body = _answer(data[end + 4 : end + 4 + size])
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        peer.sendall(head % len(body) + body)
        data = data[end + 4 + size :]
    return data


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    print(f"{serve(parser.parse_args().port):.3f}", flush=True)
