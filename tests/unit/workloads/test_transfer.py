import sqlite3
from collections.abc import Iterator, Mapping

import pytest

from bench.api import AuditInput
from bench.ledgers.sqlite_chain import SqliteDatabase
from workloads.transfer import WORKLOAD
from workloads.transfer.audit import audit
from workloads.transfer.sql import procedures
from workloads.transfer.sql.procedures import READS, WRITES

EXECUTED, CONSERVED = "every_transfer_executed_once", "no_money_created_or_lost"


class State:
    def __init__(self, executed: object, created: object) -> None:
        self.answers = {"transactions_since_start": executed, "money_created_since_start": created}

    def read(self, name: str, _arguments: Mapping[str, object]) -> object:
        return self.answers[name]


@pytest.mark.parametrize(
    ("executed", "created", "statuses"),
    [
        (10, 0, ("held", "held")),
        (9, 0, ("broken", "held")),
        (12, 0, ("held", "held")),
        (13, 0, ("broken", "held")),
        (10, 1, ("held", "broken")),
        (10, -1, ("held", "broken")),
        (None, None, ("not checked", "not checked")),
    ],
)
def test_what_is_held_and_what_broken(executed: object, created: object, statuses: tuple[str, str]) -> None:
    record = AuditInput({"transfer": {"finalized": 8, "failed": 2, "unresolved": 1}}, 4, {}, fillers=1)
    found = audit(State(executed, created), record)
    assert [(one.name, one.status) for one in found] == list(zip((EXECUTED, CONSERVED), statuses, strict=True))


def test_how_much_money_was_made_is_said() -> None:
    assert "350 more" in audit(State(0, 350), AuditInput({}, 4, {}))[1].detail
    assert "350 less" in audit(State(0, -350), AuditInput({}, 4, {}))[1].detail


@pytest.fixture
def db() -> Iterator[SqliteDatabase]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript((WORKLOAD.directory / "sql" / "schema.sql").read_text())
    database = SqliteDatabase(connection)
    procedures.setup(database, {}, 4)
    yield database
    connection.close()


def test_the_sum_over_accounts_is_compared_with_the_one_at_setup(db: SqliteDatabase) -> None:
    created = READS["money_created_since_start"]
    WRITES["transfer"](db, {"sender": 0, "to": 3, "amount": 77})
    assert created(db, {}) == 0
    db.execute("UPDATE transfer_accounts SET balance = balance + 5 WHERE account = 2")
    assert created(db, {}) == 5
    procedures.setup(db, {}, 6)  # two more accounts, and a new start
    assert created(db, {}) == 0
