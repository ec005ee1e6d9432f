"""The embedded baseline as a process: `python -m bench.ledgers.sqlite_node --socket … --database …`.

What it takes and answers: `bench.ledgers.chain_service`.
"""

from __future__ import annotations

import argparse
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bench.ledgers.chain_service import ChainService
from bench.ledgers.socket_server import SocketServer
from bench.ledgers.sqlite_chain import SqliteChain
from bench.model.errors import BenchError, ExitCode
from bench.model.wire import Address, listen

KIND = "sqlite"
logger = logging.getLogger("sqlite-node")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the exit code."""
    parser = argparse.ArgumentParser(prog="sqlite_node", description="Embedded baseline ledger")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    parser.add_argument("--database", required=True, type=Path, help="the SQLite file; created when missing")
    parser.add_argument("--max-group", type=int, default=1000, help="most transactions in one commit")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        chain = SqliteChain(options.database)
        listener = listen(Address(path=options.socket))
    except (BenchError, sqlite3.Error, OSError) as error:
        logger.error("cannot start: %s", error)
        return ExitCode.LEDGER_FAILED
    server = SocketServer(listener, ChainService(KIND, chain, options.max_group))
    server.stop_on_signals()
    logger.info("serving %s at height %d, %s", options.database, chain.head.height, ", ".join(chain.settings))
    try:
        server.run()
    except sqlite3.Error as error:  # full disk, failed fsync: what is durable is for the next start to find out
        logger.error("commit failed, stopping: %s", error)
        return ExitCode.LEDGER_FAILED
    finally:
        Path(options.socket).unlink(missing_ok=True)
        chain.close()
    logger.info("stopped at height %d", chain.head.height)
    return ExitCode.DONE


if __name__ == "__main__":
    raise SystemExit(main())
