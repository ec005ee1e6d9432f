"""Adapter of the embedded baseline."""

from bench.adapters.sql import SqlAdapter


class SqliteAdapter(SqlAdapter):
    """See `SqlAdapter`."""

    kind = "sqlite"
