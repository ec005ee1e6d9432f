"""Adapter of the journal: `tcp://HOST:PORT`, one JSON value per line."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.api import (
    ACCEPTED,
    Account,
    Block,
    CommitEvent,
    Endpoint,
    ErrorClass,
    Finality,
    Fixture,
    LedgerError,
    Operation,
    Refusal,
    Reply,
    Sequencing,
    Setup,
    Transaction,
    Unanswered,
)


class JournalAdapter:
    """Carries any workload's writes: the journal records what was asked and executes nothing."""

    finality = Finality("fsync")
    sequencing = Sequencing.NONE
    capabilities = frozenset({"batch"})

    def __init__(self) -> None:
        self._endpoint: Endpoint | None = None
        self._idle: deque[Line] = deque()
        self._salt = ""
        self._counts: dict[int, int] = defaultdict(int)

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        self._endpoint = endpoint
        try:
            name, _ = self._ask(["head"])
        except OSError as error:
            raise LedgerError(f"no journal answers: {error}", value=endpoint.url, remedy="start it first") from error
        if fixture is not None:
            if fixture.data["journal"] != name:
                raise LedgerError("the fixture was made on another journal", value=name, remedy="prepare again")
            self._salt = str(fixture.data["salt"])

    def prepare(self, setup: Setup) -> Fixture:
        # Nothing to deploy or fund. The salt makes this preparation's transactions differ from an earlier one's.
        name, height = self._ask(["head"])
        self._salt = f"{setup.seed}/{height}"
        return Fixture(accounts=setup.accounts, data={"journal": name, "salt": self._salt})

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        self._counts[sender] += 1
        arguments = {
            name: value.index if isinstance(value, Account) else value for name, value in operation.arguments.items()
        }
        entry = json.dumps([self._salt, sender, self._counts[sender], operation.name, arguments]).encode()
        return Transaction(tx_id=hashlib.sha256(entry).digest(), payload=entry)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        if not batch:
            return []
        try:
            answers = self._ask(["append", [transaction.payload.decode() for transaction in batch]])
        except ConnectionRefusedError as error:  # nothing was sent: the ledger said no
            return [Refusal(ErrorClass.UNREACHABLE, str(error))] * len(batch)
        except (OSError, LedgerError) as error:  # it may have been sent: nobody knows until a block tells
            return [Unanswered(str(error))] * len(batch)
        return [Refusal(ErrorClass.INVALID_TRANSACTION, answer) if answer else ACCEPTED for answer in answers]

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        line = Line(self._opened())
        try:
            height = first = line.ask(["head"])[1] if after is None else after
            while True:
                blocks = line.ask(["after", height])  # waits at most 0.25 s, so that we yield twice a second
                observed_at_ns = time.monotonic_ns()
                for ids in blocks:
                    height += 1
                    tx_ids = [bytes.fromhex(tx_id) for tx_id in ids]
                    block_id = hashlib.sha256(height.to_bytes(8, "big") + b"".join(tx_ids)).digest()
                    yield Block(height - first - 1, height, block_id, observed_at_ns, tx_ids, bytes(len(ids)))
                if not blocks:
                    yield None
        finally:
            line.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _ask(self, request: object) -> Any:
        """Over a connection of our own while it lasts: many greenlets submit at once."""
        try:
            line = self._idle.pop()
        except IndexError:
            line = Line(self._opened())
        try:
            answer = line.ask(request)
        except BaseException:
            line.close()
            raise
        self._idle.append(line)
        return answer

    def _opened(self) -> Endpoint:
        if self._endpoint is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        return self._endpoint


class Line:
    """One connection that asks and answers in turn."""

    def __init__(self, endpoint: Endpoint) -> None:
        url = urlsplit(endpoint.url)
        self._socket = socket.create_connection((url.hostname, url.port), endpoint.timeout_s)
        self._answers = self._socket.makefile("rb")

    def ask(self, request: object) -> Any:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self._answers.readline()
        if not answer:
            raise LedgerError("the journal closed the connection")
        return json.loads(answer)

    def close(self) -> None:
        self._answers.close()
        self._socket.close()
