"""The embedded baseline as a managed ledger: the honest "do you need a blockchain at all?" column."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.ledgers import socket_node
from bench.ledgers.file_system import durability_on, file_system_of
from bench.ledgers.options import Options, parse_options
from bench.ledgers.process import NodeProcess
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network


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
        ledger_class=LedgerClass(FaultModel.NONE, 0, Durability.FSYNC, CryptoSuite.NONE, "one"),
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
        progress(f"sqlite: ready at {endpoint}")
        return Network(
            ledger="sqlite",
            family=self.info.family,
            adapter=self.info.adapter,
            version=self.info.version,
            endpoint=endpoint,
            nodes=(node,),
            finality=self.info.finality,
            ledger_class=replace(self.info.ledger_class, durability=durability_on(file_system)),
            flags=("journal_mode=WAL", "synchronous=FULL", f"max_group={max_group}", f"file_system={file_system}"),
        )

    def down(self, network: Network) -> None:
        """Stop the node after its last commit."""
        process = self._processes.pop(network.endpoint, None)
        if process is not None:
            process.stop(socket_node.STOP_S)
        else:
            socket_node.stop(network)
