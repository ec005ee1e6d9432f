"""An anvil of its own per test: `anvil_network` gives endpoint and funding key, and stops the node whatever happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_FLAGS = {"block_time": "--block-time", "gas_limit": "--gas-limit", "chain_id": "--chain-id", "hardfork": "--hardfork"}


@dataclass(frozen=True)
class AnvilNetwork:
    endpoint: str
    funding_key: str
    pid: int

    @property
    def ws_endpoint(self) -> str:
        return self.endpoint.replace("http://", "ws://")


@contextmanager
def anvil_network(tmp_path: Path, **options: object) -> Iterator[AnvilNetwork]:
    """Options: block_time (seconds; default 1, None mines at once), gas_limit, chain_id, hardfork, no_mining."""
    command = [str(_program(tmp_path)), "--port", "0", "--host", "127.0.0.1"]
    if options.pop("no_mining", False):
        command.append("--no-mining")
    else:
        options.setdefault("block_time", 1)
    options.setdefault("gas_limit", 300_000_000)
    for name, value in options.items():
        if value is not None:
            command += [_FLAGS[name], str(value)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    key, port, drain = "", 0, None
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and (line := process.stdout.readline()):
            if found := re.search(r"\(0\) (0x[0-9a-f]{64})", line):
                key = found[1]
            if found := re.search(r"Listening on 127\.0\.0\.1:(\d+)", line):
                port = int(found[1])
                break
        assert port, "anvil did not start"
        drain = threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True)
        drain.start()
        yield AnvilNetwork(f"http://127.0.0.1:{port}", key, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if drain is not None:
            drain.join(5)
        process.stdout.close()


def _program(tmp_path: Path) -> Path:
    archive = Path(os.environ.get("ANVIL_TARBALL", "/tmp/a/foundry-rs-anvil-linux-amd64-1.7.1.tgz"))
    program = tmp_path.parent / "package" / "bin" / "anvil"
    if not program.exists():
        with tarfile.open(archive) as tar:
            tar.extract("package/bin/anvil", tmp_path.parent, filter="data")
        program.chmod(0o755)
    return program
