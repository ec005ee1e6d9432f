import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from bench.api import Refused
from bench.ledgers.sqlite_chain import SqliteDatabase
from workloads.smallbank import WORKLOAD
from workloads.smallbank.sql import procedures
from workloads.smallbank.sql.procedures import READS, WRITES

PARAMETERS = {"customers": 3, "initial_checking": 100, "initial_savings": 50}


@pytest.fixture
def db() -> Iterator[SqliteDatabase]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript((WORKLOAD.directory / "sql" / "schema.sql").read_text())
    database = SqliteDatabase(connection)
    procedures.setup(database, PARAMETERS, 8)
    yield database
    connection.close()


def accounts(db: SqliteDatabase) -> list[tuple[int, int]]:
    return db.execute("SELECT checking, savings FROM smallbank_customers ORDER BY customer")


@pytest.mark.parametrize(
    ("name", "arguments", "after"),
    [
        ("amalgamate", {"from": 0, "to": 1}, [(0, 0), (250, 50), (100, 50)]),
        ("amalgamate", {"from": 2, "to": 2}, [(100, 50), (100, 50), (150, 0)]),
        ("deposit_checking", {"customer": 1, "amount": 7}, [(100, 50), (107, 50), (100, 50)]),
        ("send_payment", {"from": 0, "to": 2, "amount": 100}, [(0, 50), (100, 50), (200, 50)]),
        ("send_payment", {"from": 0, "to": 0, "amount": 60}, [(100, 50), (100, 50), (100, 50)]),
        ("transact_savings", {"customer": 0, "amount": -50}, [(100, 0), (100, 50), (100, 50)]),
        ("transact_savings", {"customer": 0, "amount": 20}, [(100, 70), (100, 50), (100, 50)]),
        ("write_check", {"customer": 0, "amount": 150}, [(-50, 50), (100, 50), (100, 50)]),
        ("write_check", {"customer": 0, "amount": 151}, [(-52, 50), (100, 50), (100, 50)]),
    ],
)
def test_writes_follow_the_rules_of_smallbank(
    db: SqliteDatabase, name: str, arguments: dict[str, Any], after: list[tuple[int, int]]
) -> None:
    WRITES[name](db, arguments)
    assert accounts(db) == after


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("send_payment", {"from": 0, "to": 1, "amount": 101}, "insufficient_funds"),
        ("transact_savings", {"customer": 0, "amount": -51}, "insufficient_funds"),
        ("amalgamate", {"from": 0, "to": 3}, "unknown_customer"),
        ("deposit_checking", {"customer": 3, "amount": 1}, "unknown_customer"),
        ("send_payment", {"from": 0, "to": 3, "amount": 1}, "unknown_customer"),
        ("transact_savings", {"customer": 3, "amount": 1}, "unknown_customer"),
        ("write_check", {"customer": 3, "amount": 1}, "unknown_customer"),
    ],
)
def test_refusals_give_their_reason(db: SqliteDatabase, name: str, arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        WRITES[name](db, arguments)
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["deposit_checking", "write_check", "send_payment"])
def test_a_negative_amount_is_no_business_matter(db: SqliteDatabase, name: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        WRITES[name](db, {"customer": 0, "from": 0, "to": 1, "amount": -1})


def test_reads(db: SqliteDatabase) -> None:
    WRITES["write_check"](db, {"customer": 1, "amount": 1000})
    assert READS["balance"](db, {"customer": 1}) == 150 - 1001
    assert READS["penalties"](db, {}) == 1
    assert READS["total_of"](db, {"first": 0, "count": 3}) == 450 - 1001
    assert READS["total_of"](db, {"first": 1, "count": 1}) == 150 - 1001
    assert READS["total_of"](db, {"first": 9, "count": 5}) == 0


def test_setup_opens_only_what_is_missing(db: SqliteDatabase) -> None:
    WRITES["deposit_checking"](db, {"customer": 0, "amount": 7})
    procedures.setup(db, PARAMETERS, 8)
    assert accounts(db) == [(107, 50), (100, 50), (100, 50)]
    with pytest.raises(ValueError, match="at least 1"):
        procedures.setup(db, {**PARAMETERS, "customers": 0}, 8)


def test_every_write_and_read_of_the_workload_has_a_procedure() -> None:
    declared = {operation.name for operation in WORKLOAD.operations}
    assert declared <= WRITES.keys() | READS.keys()
