"""The client program beside one adapter: started, asked over its socket, and ended with its adapter or our process."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from bench.adapters.fabric.profile import Profile
from bench.adapters.protocol import Endpoint
from bench.adapters.socket_client import NodeClient
from bench.model.errors import LedgerError

KIND = "fabric"
_END_S = 2.0
_BUILD_TIMEOUT_S = 1800


class FabricClient(NodeClient):
    """The program's answers. A failure to reach the network is told in its own words."""

    def _greet(self, kind: str) -> list[object]:
        greeting: list[object] = self._answer(["hello"])
        if greeting[0] == "error":
            raise LedgerError(
                f"the Fabric peer gives no blocks: {greeting[1]}",
                remedy="check that the peer runs, that the channel exists there, and that the identity may read it",
            )
        return greeting if greeting[:2] == ["hello", kind] else super()._greet(kind)


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """What the program is told. `cert` and `key` are files; `timeout_s` bounds each call it makes."""

    profile: Profile
    cert: Path
    key: Path
    submit_path: str
    streams: int
    timeout_s: float

    def as_line(self, socket: Path) -> bytes:
        """The line of JSON it reads first."""
        config = {
            "socket": str(socket),
            "channel": self.profile.channel,
            "msp_id": self.profile.msp_id,
            "cert_file": str(self.cert),
            "key_file": str(self.key),
            "submit_path": self.submit_path,
            "endorsers": [server.as_json() for server in self.profile.endorsers],
            "peer": self.profile.peer.as_json(),
            "orderers": [server.as_json() for server in self.profile.orderers],
            "streams": self.streams,
            "timeout_s": self.timeout_s,
        }
        return json.dumps(config).encode() + b"\n"


class ClientProcess:
    """One running client program. `close` is idempotent. Its directory goes when it is closed, and also when our own
    process was killed: its input ends, and it removes the directory. So a key given as text (`pem`) is kept there.
    """

    def __init__(self, program: Path, spec: ClientSpec, pem: str | None = None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="bench-fabric-"))
        self._socket = self._directory / "client.sock"
        with (self._directory / "client.log").open("wb") as log:
            self._child: subprocess.Popen[bytes] | None = _started(program, log)
        self.key = spec.key
        try:
            if pem is not None:
                self.key = self._directory / "key.pem"
                self.key.touch(mode=0o600)
                self.key.write_text(pem + "\n")
            self._await_ready(replace(spec, key=self.key).as_line(self._socket))
        except BaseException:
            self.close()
            raise

    def connect(self, timeout_s: float) -> FabricClient:
        """A client of the program; raises LedgerError when the network does not answer."""
        # The program gives up after `timeout_s`; what it then says must still be heard.
        return FabricClient(Endpoint(f"unix:{self._socket}", timeout_s=timeout_s + 2.0), KIND)

    def close(self) -> None:
        """End the program and remove what it left."""
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # it has ended already
                    pipe.close()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _await_ready(self, line: bytes) -> None:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise LedgerError("the Fabric client program has no pipes", remedy="start it again")
        with contextlib.suppress(BrokenPipeError):  # it ended: its log says why
            child.stdin.write(line)
            child.stdin.flush()
        if child.stdout.readline() != b"ready\n":
            said = (self._directory / "client.log").read_text(errors="replace").strip()
            raise LedgerError(f"the Fabric client program did not start: {said}", remedy="check the adapter's options")


def find_program() -> Path:
    """Build the client program where it is not in the cache yet. In a process of its own: building is the business of
    `bench.ledgers`, which adapters do not know.
    """
    command = [sys.executable, "-m", "bench.ledgers.fabric.client_program"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LedgerError(f"the Fabric client program could not be built: {error}") from error
    if done.returncode != 0:
        raise LedgerError(f"the Fabric client program could not be built: {done.stderr.strip()}")
    return Path(done.stdout.strip())


def _started(program: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    except OSError as error:
        raise LedgerError(
            f"the Fabric client program cannot be started: {error}", value=str(program),
            remedy="leave the option `client` out, or install it again with `bench.py ledgers install fabric`",
        ) from error  # fmt: skip
