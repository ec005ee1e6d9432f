"""The central baseline as a managed ledger: PostgreSQL, and in front of it the sequencer that chains and groups.

Settings and why (docs/adapters/postgres.md): durability is PostgreSQL's own default, read back by the sequencer, which
refuses to start without it; what is tuned takes nothing from it: memory for pages, room for WAL so that a checkpoint
does not come every few seconds, no just-in-time compilation, which costs more than any of these statements.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import psycopg
from pydantic import Field

from bench.ledgers import postgres_server, socket_node
from bench.ledgers.file_system import durability_on, file_system_of
from bench.ledgers.nodes import NodeSpec, start_nodes
from bench.ledgers.options import Options, parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.process import recorded
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Link, Network, Node

DATABASE, SEQUENCER = "postgres", "sequencer"
_HOST = "127.0.0.1"
_CONNECT_S = 2


class PostgresOptions(Options):
    """`max_group` is the most transactions in one commit, `shared_buffers_mb` the server's memory for pages."""

    max_group: Annotated[int, Field(ge=1, le=100_000)] = 1000
    shared_buffers_mb: Annotated[int, Field(ge=16, le=1_000_000)] = 256

    def settings(self) -> tuple[str, ...]:
        """What the server is told, beyond where to listen."""
        durable = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
        tuned = (f"shared_buffers={self.shared_buffers_mb}MB", "max_wal_size=4GB", "checkpoint_timeout=15min")
        return (*durable, *tuned, "jit=off")


class PostgresLedger:
    """See `bench.ledgers.protocol.Ledger`. Options: `PostgresOptions`."""

    info = LedgerInfo(
        name="postgres",
        family="sql",
        adapter="postgres",
        version=postgres_server.VERSION,
        nodes=1,
        finality=Finality("commit (fsync)"),
        ledger_class=LedgerClass(FaultModel.NONE, 0, Durability.FSYNC, CryptoSuite.NONE, "one"),
        summary="central database server with a hash-chained ledger table: the baseline without a blockchain",
        download="about 35 MB with apt, unless PostgreSQL is there",
    )

    def installed(self) -> Path | None:
        """The server that `up` would start."""
        found = postgres_server.installed()
        return None if found is None else found.postgres

    def install(self, progress: Progress) -> Path:
        """Fetch Debian's package, unless PostgreSQL is there."""
        return postgres_server.install(progress).postgres

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """An empty database with its sequencer; the adapter brings the workload when it prepares."""
        chosen = parse_options("postgres", PostgresOptions, options)
        programs = postgres_server.install(progress)
        directory = directory.absolute()
        progress("postgres: making a fresh cluster")
        password = secrets.token_urlsafe(24)
        port = free_port(_HOST)
        database = self._start_database(programs, directory / DATABASE, port, chosen, password, progress)
        try:
            url = f"postgresql://{postgres_server.USER}@{_HOST}:{port}/postgres"
            arguments = ("--database", url, "--max-group", str(chosen.max_group), "--insist")
            sequencer = socket_node.start(
                "bench.ledgers.postgres_node", arguments, directory / SEQUENCER, SEQUENCER, {"PGPASSWORD": password}
            )
        except BaseException:
            _end(database)
            raise
        progress(f"postgres: ready at {sequencer.address}")
        file_system = file_system_of(directory)
        flags = (*chosen.settings(), f"max_group={chosen.max_group}", f"file_system={file_system}")
        return replace(
            self.info.network(sequencer.address, [database, replace(sequencer, role="sequencer")], flags),
            version=programs.version(),
            ledger_class=replace(self.info.ledger_class, durability=durability_on(file_system)),
            links=(Link(SEQUENCER, DATABASE),),
            secrets={"password": password},
        )

    def down(self, network: Network) -> None:
        """The sequencer after its last commit, then the server with its sessions ended."""
        for node in reversed(network.nodes):
            _end(node)

    def _start_database(
        self,
        programs: postgres_server.Programs,
        directory: Path,
        port: int,
        options: PostgresOptions,
        password: str,
        progress: Progress,
    ) -> Node:
        data = directory / "data"
        postgres_server.make_cluster(programs, data, password)
        command = [str(programs.postgres), "-D", str(data), "-p", str(port), "-h", _HOST, "-k", ""]
        command += [part for setting in options.settings() for part in ("-c", setting)]
        spec = NodeSpec(
            DATABASE,
            tuple(postgres_server.unprivileged(command)),
            directory,
            lambda: _answers(port, password),
            programs.environment(),
        )
        (process,) = start_nodes([spec], progress, "postgres")
        return Node(DATABASE, f"{_HOST}:{port}", process.pid, directory, tuple(command), role="database")


def _end(node: Node) -> None:
    process = None if node.data_directory is None else recorded(node.data_directory, node.name)
    if process is None:
        return
    if node.role == "database" and process.node.running():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)  # "fast": SIGTERM would wait for sessions to end by themselves
    process.stop(socket_node.STOP_S)


def _answers(port: int, password: str) -> bool:
    try:
        psycopg.connect(
            host=_HOST,
            port=port,
            user=postgres_server.USER,
            password=password,
            dbname="postgres",
            connect_timeout=_CONNECT_S,
        ).close()
    except psycopg.Error:
        return False
    return True
