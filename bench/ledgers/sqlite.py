"""The embedded baseline as a managed ledger: the honest "do you need a blockchain at all?" column."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.ledgers.file_system import durability_on, file_system_of
from bench.ledgers.options import Options, parse_options
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.ledgers.socket_node import InThisPython, start
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network


class SqliteOptions(Options):
    """`max_group` is the most transactions in one commit."""

    max_group: Annotated[int, Field(ge=1, le=100_000)] = 1000


class SqliteLedger(InThisPython):
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

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """An empty node; the adapter brings the workload when it prepares."""
        max_group = parse_options("sqlite", SqliteOptions, options).max_group
        progress("sqlite: starting")
        arguments = ("--database", str(directory.absolute() / "ledger.sqlite"), "--max-group", str(max_group))
        node = start("bench.ledgers.sqlite_node", arguments, directory, "sqlite")
        file_system = file_system_of(directory)
        progress(f"sqlite: ready at {node.address}")
        flags = ("journal_mode=WAL", "synchronous=FULL", f"max_group={max_group}", f"file_system={file_system}")
        network = self.info.network(node.address, [node], flags)
        return replace(network, ledger_class=replace(network.ledger_class, durability=durability_on(file_system)))
