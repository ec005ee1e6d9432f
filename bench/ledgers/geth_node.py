"""What every network of geth nodes shares: the program, its flags, its keys, and asking a node something.

Two versions are in use, because the last that seals without a beacon chain is 1.13.15. Which networks they form is the
business of `bench.ledgers.geth` and `bench.ledgers.geth_clique`.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from coincurve import PrivateKey

from bench.ledgers.install import golang
from bench.ledgers.install.golang import GoProgram
from bench.ledgers.protocol import Progress
from bench.model.errors import LedgerError
from bench.model.keccak import keccak256
from bench.model.values import JsonValue

MODULE = "github.com/ethereum/go-ethereum"
METRICS_PATH = "/debug/metrics/prometheus"
FUNDING_KEY = "funding_key"
_PACKAGE = "cmd/geth"
_PROGRAM = "geth"
_ASK_TIMEOUT_S = 2.0
_RUN_TIMEOUT_S = 30.0
_VERSION = re.compile(r"^Version: (\d+\.\d+\.\d+)", re.MULTILINE)

POOL_PER_ACCOUNT = 65_536
POOL_IN_ALL = 1_000_000
"""Far above what any run has in flight: geth's own 16 guaranteed slots per account and 6,144 in all would be the limit
measured. A million transfers are some 700 MB, which only a node that has stopped making blocks would come to hold.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A secp256k1 key and what follows from it."""

    secret: bytes

    @classmethod
    def named(cls, purpose: str) -> Key:
        """The same for everybody who asks for the same purpose, so that addresses repeat; worth nothing elsewhere."""
        return cls(keccak256(f"ledger-bench {purpose}".encode()))

    @property
    def public(self) -> bytes:
        """64 bytes: the point without its prefix."""
        return PrivateKey(self.secret).public_key.format(compressed=False)[1:]

    @property
    def address(self) -> str:
        """0x and 40 lower-case digits."""
        return "0x" + keccak256(self.public)[12:].hex()


class Geth:
    """The program of one version: from PATH when it is exactly that, else built once from its module.

    Built with cgo, because without it signatures are recovered by a slower library and another node is measured.
    """

    def __init__(self, version: str, sum_: str, ldflags: tuple[str, ...] = ()) -> None:
        self.version = version
        self.source = GoProgram(
            module=MODULE,
            version=f"v{version}",
            sum=sum_,
            packages=(_PACKAGE,),
            size="about 150 MB of modules",
            takes="2 to 4 minutes on two cores",
            cgo=True,
            ldflags=ldflags,
        )

    def installed(self) -> Path | None:
        """Asks no network."""
        found = shutil.which(_PROGRAM)
        if found is not None and version_of(Path(found)) == self.version:
            return Path(found).resolve()
        folder = golang.cached(self.source)
        return None if folder is None else folder / _PROGRAM

    def install(self, progress: Progress) -> Path:
        """Build it unless it is there. LedgerError where go or a C compiler is missing."""
        return self.installed() or golang.build(self.source, progress) / _PROGRAM


def network_mark() -> bytes:
    """32 bytes for the `extraData` of a genesis block. Keys and the rest of it are the same in every network, so that
    without a mark the first blocks would be equal, and what was prepared on one network be taken for the next one's.
    """
    return secrets.token_bytes(32)


def version_of(program: Path) -> str | None:
    """What the program says; None when it does not run."""
    try:
        done = subprocess.run(
            [str(program), "version"], capture_output=True, text=True, timeout=_RUN_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    matched = _VERSION.search(done.stdout)
    return None if matched is None else matched[1]


def import_key(program: Path, directory: Path, key: Key) -> Path:
    """Put `key` into the keystore of the data directory `directory`; returns the file of its (empty) password."""
    directory.mkdir(parents=True, exist_ok=True)
    plain, password = directory / "key", directory / "password"
    password.touch()
    plain.touch(mode=0o600)
    plain.write_text(key.secret.hex())
    try:
        run_once(program, directory, "account", "import", "--lightkdf", "--password", str(password), str(plain))
    finally:
        plain.unlink()
    return password


def run_once(program: Path, directory: Path, *arguments: str) -> None:
    """Let geth do one thing to the data directory `directory`, and end. LedgerError with its words when it fails."""
    command = [str(program), "--datadir", str(directory), "--verbosity", "1", *arguments]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_RUN_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        raise LedgerError(
            f"geth {arguments[0]} failed", value=said[-300:], remedy=f"see {directory}, and the disk's free space"
        ) from error


def pool_flags() -> tuple[str, ...]:
    """A pool that no run fills; nothing is favoured for having come in by RPC, and no journal is written for that."""
    return (
        *("--txpool.nolocals", "--txpool.journal", ""),
        *("--txpool.accountslots", str(POOL_PER_ACCOUNT), "--txpool.globalslots", str(POOL_IN_ALL)),
        *("--txpool.accountqueue", str(POOL_PER_ACCOUNT), "--txpool.globalqueue", str(POOL_IN_ALL)),
    )


def server_flags(host: str, port: int, metrics_port: int, apis: str) -> tuple[str, ...]:
    """JSON-RPC by HTTP and WebSocket on one port, Prometheus on another, no file socket (its path may be too long)."""
    return (
        *("--http", "--http.addr", host, "--http.port", str(port), "--http.api", apis),
        *("--ws", "--ws.addr", host, "--ws.port", str(port), "--ws.api", apis),
        *("--metrics", "--metrics.addr", host, "--metrics.port", str(metrics_port), "--ipcdisable"),
    )


def ask(address: str, method: str, *parameters: JsonValue) -> JsonValue:
    """The result of one call to `host:port`; None while the node does not answer, or answers with an error."""
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)})
    connection = http.client.HTTPConnection(address, timeout=_ASK_TIMEOUT_S)
    try:
        connection.request("POST", "/", call, {"Content-Type": "application/json"})
        answer: dict[str, JsonValue] = json.loads(connection.getresponse().read())
        return answer.get("result")
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return None
    finally:
        connection.close()


def ask_number(address: str, method: str) -> int:
    """A quantity; -1 while the node does not answer."""
    answer = ask(address, method)
    try:
        return int(answer, 16) if isinstance(answer, str) else -1
    except ValueError:
        return -1
