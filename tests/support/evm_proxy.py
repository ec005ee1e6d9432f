"""A faulty reverse proxy in front of a real EVM node: it understands JSON-RPC, single and batch, and obeys a script.

A script is a list of `Rule`s; the first that matches a call decides its fault, and without one the call passes through.
The load begins with the first eth_sendRawTransaction that has bytes (a probe sends none): before it no rule matches, so
that preparations stay whole.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bench.model.keccak import keccak256

SEND = "eth_sendRawTransaction"
HTML = b"<html><body><h1>gateway</h1></body></html>"


@dataclass(frozen=True)
class Call:
    """One call under load. `turn` counts a method's calls from 1; of sends, the different transactions, and `again` how
    often the same bytes came before. `at_s` counts from the beginning of the load.
    """

    method: str
    params: list[Any]
    turn: int
    again: int
    at_s: float

    @property
    def tx_id(self) -> str:
        return "0x" + keccak256(bytes.fromhex(self.params[0][2:])).hex()


@dataclass(frozen=True)
class Fault:
    """What happens to a call. `passes`: how often the node gets it, `held_s` later than the client its answer, which is
    then `result`. `late_s`: the node gets it at once, and the client its answer so much later. `result` replaces the
    node's, which it is given (None where the node was not asked). `refusal` is a JSON-RPC error. `omitted` leaves the
    call out of a batch's answer. `before` is a method and parameters that the node is called with first.

    Of the whole HTTP answer: `status` and `body` replace it, `cut` sends these bytes and closes, `silent` says nothing.
    """

    name: str
    passes: int = 1
    held_s: float = 0.0
    late_s: float = 0.0
    result: Callable[[Call, Any], Any] | None = None
    refusal: tuple[int, str] | None = None
    omitted: bool = False
    before: tuple[str, list[Any]] | None = None
    status: str = ""
    body: bytes | None = None
    cut: bytes | None = None
    silent: bool = False


PASS = Fault("pass")


@dataclass(frozen=True)
class Rule:
    """Which calls of a method meet with a fault."""

    method: str
    matches: Callable[[Call], bool]
    fault: Fault


def every(number: int, fault: Fault, *, offset: int = 0, method: str = SEND, again: bool = False) -> Rule:
    """Turns that leave `offset` divided by `number`; of sends only the first time the bytes come, unless `again`."""
    return Rule(method, lambda call: call.turn % number == offset and (again or not call.again), fault)


def between(method: str, start_s: float, end_s: float, fault: Fault) -> Rule:
    """Calls in a span of the load."""
    return Rule(method, lambda call: start_s <= call.at_s < end_s, fault)


def _sends(request: dict[str, Any]) -> bool:
    return request["method"] == SEND and request["params"] != ["0x"]


def own_hash(call: Call, _: Any) -> str:
    """The answer that a node which takes a transaction gives."""
    return call.tx_id


@dataclass
class Proxy:
    """`url` is where it listens; `met` counts faults by name, once for the same bytes; `reached` how often the node got
    each transaction.
    """

    url: str
    upstream: str
    rules: Sequence[Rule]
    met: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    began: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turns: Counter[str] = field(default_factory=Counter)
    _sends: dict[str, list[int]] = field(default_factory=dict)
    _held: list[threading.Timer] = field(default_factory=list)
    _nodes: list[http.client.HTTPConnection] = field(default_factory=list)

    def decide(self, request: dict[str, Any]) -> tuple[Call, Fault]:
        """Count a call and find its fault."""
        method, params = request["method"], request["params"]
        with self._lock:
            if _sends(request):
                self.began = self.began or time.monotonic()
                turn, again = self._sends.setdefault(params[0], [len(self._sends) + 1, -1])
                self._sends[params[0]][1] = again = again + 1
            elif self.began:
                self._turns[method] += 1
                turn, again = self._turns[method], 0
            else:
                return Call(method, params, 0, 0, -1.0), PASS
            call = Call(method, params, turn, again, time.monotonic() - self.began)
            fault = next((rule.fault for rule in self.rules if rule.method == method and rule.matches(call)), PASS)
            self.met[fault.name] += fault is not PASS and not again
            return call, fault

    def ask(self, requests: list[dict[str, Any]]) -> list[Any]:
        """The node's answers, in order."""
        if not requests:
            return []
        with self._lock:
            self.reached.update(request["params"][0] for request in requests if _sends(request))
            node = self._nodes.pop() if self._nodes else _node(self.upstream)
        node.request("POST", "/", json.dumps(requests).encode(), {"Content-Type": "application/json"})
        answers = json.loads(node.getresponse().read())
        with self._lock:
            self._nodes.append(node)
        by_id = {answer["id"]: answer for answer in answers}
        return [by_id[request["id"]] for request in requests]

    def later(self, seconds: float, request: dict[str, Any]) -> None:
        timer = threading.Timer(seconds, self.ask, ([request],))
        self._held.append(timer)
        timer.start()

    def close(self) -> None:
        for timer in self._held:
            timer.join(5)
        for node in self._nodes:
            node.close()


