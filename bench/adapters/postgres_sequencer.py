"""The sequencer in front of a PostgreSQL server that is not ours: started, awaited, ended; and a look at the address.

It is the program a managed ledger runs too, a process of its own: it uses a C library that blocks, and one writer is
what makes the order in the chain the order of execution. It ends with this process, however that happens, because it
listens to a pipe that closes then, and it removes its schema on the way out.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from bench.model.errors import ConfigurationError, LedgerError
from bench.model.wire import Address, Connection, WireError

PROGRAM = "bench.ledgers.postgres_node"  # by name: adapters do not import ledgers
READY_S = 60.0
STOP_S = 20.0
_PORT = 5432
_SSL_REQUEST = struct.pack(
    ">II", 8, 80877103
)  # "do you speak TLS?", which any server answers before it asks who we are
_PAUSE_S = 0.05
_LOG_LINES = 6
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class Sequencer:
    """One process and its socket. Raises LedgerError from the constructor, leaving nothing behind, when it fails."""

    def __init__(self, database: str, password: str, max_group: int) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
        self.url = f"unix:{self._directory / 'sequencer.sock'}"
        command = [sys.executable, "-m", PROGRAM, "--socket", self.url.removeprefix("unix:"), "--database", database]
        command += ["--schema", f"bench_{secrets.token_hex(6)}", "--max-group", str(max_group), "--drop", "--lifeline"]
        path = os.pathsep.join([str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        given = {"PGPASSWORD": password} if password else {}
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path, **given},
                start_new_session=True,  # an interrupt at the terminal is for us to pass on, after the last commit
            )
        try:
            self._await(database)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it after its last commit; idempotent."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _await(self, database: str) -> None:
        deadline = time.monotonic() + READY_S
        address = Address.parse(self.url)
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                connection = Connection(address, READY_S)
                connection.request(["hello"])
                connection.close()
                return
            except (WireError, TimeoutError):
                time.sleep(_PAUSE_S)
        lines = (self._directory / "log").read_text(errors="replace").splitlines()[-_LOG_LINES:]
        raise LedgerError(
            "the sequencer could not work on this database: " + " / ".join(lines),
            value=database,
            remedy="check the address, that the role may create a schema there, and the password in --key-file",
        )


def check_address(url: str) -> None:
    """ConfigurationError when the address holds a password, which would be written into the bundle."""
    parts = urlsplit(url)
    keys = {name.lower() for name, _ in parse_qsl(parts.query)}
    if ":" in parts.netloc.rpartition("@")[0] or keys & {"password", "sslpassword", "passfile"}:
        raise ConfigurationError(
            "the database's address carries a password", remedy="put it in a file and name that with --key-file"
        )
    if not parts.hostname or re.search(r"\s", url):
        raise ConfigurationError("the database's address names no host", value=url, remedy=_LIKE)


def probe(url: str, timeout_s: float) -> None:
    """LedgerError unless a PostgreSQL server listens there. Plain sockets: this may run anywhere."""
    parts = urlsplit(url)
    host, port = unquote(parts.hostname or ""), parts.port or _PORT
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.sendall(_SSL_REQUEST)
            answer = connection.recv(1)
    except OSError as error:
        raise LedgerError(f"no PostgreSQL server answers: {error}", value=f"{host}:{port}", remedy=_LIKE) from error
    if answer not in (b"S", b"N"):
        raise LedgerError("what listens there is no PostgreSQL server", value=f"{host}:{port}", remedy=_LIKE)


_LIKE = "write it as postgresql://user@host:5432/database"
