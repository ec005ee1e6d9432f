import sqlite3
import time
from collections.abc import Iterator

import pytest

from bench.api import Refused
from bench.ledgers.sqlite_chain import SqliteDatabase
from workloads.notary import WORKLOAD
from workloads.notary.sql import procedures
from workloads.notary.sql.procedures import READS, WRITES

ONE, OTHER = b"\x01" * 32, b"\x00" * 32


@pytest.fixture
def db() -> Iterator[SqliteDatabase]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript((WORKLOAD.directory / "sql" / "schema.sql").read_text())
    database = SqliteDatabase(connection)
    procedures.setup(database, {}, 8)
    yield database
    connection.close()


def test_the_first_anchor_stands(db: SqliteDatabase) -> None:
    before = int(time.time())
    WRITES["anchor"](db, {"document": ONE, "sender": 3})
    with pytest.raises(Refused) as caught:
        WRITES["anchor"](db, {"document": ONE, "sender": 4})
    assert caught.value.reason == "already_anchored"
    assert db.execute("SELECT document, account FROM notary_anchors") == [(ONE, 3)]
    assert before <= READS["verify"](db, {"document": ONE}) <= int(time.time())
    assert READS["verify"](db, {"document": OTHER}) == 0


def test_missing_counts_what_is_not_anchored(db: SqliteDatabase) -> None:
    for number in range(0, 500, 2):
        WRITES["anchor"](db, {"document": number.to_bytes(32, "big"), "sender": 0})
    joined = b"".join(number.to_bytes(32, "big") for number in range(500))
    assert READS["missing"](db, {"documents": joined, "tx_ids": b""}) == 250
    assert READS["missing"](db, {"documents": b"", "tx_ids": b""}) == 0


@pytest.mark.parametrize("document", [b"\x01" * 31, b"\x01" * 33, "text", None])
def test_a_document_is_32_bytes(db: SqliteDatabase, document: object) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        WRITES["anchor"](db, {"document": document, "sender": 0})


def test_every_write_and_read_of_the_workload_has_a_procedure() -> None:
    assert {operation.name for operation in WORKLOAD.operations} <= WRITES.keys() | READS.keys()
