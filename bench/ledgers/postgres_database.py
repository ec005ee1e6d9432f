"""What procedures see of PostgreSQL (`bench.model.procedure.Database`): prepared once, executed by libpq itself.

Two statements make a transfer, so what one costs is what the sequencer costs. psycopg's cursor spends more on a
statement than the server does; this goes to its libpq layer, and knows the few types that procedures use. Numbers go
out as BIGINT, text untyped, so that the server takes it for what it is compared with.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors, pq

_BIGINT, _BYTEA, _UNKNOWN = 20, 17, 0
_INT8 = struct.Struct(">q")
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A prepared statement: its name, and the names of its parameters in order."""

    name: bytes
    parameters: tuple[str, ...]


class PostgresDatabase:
    """One session; one thread."""

    __slots__ = ("_connection", "_pgconn", "_statements")

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._statements: dict[tuple[str, tuple[type, ...]], _Statement] = {}

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; all of its rows. Raises psycopg.Error; KeyError for a parameter that is not given,
        TypeError for one of a type that no column has, OverflowError for a number of more than 64 bits.
        """
        given = parameters or {}
        key = sql, tuple(map(type, given.values()))
        statement = self._statements.get(key)
        if statement is None:
            statement = self._statements[key] = self._prepare(sql, given)
        values: list[bytes | None] = []
        formats: list[int] = []
        for name in statement.parameters:
            value, binary = _outgoing(given[name])
            values.append(value)
            formats.append(binary)
        result = self._pgconn.exec_prepared(
            statement.name,
            values,  # type: ignore[arg-type]  # None is NULL, which its stub does not know
            formats,
            pq.Format.BINARY,
        )
        if result.status not in _DONE:
            raise errors.error_from_result(result)
        return _rows(result) if result.nfields else []

    def command(self, sql: bytes) -> None:
        """Begin, commit, undo. Never through psycopg, which would take a ROLLBACK to have dropped what is prepared."""
        result = self._pgconn.exec_(sql)
        if result.status not in _DONE:
            raise errors.error_from_result(result)

    def _prepare(self, sql: str, given: Mapping[str, Any]) -> _Statement:
        text, names = translated(sql)
        statement = _Statement(b"bench%d" % len(self._statements), names)
        result = self._pgconn.prepare(statement.name, text.encode(), [_oid_of(given[name]) for name in names])
        if result.status not in _DONE:
            raise errors.error_from_result(result)
        return statement


@lru_cache(maxsize=512)
def translated(statement: str) -> tuple[str, tuple[str, ...]]:
    """`:name` parameters as `$1`, `$2`, …, and their names in that order. A colon inside quotes, or two, stay."""
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    pieces = re.split(r"('(?:[^']|'')*'|\"[^\"]*\")", statement)
    pieces[::2] = [re.sub(r"(?<![:\w]):([A-Za-z_]\w*)", numbered, piece) for piece in pieces[::2]]
    return "".join(pieces), tuple(names)


def _outgoing(value: Any) -> tuple[bytes | None, int]:
    """Bytes and format (0 text, 1 binary)."""
    if isinstance(value, int):
        try:
            return _INT8.pack(value), 1
        except struct.error as error:
            raise OverflowError(f"{value} has more than 64 bits") from error
    if isinstance(value, bytes):
        return value, 1
    if isinstance(value, str):
        return value.encode(), 0
    if isinstance(value, float):
        return repr(value).encode(), 0
    if value is None:
        return None, 0
    raise TypeError(f"a parameter of type {type(value).__name__} cannot be given to SQL")


def _oid_of(value: Any) -> int:
    return _BIGINT if isinstance(value, int) else _BYTEA if isinstance(value, bytes) else _UNKNOWN


def _rows(result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
    readers = [_reader(result.ftype(column)) for column in range(result.nfields)]
    return [
        tuple(
            None if (value := result.get_value(row, column)) is None else read(value)
            for column, read in enumerate(readers)
        )
        for row in range(result.ntuples)
    ]


def _reader(oid: int) -> Callable[[bytes], Any]:
    try:
        return _READERS[oid]
    except KeyError as error:
        raise TypeError(f"a column of PostgreSQL type {oid} is not one that procedures may read") from error


def _integer(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _numeric(value: bytes) -> int:
    """A whole NUMERIC, which sums of BIGINT are: groups of four decimal digits."""
    count, weight, sign, scale = struct.unpack_from(">hhHH", value)
    digits: Sequence[int] = struct.unpack_from(f">{count}H", value, 8)
    if scale or sign not in (0x0000, 0x4000):
        raise TypeError("a column of type NUMERIC that is not whole is not one that procedures may read")
    total = 0
    for place in range(weight + 1):
        total = total * 10_000 + (digits[place] if place < count else 0)
    return -total if sign else total


_READERS: Mapping[int, Callable[[bytes], Any]] = {
    16: lambda value: value == b"\x01",  # boolean
    17: bytes,
    20: _integer,
    21: _integer,
    23: _integer,
    25: bytes.decode,  # text
    701: lambda value: struct.unpack(">d", value)[0],  # double precision
    1043: bytes.decode,  # varchar
    1700: _numeric,
}
