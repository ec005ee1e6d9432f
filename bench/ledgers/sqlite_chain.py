"""The embedded baseline's store: business state and a hash-chained ledger in one SQLite file.

A group of submissions is one SQL transaction, one block and one fsync: effects and their ledger rows become durable
together or not at all. Journal: WAL, because a commit then appends to one file and waits for one fsync, where a
rollback journal waits for three; `synchronous=FULL`, because WAL under NORMAL may lose acknowledged commits. Reads see
committed state. The chain covers every transaction's bytes and result; business tables follow by re-execution.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.ledgers.chain_block import ChainBlock
from bench.ledgers.sql_chain import EMPTY, Head, Preparation, block_hash_of, load_procedures, schema_of, verified_head
from bench.model.call import Call, call_id
from bench.model.errors import IntegrityError
from bench.model.procedure import Procedure, Refused
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger_blocks (
    height INTEGER PRIMARY KEY,
    previous BLOB NOT NULL,
    block_hash BLOB NOT NULL,
    time_ns INTEGER NOT NULL,
    first_number INTEGER NOT NULL,
    transactions INTEGER NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ledger_transactions (
    number INTEGER PRIMARY KEY,
    tx_id BLOB NOT NULL,
    error_class INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS ledger_transactions_by_id ON ledger_transactions (tx_id);
"""
_REFUSED = int(ErrorClass.BUSINESS_REFUSAL)
_BAD_CALL = (ValueError, TypeError, KeyError, OverflowError, sqlite3.IntegrityError, sqlite3.ProgrammingError)


