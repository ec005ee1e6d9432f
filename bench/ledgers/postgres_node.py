"""The sequencer in front of a PostgreSQL database: `python -m bench.ledgers.postgres_node --socket … --database …`.

Whatever arrived while a commit was under way is the next group; see `bench.ledgers.postgres_chain`. What it takes and
answers: `bench.ledgers.chain_service`. The password comes in the environment (PGPASSWORD), never on the command line.
With `--lifeline` it ends when its standard input does, so that it never outlives the adapter that started it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg

from bench.ledgers.chain_service import ChainService
from bench.ledgers.postgres_chain import PostgresChain
from bench.ledgers.socket_server import SocketServer
from bench.model.errors import BenchError, ExitCode
from bench.model.wire import Address, listen

KIND = "postgres"
logger = logging.getLogger("postgres-sequencer")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        chain = PostgresChain(options.database, options.schema, insist=options.insist)
    except (BenchError, psycopg.Error) as error:
        logger.error("cannot start: %s", error)
        return ExitCode.LEDGER_FAILED
    server = None
    try:
        server = SocketServer(listen(Address(path=options.socket)), ChainService(KIND, chain, options.max_group))
        server.stop_on_signals()
        if options.lifeline:
            threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        logger.info("serving at height %d, %s", chain.head.height, ", ".join(chain.settings))
        server.run()
    except (BenchError, psycopg.Error, OSError) as error:  # what is durable is for the next start to find out
        logger.error("stopping: %s", error)
        return ExitCode.LEDGER_FAILED
    finally:
        Path(options.socket).unlink(missing_ok=True)
        _release(chain, drop=options.drop)
    logger.info("stopped at height %d", chain.head.height)
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="postgres_node", description="Sequencer in front of PostgreSQL")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    parser.add_argument("--database", required=True, help="postgresql:// address, without a password")
    parser.add_argument("--schema", default="bench", help="schema of ours; created when missing")
    parser.add_argument("--max-group", type=int, default=1000, help="most transactions in one commit")
    parser.add_argument("--insist", action="store_true", help="refuse a server that does not make commits durable")
    parser.add_argument("--drop", action="store_true", help="remove the schema at the end")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input ends")
    return parser


def _stop_at_end_of_input(server: SocketServer) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.stop()


def _release(chain: PostgresChain, *, drop: bool) -> None:
    try:
        chain.close(drop=drop)
    except psycopg.Error as error:
        logger.error("the schema could not be removed: %s", error)


if __name__ == "__main__":
    raise SystemExit(main())
