"""`ledgers …` as a user types it: each command a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Command]:
    """The command line with a state directory of its own; whatever it left running is stopped at the end."""
    environment = {**os.environ, "BENCH_STATE": str(tmp_path / "state")}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "bench.py"), *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=120,
            check=False,
        )

    yield command
    command("ledgers", "down")


def test_anvil_is_installed_started_shown_used_and_stopped(bench: Command) -> None:
    installed = bench("ledgers", "install", "anvil", "--json")
    assert installed.returncode == 0, installed.stderr
    assert Path(json.loads(installed.stdout)["anvil"]).name == "anvil"

    up = bench("ledgers", "up", "anvil", "--option", "chain_id=4242", "--json")
    assert up.returncode == 0, up.stderr
    left = json.loads(up.stdout)
    assert "funding_key" not in up.stdout, "the key is in its file only"
    node = psutil.Process(left["pids"][0])
    assert node.name() == "anvil"
    assert chain_id(left["endpoint"]) == 4242
    assert len(Path(left["key_file"]).read_text().strip()) == 66

    shown = json.loads(bench("ledgers", "status", "--json").stdout)
    assert shown == [left]
    assert left["endpoint"] in bench("ledgers", "status").stdout

    again = bench("ledgers", "up", "anvil")
    assert again.returncode == 2
    assert "error: anvil is up already" in again.stderr

    down = bench("ledgers", "down", "anvil")
    assert (down.returncode, down.stdout) == (0, "anvil: stopped\n")
    assert not node.is_running()
    assert bench("ledgers", "down", "anvil").stdout == "anvil: was not up\n"
    assert bench("ledgers", "status").stdout == "no ledger is up\n"
    assert not Path(left["key_file"]).exists()


@pytest.mark.parametrize("pipe", ["| head -1", "2>&1 | head -1", "2>&1 | true"])
def test_a_pipe_that_closes_early_leaves_a_ledger_that_down_knows(bench: Command, tmp_path: Path, pipe: str) -> None:
    command = f"set -o pipefail; {sys.executable} {ROOT}/bench.py ledgers up sqlite {pipe}"
    environment = {**os.environ, "BENCH_STATE": str(tmp_path / "state")}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    (left,) = json.loads(bench("ledgers", "status", "--json").stdout)
    (node,) = [psutil.Process(pid) for pid in left["pids"]]
    assert bench("ledgers", "down", "sqlite").stdout == "sqlite: stopped\n"
    assert not node.is_running()


def test_a_node_that_was_killed_is_shown_as_ended_and_can_be_cleared(bench: Command) -> None:
    left = json.loads(bench("ledgers", "up", "sqlite", "--json").stdout)
    node = psutil.Process(left["pids"][0])
    node.kill()
    psutil.wait_procs([node], timeout=5)
    assert json.loads(bench("ledgers", "status", "--json").stdout)[0]["running"] is False
    assert bench("ledgers", "down").returncode == 0
    assert json.loads(bench("ledgers", "status", "--json").stdout) == []


def test_all_ledgers_are_listed(bench: Command) -> None:
    listed = {entry["name"]: entry for entry in json.loads(bench("ledgers", "list", "--json").stdout)}
    assert listed["anvil"]["version"] == "1.7.1"
    assert listed["sqlite"]["download"] == "nothing"
    assert listed["sqlite"]["installed"] is not None


def test_an_unknown_ledger_gets_the_nearest_name(bench: Command) -> None:
    done = bench("ledgers", "up", "anvl")
    assert done.returncode == 2
    assert "did you mean 'anvil'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_starts_nothing(bench: Command) -> None:
    done = bench("ledgers", "up", "anvil", "--option", "blocktime_s=1")
    assert done.returncode == 2
    assert "did you mean block_time_s?" in done.stderr
    assert json.loads(bench("ledgers", "status", "--json").stdout) == []


def chain_id(endpoint: str) -> int:
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=10)
    try:
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
        connection.request("POST", "/", call, {"Content-Type": "application/json"})
        return int(json.loads(connection.getresponse().read())["result"], 16)
    finally:
        connection.close()