class SqliteDatabase:
    """What procedures see (`bench.model.procedure.Database`)."""

    __slots__ = ("_cursor",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._cursor = connection.cursor()

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; all of its rows."""
        return self._cursor.execute(sql, parameters or {}).fetchall()


class SqliteChain:
    """Owns the file; one thread. After a `sqlite3.Error` out of `commit` a restart must find out what is durable."""

    database_errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        """Open or create. Raises IntegrityError when the chain in the file does not verify."""
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        try:
            self.settings = _make_durable(self._connection)
            self._connection.executescript(SCHEMA)
            self.database = SqliteDatabase(self._connection)
            self._writes: Mapping[str, Procedure] = {}
            self._reads: Mapping[str, Procedure] = {}
            if self._connection.execute("SELECT count(*) FROM ledger_blocks").fetchone() == (0,):
                self._genesis()
            self.head = self.verify_chain()
            self._restore_procedures()
        except BaseException:
            self._connection.close()
            raise

    def prepare(self, workload: str, directory: Path, parameters: Mapping[str, Any], accounts: int) -> bool:
        """Load the workload's tables and procedures and the state it starts from, recorded as a block of its own.

        False when that had been done already, for at least so many accounts. Another workload, or other parameters,
        need a fresh ledger: ConfigurationError.
        """
        wanted = Preparation(workload, str(directory), dict(parameters), accounts)
        if wanted.done_by(self._prepared()):
            return False
        module = load_procedures(directory)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in schema_of(directory):
                self._connection.execute(statement)
            module.setup(self.database, parameters, accounts)
            head = self._append_block([], wanted.note())
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self.head = head
        self._writes, self._reads = module.WRITES, module.READS
        return True

    def commit(self, payloads: Sequence[bytes]) -> tuple[list[Reply], ChainBlock | None]:
        """Execute a group in order and make it durable; returns after COMMIT did. One reply per payload; no block when
        nothing new was in the group.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            entries: dict[bytes, tuple[int, bytes]] = {}
            replies = [self._apply(payload, entries) for payload in payloads]
            if not entries:
                self._connection.execute("ROLLBACK")
                return replies, None
            rows = [(tx_id, error_class, payload) for tx_id, (error_class, payload) in entries.items()]
            head = self._append_block(rows, "")
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self.head = head
        return replies, ChainBlock(head.height, head.block_hash, list(entries), bytes(row[1] for row in rows))

    def read(self, payload: bytes) -> tuple[Reply, object]:
        """Answer a read from committed state."""
        try:
            call = Call.unpack(payload)
            procedure = self._reads.get(call.name)
            if procedure is None:
                return Refusal(ErrorClass.METHOD_MISSING, f"no read named {call.name}"), None
            return ACCEPTED, procedure(self.database, {**call.arguments, "sender": call.sender})
        except Refused as refused:
            return Refusal(ErrorClass.READ_REFUSED, refused.reason), None
        except _BAD_CALL as error:
            return Refusal(ErrorClass.INVALID_TRANSACTION, str(error)), None

    @property
    def reads(self) -> frozenset[str]:
        """Names of the reads the workload offers."""
        return frozenset(self._reads)

    def block(self, height: int) -> ChainBlock | None:
        """A committed block by height."""
        found = self._connection.execute(
            "SELECT block_hash, first_number, transactions FROM ledger_blocks WHERE height = ?", (height,)
        ).fetchone()
        if found is None:
            return None
        block_hash, first, count = found
        rows = self._connection.execute(
            "SELECT tx_id, error_class FROM ledger_transactions WHERE number >= ? AND number < ? ORDER BY number",
            (first, first + count),
        ).fetchall()
        return ChainBlock(height, block_hash, [row[0] for row in rows], bytes(row[1] for row in rows))

    def verify_chain(self) -> Head:
        """Recompute every hash from the stored bytes; the head it ends in. Raises IntegrityError at the first fault."""
        blocks = self._connection.execute(
            "SELECT height, previous, block_hash, time_ns, first_number, transactions, note"
            " FROM ledger_blocks ORDER BY height"
        )
        transactions = self._connection.execute(
            "SELECT number, tx_id, error_class, payload FROM ledger_transactions ORDER BY number"
        )
        return verified_head(blocks, transactions)

    def close(self) -> None:
        """Fold the WAL into the file and release it; idempotent."""
        self._connection.close()

    def _apply(self, payload: bytes, entries: dict[bytes, tuple[int, bytes]]) -> Reply:
        tx_id = call_id(payload)
        if tx_id in entries or self._known(tx_id):
            return ACCEPTED
        try:
            call = Call.unpack(payload)
        except ValueError as error:
            return Refusal(ErrorClass.INVALID_TRANSACTION, str(error))
        if call.is_read:
            return self.read(payload)[0]
        procedure = self._writes.get(call.name)
        if procedure is None:
            return Refusal(ErrorClass.METHOD_MISSING, f"no write named {call.name}")
        execute = self.database.execute
        execute("SAVEPOINT one")
        try:
            procedure(self.database, {**call.arguments, "sender": call.sender})
        except Refused:
            execute("ROLLBACK TO one")
            entries[tx_id] = (_REFUSED, payload)
        except _BAD_CALL as error:
            execute("ROLLBACK TO one")
            return Refusal(ErrorClass.INVALID_TRANSACTION, f"{type(error).__name__}: {error}")
        else:
            entries[tx_id] = (0, payload)
        finally:
            execute("RELEASE one")
        return ACCEPTED

    def _known(self, tx_id: bytes) -> bool:
        return bool(self.database.execute("SELECT 1 FROM ledger_transactions WHERE tx_id = :id", {"id": tx_id}))

    def _append_block(self, rows: Sequence[tuple[bytes, int, bytes]], note: str) -> Head:
        height, previous, first = self.head.height + 1, self.head.block_hash, self.head.transactions
        time_ns = time.time_ns()
        block_hash = block_hash_of(height, previous, time_ns, rows, note)
        self._connection.execute(
            "INSERT INTO ledger_blocks VALUES (?, ?, ?, ?, ?, ?, ?)",
            (height, previous, block_hash, time_ns, first, len(rows), note),
        )
        self._connection.executemany(
            "INSERT INTO ledger_transactions VALUES (?, ?, ?, ?)",
            [(first + index, *row) for index, row in enumerate(rows)],
        )
        return Head(height, block_hash, first + len(rows))

    def _genesis(self) -> None:
        self.head = EMPTY
        self._append_block([], "genesis")

    def _prepared(self) -> Preparation | None:
        row = self._connection.execute(
            "SELECT note FROM ledger_blocks WHERE note <> '' AND height > 0 ORDER BY height DESC LIMIT 1"
        ).fetchone()
        return None if row is None else Preparation.of_note(row[0])

    def _restore_procedures(self) -> None:
        prepared = self._prepared()
        if prepared is not None:
            module = load_procedures(Path(prepared.directory))
            self._writes, self._reads = module.WRITES, module.READS


def _make_durable(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Set and read back; a build of SQLite that ignores a pragma says so only by not having it."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (journal, synchronous) != ("wal", 2):
        raise IntegrityError(
            "SQLite does not take the durable settings",
            value=f"journal_mode={journal}, synchronous={synchronous}",
            remedy="put the database on a local file system",
        )
    return ("journal_mode=WAL", "synchronous=FULL")
