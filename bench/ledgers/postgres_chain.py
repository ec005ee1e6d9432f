"""The central baseline's store: business state and a hash-chained ledger in one schema of a PostgreSQL database.

A group of submissions is one SQL transaction, one block and one COMMIT: effects and their ledger rows become durable
together or not at all. Procedures run one after the other on one connection, so the order in the chain is the order of
execution (docs/decisions/postgres-group-commit.md). A savepoint guards a run of transactions rather than each: what one
of them breaks is undone with its neighbours, which are then executed again one by one. That is sound because procedures
depend on nothing but state and arguments, and it keeps subtransactions, which PostgreSQL holds 64 of at hand, few.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.numeric import Int8BinaryDumper

from bench.ledgers.chain_block import ChainBlock
from bench.ledgers.postgres_database import PostgresDatabase
from bench.ledgers.postgres_settings import Settings, read_settings
from bench.ledgers.sql_chain import EMPTY, Head, Preparation, block_hash_of, load_procedures, schema_of, verified_head
from bench.model.call import Call, call_id
from bench.model.errors import LedgerError
from bench.model.procedure import Procedure, Refused
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

TABLES = (
    """CREATE TABLE IF NOT EXISTS ledger_blocks (
        height BIGINT PRIMARY KEY, previous BYTEA NOT NULL, block_hash BYTEA NOT NULL, time_ns BIGINT NOT NULL,
        first_number BIGINT NOT NULL, transactions INTEGER NOT NULL, note TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ledger_transactions (
        number BIGINT PRIMARY KEY, tx_id BYTEA NOT NULL UNIQUE, error_class SMALLINT NOT NULL,
        payload BYTEA NOT NULL)""",
)
_ADD_BLOCK = (
    "INSERT INTO ledger_blocks VALUES (%(height)s, %(previous)s, %(hash)s, %(time)s, %(first)s, %(count)s, %(note)s)"
)
_ADD_BLOCK_WITH_TRANSACTIONS = f"""
WITH block AS ({_ADD_BLOCK})
INSERT INTO ledger_transactions
SELECT %(first)s + ordinality - 1, tx_id, error_class, payload
FROM unnest(%(ids)s::bytea[], %(classes)s::int8[], %(payloads)s::bytea[])
WITH ORDINALITY AS given (tx_id, error_class, payload, ordinality)
"""
_KNOWN = "SELECT tx_id FROM ledger_transactions WHERE tx_id = ANY(%(ids)s::bytea[])"
_BLOB = "SELECT 1 FROM pg_type WHERE typname = 'blob' AND typnamespace = current_schema()::regnamespace"
_REFUSED = int(ErrorClass.BUSINESS_REFUSAL)
_BAD_CALL = (
    *(ValueError, TypeError, KeyError, OverflowError),
    *(psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError),
)
LONGEST_RUN = 32
"""Most transactions under one savepoint; halved at a refusal, doubled by a run without."""
_LOCK_CLASS = 0x6C62  # first half of our advisory locks' numbers


@dataclass(slots=True)
class _Entry:
    """One new transaction of a group: how it ended, in the order of the chain."""

    tx_id: bytes
    payload: bytes
    call: Call
    procedure: Procedure
    error_class: int = 0
    reply: Reply = ACCEPTED


class PostgresChain:
    """Owns its connection and its schema; one thread. After a `psycopg.OperationalError` out of `commit`, whether the
    group is durable is for the next start to find out.
    """

    database_errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, conninfo: str, schema: str, *, insist: bool) -> None:
        """Open or create `schema`. With `insist`, a server that does not make commits durable is refused."""
        self._schema = schema
        self._connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=0)
        try:
            self._connection.adapters.register_dumper(int, Int8BinaryDumper)
            self.settings: tuple[str, ...] = self._configure(insist)
            self._own()
            self.database = PostgresDatabase(self._connection)
            self._writes: Mapping[str, Procedure] = {}
            self._reads: Mapping[str, Procedure] = {}
            self._longest = LONGEST_RUN
            self._moved = False  # whether anything was done since the savepoint
            if self._one("SELECT count(*) FROM ledger_blocks") == (0,):
                self._genesis()
            self.head = self.verify_chain()
            self._restore_procedures()
        except BaseException:
            self._connection.close()
            raise

    def prepare(self, workload: str, directory: Path, parameters: Mapping[str, Any], accounts: int) -> bool:
        """As `SqliteChain.prepare`."""
        wanted = Preparation(workload, str(directory), dict(parameters), accounts)
        if wanted.done_by(self._prepared()):
            return False
        module = load_procedures(directory)
        self.database.command(b"BEGIN")
        try:
            for statement in schema_of(directory):
                self._connection.execute(statement.encode())
            module.setup(self.database, parameters, accounts)
            head = self._append_block([], wanted.note())
            self.database.command(b"COMMIT")
        except BaseException:
            self._undo()
            raise
        self._connection.execute("ANALYZE")  # plans are cached from the first execution on
        self.head = head
        self._writes, self._reads = module.WRITES, module.READS
        return True

    def commit(self, payloads: Sequence[bytes]) -> tuple[list[Reply], ChainBlock | None]:
        """Execute a group in order and make it durable; returns after COMMIT did. One reply per payload; no block when
        nothing new was in the group.
        """
        ids = [call_id(payload) for payload in payloads]
        self.database.command(b"BEGIN; SAVEPOINT run")
        self._moved = False
        try:
            known = {bytes(row[0]) for row in self._connection.execute(_KNOWN, {"ids": ids}, binary=True)}
            answered: dict[bytes, Reply] = dict.fromkeys(known, ACCEPTED)
            fresh = self._fresh(ids, payloads, answered)
            self._run(fresh)
            answered.update((entry.tx_id, entry.reply) for entry in fresh)
            rows = [(entry.tx_id, entry.error_class, entry.payload) for entry in fresh if entry.reply is ACCEPTED]
            replies = [answered[tx_id] for tx_id in ids]
            if not rows:
                self.database.command(b"ROLLBACK")
                return replies, None
            head = self._append_block(rows, "")
            self.database.command(b"COMMIT")
        except BaseException:
            self._undo()
            raise
        self.head = head
        return replies, ChainBlock(
            head.height, head.block_hash, [row[0] for row in rows], bytes(row[1] for row in rows)
        )

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
            return Refusal(ErrorClass.INVALID_TRANSACTION, _first_line(error)), None

    @property
    def reads(self) -> frozenset[str]:
        """Names of the reads the workload offers."""
        return frozenset(self._reads)

    def block(self, height: int) -> ChainBlock | None:
        """A committed block by height."""
        found = self._one(
            "SELECT block_hash, first_number, transactions FROM ledger_blocks WHERE height = %(height)s",
            {"height": height},
        )
        if found is None:
            return None
        block_hash, first, count = found
        rows = self._connection.execute(
            "SELECT tx_id, error_class FROM ledger_transactions"
            " WHERE number >= %(first)s AND number < %(first)s + %(count)s ORDER BY number",
            {"first": first, "count": count},
        ).fetchall()
        return ChainBlock(height, block_hash, [row[0] for row in rows], bytes(row[1] for row in rows))

    def verify_chain(self) -> Head:
        """Recompute every hash from the stored bytes; the head it ends in. Raises IntegrityError at the first fault."""
        self.database.command(b"BEGIN")
        try:
            with (
                self._connection.cursor("blocks", binary=True) as blocks,
                self._connection.cursor("transactions", binary=True) as transactions,
            ):
                blocks.execute(
                    "SELECT height, previous, block_hash, time_ns, first_number, transactions, note"
                    " FROM ledger_blocks ORDER BY height"
                )
                transactions.execute(
                    "SELECT number, tx_id, error_class, payload FROM ledger_transactions ORDER BY number"
                )
                return verified_head(blocks, transactions)
        finally:
            self._undo()

    def close(self, *, drop: bool = False) -> None:
        """Release the database; with `drop`, leave nothing of ours behind in it. Idempotent."""
        if drop and not self._connection.closed:
            self._connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self._schema)))
        self._connection.close()

    def _undo(self) -> None:
        if not self._connection.broken:
            self.database.command(b"ROLLBACK")

    # --- executing

    def _fresh(self, ids: Sequence[bytes], payloads: Sequence[bytes], answered: dict[bytes, Reply]) -> list[_Entry]:
        """What is to be executed. The rest of the group gets its reply in `answered`."""
        entries: dict[bytes, _Entry] = {}
        for tx_id, payload in zip(ids, payloads, strict=True):
            if tx_id in answered or tx_id in entries:
                continue
            try:
                call = Call.unpack(payload)
            except ValueError as error:
                answered[tx_id] = Refusal(ErrorClass.INVALID_TRANSACTION, str(error))
                continue
            procedure = self._writes.get(call.name)
            if call.is_read:
                answered[tx_id] = self._read_inside(payload)
            elif procedure is None:
                answered[tx_id] = Refusal(ErrorClass.METHOD_MISSING, f"no write named {call.name}")
            else:
                entries[tx_id] = _Entry(tx_id, payload, call, procedure)
        return list(entries.values())

    def _read_inside(self, payload: bytes) -> Reply:
        """A read in a batch of writes; one that fails must not take the group along."""
        self.database.command(b"SAVEPOINT reading")
        reply = self.read(payload)[0]
        self.database.command(b"ROLLBACK TO reading")
        self.database.command(b"RELEASE reading")
        return reply

    def _run(self, entries: Sequence[_Entry]) -> None:
        position = 0
        while position < len(entries):
            run = entries[position : position + self._longest]
            position += len(run)
            if self._attempt(run):
                self._longest = min(2 * self._longest, LONGEST_RUN)
                continue
            self._longest = max(self._longest // 2, 1)
            for entry in run if len(run) > 1 else ():
                self._attempt([entry])

    def _attempt(self, run: Sequence[_Entry]) -> bool:
        """Execute under one savepoint. False, and all of it undone, when one of them did not go through; the one of a
        run of one is then marked with what it ended in.
        """
        if self._moved:
            self.database.command(b"RELEASE run; SAVEPOINT run")
            self._moved = False
        try:
            for entry in run:
                entry.procedure(self.database, {**entry.call.arguments, "sender": entry.call.sender})
        except Refused:
            run[0].error_class = _REFUSED
        except _BAD_CALL as error:
            run[0].reply = Refusal(ErrorClass.INVALID_TRANSACTION, f"{type(error).__name__}: {_first_line(error)}")
        else:
            self._moved = True
            return True
        self.database.command(b"ROLLBACK TO run")
        if len(run) > 1:
            run[0].error_class, run[0].reply = 0, ACCEPTED
        return False

    def _append_block(self, rows: Sequence[tuple[bytes, int, bytes]], note: str) -> Head:
        height, previous, first = self.head.height + 1, self.head.block_hash, self.head.transactions
        time_ns = time.time_ns()
        block_hash = block_hash_of(height, previous, time_ns, rows, note)
        block = {
            "height": height,
            "previous": previous,
            "hash": block_hash,
            "time": time_ns,
            "first": first,
            "count": len(rows),
            "note": note,
        }
        if rows:
            ids, classes, payloads = (list(column) for column in zip(*rows, strict=True))
            added = {**block, "ids": ids, "classes": classes, "payloads": payloads}
            self._connection.execute(_ADD_BLOCK_WITH_TRANSACTIONS, added)
        else:
            self._connection.execute(_ADD_BLOCK, block)
        return Head(height, block_hash, first + len(rows))

    # --- opening

    def _configure(self, insist: bool) -> tuple[str, ...]:
        # never weaker than `on`; a server that waits for its replicas as well goes on doing so
        self._connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
        )
        settings: Settings = read_settings(self._connection)
        if insist:
            settings.refuse_if_volatile()
        return settings.lines()

    def _own(self) -> None:
        """Create the schema, and be the only one who writes to it."""
        execute = self._connection.execute
        name = sql.Identifier(self._schema)
        owned = execute("SELECT pg_try_advisory_lock(%s::int4, hashtext(%s))", (_LOCK_CLASS, self._schema)).fetchone()
        if owned != (True,):
            raise LedgerError("another sequencer owns this schema", value=self._schema, remedy="stop it first")
        execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        execute(sql.SQL("SET search_path TO {}").format(name))
        if self._one(_BLOB) is None:
            execute("CREATE DOMAIN blob AS bytea")  # schemas of workloads may say BLOB, as SQLite does
        for table in TABLES:
            execute(table.encode())

    def _genesis(self) -> None:
        self.head = EMPTY
        self._append_block([], "genesis")

    def _prepared(self) -> Preparation | None:
        row = self._one("SELECT note FROM ledger_blocks WHERE note <> '' AND height > 0 ORDER BY height DESC LIMIT 1")
        return None if row is None else Preparation.of_note(row[0])

    def _restore_procedures(self) -> None:
        prepared = self._prepared()
        if prepared is not None:
            module = load_procedures(Path(prepared.directory))
            self._writes, self._reads = module.WRITES, module.READS

    def _one(self, query: str, parameters: Mapping[str, Any] | None = None) -> Any:
        return self._connection.execute(query.encode(), parameters).fetchone()


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
