"""What a PostgreSQL server says of its durability and replication: read back, never assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from bench.model.errors import IntegrityError

_ASKED = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "wal_level",
    "synchronous_standby_names",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "jit",
)
_NEEDED = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@dataclass(frozen=True, slots=True)
class Settings:
    """`values` as the session sees them. `standbys`: replicas that stream now; None where this role may not know."""

    values: tuple[tuple[str, str], ...]
    standbys: int | None

    def lines(self) -> tuple[str, ...]:
        """`name=value`, for bundles."""
        standbys = "unknown" if self.standbys is None else str(self.standbys)
        return (*(f"{name}={value}" for name, value in self.values), f"standbys={standbys}")

    def refuse_if_volatile(self) -> None:
        """IntegrityError unless an acknowledged commit is on disk."""
        found = dict(self.values)
        wrong = [f"{name}={found.get(name)}" for name, value in _NEEDED.items() if found.get(name) != value]
        if wrong:
            raise IntegrityError(
                "PostgreSQL does not make commits durable",
                value=", ".join(wrong),
                remedy="remove these settings: the baseline commits with fsync and synchronous_commit on",
            )


def read_settings(connection: psycopg.Connection[Any]) -> Settings:
    """Ask the server."""
    rows = connection.execute(
        "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS asked (name)", (list(_ASKED),)
    ).fetchall()
    try:
        row = connection.execute("SELECT count(*) FROM pg_stat_replication").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        row = None
    return Settings(tuple((name, value) for name, value in rows), None if row is None else int(row[0]))
