"""What the SQL baselines share: the hash chain over their ledger tables, and loading a workload's procedures.

A block's hash covers height, time, count, the previous hash, the note's hash, and every transaction's id and result.
Which database holds the rows, and when they are durable, is the business of `sqlite_chain` and `postgres_chain`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from bench.model.call import call_id
from bench.model.errors import ConfigurationError, IntegrityError

_BLOCK_HEAD = struct.Struct(">QQI")


@dataclass(frozen=True, slots=True)
class Head:
    """The last block, and how many transactions the chain holds."""

    height: int
    block_hash: bytes
    transactions: int


EMPTY = Head(-1, bytes(32), 0)
"""Before the genesis block."""


class Rows(Protocol):
    """A cursor over transactions (number, tx_id, error_class, payload) in order of number."""

    def fetchmany(self, size: int, /) -> list[Any]:
        """The next rows."""

    def fetchone(self) -> Any:
        """The next row, None at the end."""


def block_hash_of(height: int, previous: bytes, time_ns: int, rows: Sequence[Sequence[Any]], note: str) -> bytes:
    """sha256 over head, note, and each transaction's recomputed id and result; rows are (tx_id, error_class, payload).

    Raises IntegrityError when an id is not that of its payload.
    """
    digest = hashlib.sha256(_BLOCK_HEAD.pack(height, time_ns, len(rows)) + previous)
    digest.update(hashlib.sha256(note.encode()).digest())
    for tx_id, error_class, payload in rows:
        if call_id(payload) != tx_id:
            raise broken(f"a transaction of block {height}")
        digest.update(tx_id)
        digest.update(bytes((error_class,)))
    return digest.digest()


def verified_head(blocks: Iterable[Sequence[Any]], transactions: Rows) -> Head:
    """Recompute every hash from stored bytes; the head it ends in. `blocks` are (height, previous, block_hash, time_ns,
    first number, count, note) in order of height. Raises IntegrityError at the first fault.
    """
    head = EMPTY
    for height, previous, block_hash, time_ns, first, count, note in blocks:
        rows = transactions.fetchmany(count) if count else []
        linked = (height, previous, first) == (head.height + 1, head.block_hash, head.transactions)
        complete = [row[0] for row in rows] == list(range(first, first + count))
        entries = [row[1:] for row in rows]
        if not (linked and complete) or block_hash != block_hash_of(height, previous, time_ns, entries, note):
            raise broken(f"block {height}")
        head = Head(height, block_hash, first + count)
    if transactions.fetchone() is not None:
        raise broken("transactions after the last block")
    return head


def broken(where: str) -> IntegrityError:
    """The fault at `where`."""
    return IntegrityError("the chain is broken", value=where, remedy="restore a copy of the database, or start anew")


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a chain is prepared for; it is the note of the block that `prepare` appends."""

    workload: str
    directory: str
    parameters: Mapping[str, Any]
    accounts: int

    def note(self) -> str:
        """As it stands in the chain."""
        wanted = {"workload": self.workload, "directory": self.directory, "parameters": dict(self.parameters)}
        return json.dumps({**wanted, "accounts": self.accounts}, sort_keys=True)

    @classmethod
    def of_note(cls, note: str) -> Preparation:
        """From the chain."""
        return cls(**json.loads(note))

    def done_by(self, present: Preparation | None) -> bool:
        """Whether `present` covers it. ConfigurationError when the chain was prepared for something else."""
        if present is None:
            return False
        mine = (self.workload, self.directory, dict(self.parameters))
        if (present.workload, present.directory, dict(present.parameters)) != mine:
            raise ConfigurationError(
                "this ledger is prepared for something else", value=present.note(), remedy="start a fresh one"
            )
        return present.accounts >= self.accounts


def load_procedures(directory: Path) -> ModuleType:
    """`procedures.py` of a workload's `sql/` directory, which need not be importable under a name."""
    path = directory / "procedures.py"
    spec = importlib.util.spec_from_file_location(f"bench_procedures_{directory.parent.name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigurationError("workload has no SQL procedures", value=str(path), remedy="choose another workload")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing = [name for name in ("setup", "WRITES", "READS") if not hasattr(module, name)]
    if missing:
        raise ConfigurationError(f"{path} lacks {', '.join(missing)}", remedy="see docs/adapters/sqlite.md")
    return module


def schema_of(directory: Path) -> Iterator[str]:
    """Single statements of `schema.sql`, because a script run as one would commit the transaction it belongs to."""
    pending = ""
    for piece in re.split("(?<=;)", (directory / "schema.sql").read_text(encoding="utf-8")):
        pending += piece
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending
