"""The embedded baseline as a managed ledger: the honest "do you need a blockchain at all?" column."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.ledgers import socket_node
from bench.ledgers.options import Options, parse_options
from bench.ledgers.process import NodeProcess
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import CryptoSuite, Finality, LedgerClass, Network

DURABLE = "fsync per commit"
_VOLATILE = frozenset({"tmpfs", "ramfs"})


class SqliteOptions(Options):
    """`max_group` is the most transactions in one commit."""

    max_group: Annotated[int, Field(ge=1, le=100_000)] = 1000


class SqliteLedger:
    """See `bench.ledgers.protocol.Ledger`. Options: `SqliteOptions`."""

    info = LedgerInfo(
        name="sqlite",
        family="sql",
        adapter="sqlite",
        version=sqlite3.sqlite_version,
        nodes=1,
        finality=Finality("commit (fsync)"),
        ledger_class=LedgerClass("none", 0, DURABLE, CryptoSuite.NONE, "one"),
        summary="embedded database with a hash-chained ledger table: the baseline without a blockchain",
        download="nothing",
    )

    def __init__(self) -> None:
        self._processes: dict[str, NodeProcess] = {}

    def installed(self) -> Path | None:
        """The Python that runs everything; SQLite is part of it."""
        return Path(sys.executable)

    def install(self, progress: Progress) -> Path:
        """Nothing to fetch."""
        progress(f"sqlite {sqlite3.sqlite_version} comes with Python: nothing to fetch")
        return Path(sys.executable)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """An empty node; the adapter brings the workload when it prepares."""
        max_group = parse_options("sqlite", SqliteOptions, options).max_group
        progress("sqlite: starting")
        arguments = ("--database", str(directory.absolute() / "ledger.sqlite"), "--max-group", str(max_group))
        process, endpoint, node = socket_node.start("bench.ledgers.sqlite_node", arguments, directory, "sqlite")
        self._processes[endpoint] = process
        file_system = file_system_of(directory)
        durable = DURABLE if file_system not in _VOLATILE else f"memory only ({file_system})"
        progress(f"sqlite: ready at {endpoint}")
        return Network(
            ledger="sqlite",
            family=self.info.family,
            adapter=self.info.adapter,
            version=self.info.version,
            endpoint=endpoint,
            nodes=(node,),
            finality=self.info.finality,
            ledger_class=LedgerClass("none", 0, durable, CryptoSuite.NONE, "one"),
            flags=("journal_mode=WAL", "synchronous=FULL", f"max_group={max_group}", f"file_system={file_system}"),
        )

    def down(self, network: Network) -> None:
        """Stop the node after its last commit."""
        process = self._processes.pop(network.endpoint, None)
        if process is not None:
            process.stop(socket_node.STOP_S)
        else:
            socket_node.stop(network)


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Type of the file system that holds `path` ("unknown" where the system does not tell): fsync on tmpfs is void."""
    wanted = os.path.realpath(path)
    try:
        lines = mounts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in lines:
        _, point, found, *_ = line.split()
        inside = point == "/" or wanted == point or wanted.startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind
