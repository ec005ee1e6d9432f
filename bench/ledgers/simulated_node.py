"""The simulated ledger as a process: `python -m bench.ledgers.simulated_node --socket … --options JSON`.

Speaks what `bench.ledgers.sqlite_node` speaks, with these differences: `hello` also tells sequencing and confirmations,
`prepare` takes only the number of accounts and answers their sequences, ["sequence", sender] asks for one of them, and
["missing", ids joined] how many of those transactions it has not executed.
Reads are answered without being understood. A batch with one transaction that stays unanswered is not answered at all.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.ledgers.options import parse_options
from bench.ledgers.simulated_chain import Answer, Pending, SimulatedChain
from bench.ledgers.simulated_options import SimulatedOptions
from bench.ledgers.socket_server import Peer, SocketServer
from bench.model.call import Call, call_id
from bench.model.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from bench.model.errors import BenchError, ExitCode
from bench.model.transaction import ACCEPTED, ID_BYTES, ErrorClass, Refusal
from bench.model.wire import Address, WireError, listen

KIND = "simulated"
logger = logging.getLogger("simulated-node")


class SimulatedService:
    """Gives the pure chain a clock and a socket. See `socket_server.Service`."""

    def __init__(self, options: SimulatedOptions, clock: Clock = monotonic_ns) -> None:
        self._clock = clock
        self._options = options
        self._chain = SimulatedChain(options, clock())
        self._chain_id = os.urandom(16)
        self._frames: dict[int, bytes] = {}
        self._outgoing: list[tuple[int, int, Peer, object]] = []
        self._sent = 0

    def handle(self, peer: Peer, message: Any) -> None:
        """Whatever the script says, when it says so."""
        match message:
            case ["submit", [*payloads]] if all(isinstance(payload, bytes) for payload in payloads):
                self._submit(peer, payloads)
            case ["query", [*payloads]]:
                self._at(self._clock() + round(self._options.accept_delay_ms * NS_PER_MS), peer, [0] * len(payloads))
            case ["transactions"]:
                peer.send(["value", self._chain.transactions])
            case ["missing", bytes(joined)]:
                tx_ids = [joined[start : start + ID_BYTES] for start in range(0, len(joined), ID_BYTES)]
                peer.send(["value", self._chain.missing(tx_ids)])
            case ["sequence", int(sender)]:
                peer.send(["value", self._chain.next_sequence(sender)])
            case ["follow", int() | None as after]:
                peer.follows = self._chain.height + 1 if after is None else after + 1
                peer.send(["following", self._chain.height])
            case ["prepare", int(accounts)]:
                peer.send(self._prepare(accounts))
            case ["hello"]:
                options = self._options
                chain = [self._chain_id, self._chain.height]
                peer.send(["hello", KIND, *chain, [], options.sequencing, options.confirmations])
            case _:
                raise WireError("not a request of this node", value=str(message)[:80])

    def tick(self) -> float | None:
        """Make the blocks and give the answers that are due."""
        now_ns = self._clock()
        for block in self._chain.advance(now_ns):
            self._frames[block.height] = block.frame()
        while self._outgoing and self._outgoing[0][0] <= now_ns:
            _, _, peer, message = heapq.heappop(self._outgoing)
            peer.send(message)
        due = [
            at for at in (self._chain.next_due_ns(), self._outgoing[0][0] if self._outgoing else None) if at is not None
        ]
        return max(0, min(due) - now_ns) / NS_PER_S if due else None

    def block(self, height: int) -> bytes | None:
        """Blocks are kept for as long as the node lives."""
        return self._frames.get(height)

    def _submit(self, peer: Peer, payloads: Sequence[bytes]) -> None:
        now_ns = self._clock()
        answers = [self._one(now_ns, payload) for payload in payloads]
        if any(answer.reply is None for answer in answers):
            return
        replies: list[object] = [
            [int(answer.reply.error_class), answer.reply.message] if isinstance(answer.reply, Refusal) else 0
            for answer in answers
        ]
        self._at(max((answer.due_ns for answer in answers), default=now_ns), peer, replies)

    def _one(self, now_ns: int, payload: bytes) -> Answer:
        try:
            call = Call.unpack(payload)
        except ValueError as error:
            return Answer(Refusal(ErrorClass.INVALID_TRANSACTION, str(error)), now_ns)
        if call.is_read:
            return Answer(ACCEPTED, now_ns)
        return self._chain.submit(now_ns, Pending(call_id(payload), call.sender, call.sequence))

    def _prepare(self, accounts: int) -> list[object]:
        salt = hashlib.sha256(self._chain_id + self._chain.transactions.to_bytes(8, "big")).digest()[:16]
        sequenced = self._options.sequencing == "account"
        sequences = [self._chain.next_sequence(sender) for sender in range(accounts)] if sequenced else []
        return ["prepared", salt, self._chain.transactions, sequences]

    def _at(self, due_ns: int, peer: Peer, message: object) -> None:
        if due_ns <= self._clock():
            peer.send(message)
        else:
            self._sent += 1
            heapq.heappush(self._outgoing, (due_ns, self._sent, peer, message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the exit code."""
    parser = argparse.ArgumentParser(prog="simulated_node", description="Ledger with scripted behaviour")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    parser.add_argument("--options", default="{}", help="the behaviour as JSON; see docs/adapters/simulated.md")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        options = parse_options(KIND, SimulatedOptions, json.loads(given.options))
        listener = listen(Address(path=given.socket))
    except (BenchError, ValueError, OSError) as error:
        logger.error("cannot start: %s", error)
        return ExitCode.LEDGER_FAILED
    server = SocketServer(listener, SimulatedService(options))
    server.stop_on_signals()
    logger.info("serving %s", options.model_dump_json(exclude_defaults=True))
    try:
        server.run()
    finally:
        Path(given.socket).unlink(missing_ok=True)
    return ExitCode.DONE


if __name__ == "__main__":
    raise SystemExit(main())
