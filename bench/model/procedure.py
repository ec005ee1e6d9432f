"""What a workload's stored procedures see of a SQL ledger: `execute`, and a way to refuse.

A workload keeps them in `sql/procedures.py` beside `sql/schema.sql`: `setup(db, parameters, accounts)`, which inserts
what is missing and so may run again, and two tables, `WRITES` and `READS`, from operation name to procedure. Procedures
keep to SQL that SQLite and PostgreSQL share, with `:name` parameters, and depend on nothing but state and arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

SqlValue = None | int | float | str | bytes


class Refused(Exception):
    """Business logic says no: the effects are undone, the transaction is recorded as failed. `reason` is snake_case."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Database(Protocol):
    """One open SQL transaction."""

    def execute(self, sql: str, parameters: Mapping[str, SqlValue] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement with `:name` parameters and return its rows (empty when it has none)."""


Procedure = Callable[[Database, Mapping[str, Any]], object]
"""`(db, arguments)`: the operation's arguments by name and, as `sender`, who sent it; accounts are their indices. A
write returns None or raises `Refused`; a read returns its answer."""
