"""NodeDown on a real network: one of three etcd nodes is frozen under load, the other two go on, and it is told."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest

from bench.ledgers.ports import free_port
from bench.model.errors import BenchError
from bench.registry import ledger
from bench.telemetry.prometheus import Server
from tests.support.cli import Cli
from tests.support.live import missing
from tests.support.prometheus import prometheus, until

pytestmark = pytest.mark.live

LOAD = ["--ledger", "etcd", "--workload", "transfer", "--rate", "40", "--duration", "40s", "--trials", "1"]
TOLD_WITHIN_S = 20.0
ENDED_WITHIN_S = 25.0


def test_a_node_that_hangs_is_told_by_its_name_and_taken_back(tmp_path: Path) -> None:
    try:
        ledger("etcd").install(lambda _: None)
    except BenchError as error:
        missing(f"etcd: {error}")
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    cli = Cli(tmp_path)
    with prometheus(tmp_path / "prometheus", [address], nodes_of=[address]) as server:
        try:
            cli.start("run", *LOAD, "--out", str(cli.out), "--metrics-listen", address)
            until(
                lambda: under_load(server) and values(server, "bench:node_up == 1") == 3, 60, "three nodes under load"
            )
            (victim, *_) = [one.labels["node"] for one in server.instant("etcd_server_is_leader == 0")]
            before = values(server, "max(bench:node_height)")
            node = process_of(cli, victim)
            node.send_signal(signal.SIGSTOP)
            try:
                began = time.monotonic()
                until(lambda: down(server) != [], TOLD_WITHIN_S, "the alert")
                assert time.monotonic() - began > 4, "not at the first reading that fails"
                assert down(server) == [victim]
                assert under_load(server)
                assert values(server, "max(bench:node_height)") > before, "two of three go on"
            finally:
                node.send_signal(signal.SIGCONT)
            until(lambda: down(server) == [], ENDED_WITHIN_S, "its end")
        finally:
            cli.end()


def under_load(server: Server) -> bool:
    return bool(server.instant('bench_phase{phase="measure"} == 1'))


def values(server: Server, query: str) -> float:
    """The sum of what is answered; 0 when there is nothing."""
    return sum(one.value for one in server.instant(query))


def down(server: Server) -> list[str]:
    return [one.labels["node"] for one in server.alerts() if one.name == "NodeDown" and one.state == "firing"]


def process_of(cli: Cli, node: str) -> psutil.Process:
    """The node itself: the guard that ends it with its parent has its command among its own arguments."""
    lines = {one: one.cmdline() for one in cli.descendants()}
    (found,) = [one for one, words in lines.items() if words and Path(words[0]).name == "etcd" and node in words]
    return found
