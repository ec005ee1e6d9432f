"""Transfers per second on one PostgreSQL: through the product's adapter, and by two native ways, in turns.

    .venv/bin/python -m benchmarks.postgres_goodput [--rounds 3] [--seconds 6]

- `adapter`: 32 lanes with one transfer per request, and 8 lanes with 50, through sequencer, savepoints, hash chain.
- `pgbench`: PostgreSQL's own tool, 32 clients, prepared statements: BEGIN, the same two updates of random rows among
  200, one insert of the same width, COMMIT.
- `minimal`: a hand-written psycopg client on one connection: the same statements in groups of 32, no chain, no
  savepoints, no sockets of ours, nothing refused. What is left is the database.

All on the same server with the same settings (fsync, synchronous_commit and full_page_writes on), tables of their own.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from bench.ledgers import postgres_server
from bench.ledgers.postgres import PostgresLedger
from bench.model.ledger import Network
from benchmarks.closed_loop import ACCOUNTS, Orders, prepared
from benchmarks.contest import Contender, contest, ours, show

CLIENTS = 32
TABLES = """
CREATE SCHEMA native;
CREATE TABLE native.accounts (account INTEGER PRIMARY KEY, balance BIGINT NOT NULL CHECK (balance >= 0));
INSERT INTO native.accounts SELECT number, 1000000000000 FROM generate_series(0, 199) AS made (number);
CREATE TABLE native.transactions (number BIGSERIAL PRIMARY KEY, tx_id BYTEA NOT NULL UNIQUE,
    error_class SMALLINT NOT NULL, payload BYTEA NOT NULL);
"""
TAKE = "UPDATE native.accounts SET balance = balance - 1 WHERE account = {0} AND balance >= 1 RETURNING balance"
GIVE = "UPDATE native.accounts SET balance = balance + 1 WHERE account = {0} RETURNING balance"
SCRIPT = f"""
\\set giver random(0, {ACCOUNTS - 1})
\\set taker random(0, {ACCOUNTS - 1})
BEGIN;
{TAKE.format(":giver")};
{GIVE.format(":taker")};
INSERT INTO native.transactions (tx_id, error_class, payload)
VALUES (decode(md5(random()::text) || md5(random()::text), 'hex'), 0, decode(repeat('00', 64), 'hex'));
COMMIT;
"""
ADD = """
INSERT INTO native.transactions (tx_id, error_class, payload)
SELECT tx_id, 0, payload FROM unnest(%s::bytea[], %s::bytea[]) AS given (tx_id, payload)
"""


def main() -> None:
    """Run the contest on a fresh server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    chosen = parser.parse_args()
    ledger = PostgresLedger()
    with tempfile.TemporaryDirectory(prefix="postgres-goodput-") as folder:
        network = ledger.up(Path(folder), {}, lambda _: None)
        try:
            with connected(network) as connection:
                for statement in TABLES.split(";\n"):
                    connection.execute(statement)
            fixture = prepared(network, "transfer")
            contenders = [
                Contender("adapter, single", ours(_orders(network, fixture, CLIENTS, 1, chosen.seconds))),
                Contender("adapter, batches of 50", ours(_orders(network, fixture, 8, 50, chosen.seconds))),
                Contender("minimal", lambda: minimal(network, chosen.seconds)),
            ]
            if (pgbench := _pgbench()) is not None:
                contenders.append(Contender("pgbench", lambda: native(network, pgbench, chosen.seconds, Path(folder))))
            show(contest(contenders, chosen.rounds))
        finally:
            ledger.down(network)


def connected(network: Network) -> psycopg.Connection[Any]:
    """To the ledger's own server."""
    host, _, port = network.nodes[0].address.partition(":")
    return psycopg.connect(
        host=host,
        port=int(port),
        user=postgres_server.USER,
        password=network.secrets["password"],
        dbname="postgres",
        autocommit=True,
        prepare_threshold=0,
    )


def minimal(network: Network, seconds: float) -> float:
    """Transfers per second of the shortest client."""
    with connected(network) as connection:
        cursor = connection.cursor(binary=True)
        take, give = TAKE.format("%s"), GIVE.format("%s")
        done, began = 0, time.monotonic()
        while time.monotonic() - began < seconds:
            cursor.execute("BEGIN")
            for _ in range(CLIENTS):
                cursor.execute(take, (random.randrange(ACCOUNTS),)).fetchall()
                cursor.execute(give, (random.randrange(ACCOUNTS),)).fetchall()
            cursor.execute(ADD, ([os.urandom(32) for _ in range(CLIENTS)], [bytes(64)] * CLIENTS))
            cursor.execute("COMMIT")
            done += CLIENTS
        return done / (time.monotonic() - began)


def native(network: Network, program: Path, seconds: float, folder: Path) -> float:
    """What pgbench reports."""
    script = folder / "transfer.sql"
    script.write_text(SCRIPT)
    host, _, port = network.nodes[0].address.partition(":")
    command = [str(program), "-n", "-h", host, "-p", port, "-U", postgres_server.USER, "-c", str(CLIENTS), "-j", "1"]
    command += ["-M", "prepared", "--max-tries=100", "-T", str(max(1, int(seconds))), "-f", str(script), "postgres"]
    environment = {**os.environ, "PGPASSWORD": network.secrets["password"]}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def _orders(network: Network, fixture: dict[str, Any], lanes: int, batch: int, seconds: float) -> Orders:
    return Orders("postgres", network.endpoint, {}, fixture, "transfer", lanes, batch, seconds)


def _pgbench() -> Path | None:
    programs = postgres_server.installed()
    found = None if programs is None else programs.folder / "pgbench"
    return found if found is not None and found.is_file() else None


if __name__ == "__main__":
    main()
