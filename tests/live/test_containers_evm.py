"""The containers' EVM profile without containers: the node with its flags, the health check, and the run's script."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.ledgers.anvil import AnvilLedger
from bench.ledgers.ports import free_port
from bench.ledgers.process import spawn, wait_ready
from bench.model.errors import BenchError
from tests.support.live import missing

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())["services"]


def health(*arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "docker/health.py", *arguments], cwd=ROOT, timeout=10, check=False
    ).returncode


def here(text: str, keys: Path) -> str:
    """A command or script of the containers, with this machine's addresses and the example's values."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return text.replace("0.0.0.0", "127.0.0.1").replace("/keys/keys.json", str(keys / "keys.json"))


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    """The container's node, on a free port; its keys are in `tmp_path`."""
    try:
        program = AnvilLedger().install(lambda line: None)
    except BenchError as error:
        missing(f"anvil: {error}")
    port = free_port()
    command = here(SERVICES["anvil"]["command"], tmp_path).replace("--port 8545", f"--port {port}")
    url = f"http://127.0.0.1:{port}"
    assert health(url, "eth_chainId") == 1
    process = spawn([str(program), *command.split()], directory=tmp_path / "node", name="anvil")
    try:
        wait_ready(process, lambda: health(url, "eth_chainId") == 0, 20, "anvil")
        yield url
    finally:
        process.stop()


def test_the_runs_script_finds_the_nodes_key_and_runs(endpoint: str, tmp_path: Path) -> None:
    assert health(endpoint, "no_such_method") == 1
    script = here((ROOT / "docker" / "run-evm.sh").read_text(), tmp_path).replace("python ", f"{sys.executable} ")
    command = here(SERVICES["run-evm"]["command"], tmp_path).replace("/results", str(tmp_path / "results"))
    command = (
        command.replace("--duration 120s", "--duration 4s").replace("--rate 200", "--rate 20").replace("9464", "0")
    )
    done = subprocess.run(
        ["sh", "-c", script, "run-evm.sh", *command.split()],
        cwd=ROOT,
        env={**os.environ, "BENCH_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 3), done.stdout + done.stderr  # 3: this machine was too busy to send on time
    (result,) = (tmp_path / "results").glob("*/result.json")
    trial = json.loads(result.read_text())["trials"][0]
    assert trial["counts"]["finalized"] > 30