@contextmanager
def evm_proxy(upstream: str, rules: Sequence[Rule] = ()) -> Iterator[Proxy]:
    """A proxy on loopback, a thread per connection; everything it opened is closed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    proxy = Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}", upstream, rules)
    peers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            proxy.connections += 1
            peers.append(peer)
            threads.append(threading.Thread(target=_serve, args=(peer, proxy)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for peer in peers:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the client closed it
        for thread in threads:
            thread.join(5)
        for peer in peers:
            peer.close()
        proxy.close()


def _node(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _serve(peer: socket.socket, proxy: Proxy) -> None:
    stream = peer.makefile("rb")
    try:
        while (body := _read(stream)) is not None:
            if not _answer(peer, body, proxy):
                return
    except OSError:
        return
    finally:
        stream.close()
        try:
            peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # gone already


def _read(stream: Any) -> bytes | None:
    """The body of the next request; None at the end, and for what is no POST (a WebSocket is refused by closing)."""
    if not stream.readline().startswith(b"POST"):
        return None
    size = 0
    while (line := stream.readline().strip().lower()) != b"":
        if line.startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    return bytes(stream.read(size))


def _answer(peer: socket.socket, body: bytes, proxy: Proxy) -> bool:
    """Whether the connection stays open."""
    parsed = json.loads(body)
    requests = parsed if isinstance(parsed, list) else [parsed]
    decided = [proxy.decide(request) for request in requests]
    for _, fault in decided:
        if fault.before is not None:
            method, params = fault.before
            (done,) = proxy.ask([{"jsonrpc": "2.0", "id": 0, "method": method, "params": params}])
            assert "error" not in done, done
    answers = _pass_on(proxy, requests, [fault for _, fault in decided])
    said = [
        _said(request, call, fault, answer)
        for request, (call, fault), answer in zip(requests, decided, answers, strict=True)
        if not fault.omitted
    ]
    faults = [fault for _, fault in decided]
    time.sleep(max(fault.late_s for fault in faults))
    if any(fault.silent for fault in faults):
        return peer.recv(1) == b"never"  # until the client gives up
    for fault in faults:
        if fault.cut is not None:
            peer.sendall(fault.cut)
            return False
    text = json.dumps(said if isinstance(parsed, list) else said[0], separators=(",", ":")).encode()
    text = next((fault.body for fault in faults if fault.body is not None), text)
    status = next((fault.status for fault in faults if fault.status), "200 OK")
    peer.sendall(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(text), text))
    return True


def _pass_on(proxy: Proxy, requests: list[dict[str, Any]], faults: list[Fault]) -> list[Any]:
    """The node's answer to each request, None where it was not asked; of several, the last."""
    answers: dict[int, Any] = {}
    for time_passed in (1, 2):
        chosen = [at for at, fault in enumerate(faults) if fault.passes >= time_passed and not fault.held_s]
        answers.update(zip(chosen, proxy.ask([requests[at] for at in chosen]), strict=True))
    for request, fault in zip(requests, faults, strict=True):
        if fault.held_s:
            proxy.later(fault.held_s, request)
    return [answers.get(at) for at in range(len(requests))]


def _said(request: dict[str, Any], call: Call, fault: Fault, answer: Any) -> dict[str, Any]:
    head = {"jsonrpc": "2.0", "id": request["id"]}
    if fault.refusal is not None:
        return head | {"error": {"code": fault.refusal[0], "message": fault.refusal[1]}}
    if fault.result is not None:
        return head | {"result": fault.result(call, None if answer is None else answer.get("result"))}
    return answer or head
