from __future__ import annotations

import socket
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from bench import registry
from benchmarks.goodput.chain import SELECTOR, is_valid_call
from benchmarks.goodput.contenders import CALIPER, PLUGIN, Caliper, publish_plugin
from benchmarks.goodput.flooder import answer


def test_the_plugin_published_for_a_run_is_what_its_project_file_declares(tmp_path: Path) -> None:
    declared = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["entry-points"]
    published = ConfigParser()
    published.read(publish_plugin(tmp_path) / "deposit_workload-1.0.dist-info" / "entry_points.txt")
    assert {section: dict(published[section]) for section in published.sections()} == declared


def test_the_published_plugin_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(publish_plugin(tmp_path)), str(PLUGIN), *sys.path])
    workload = registry.workload("deposit")
    assert [operation.name for operation in workload.operations] == ["deposit_checking"]
    assert (workload.directory / "evm" / "contract.json").is_file()


@pytest.mark.parametrize(
    ("controller", "value", "expected"),
    [
        ("fixed-rate", 600, {"type": "fixed-rate", "opts": {"tps": 600}}),
        ("fixed-load", 900, {"type": "fixed-load", "opts": {"transactionLoad": 900, "startTps": 900}}),
    ],
)
def test_rate_controllers_of_caliper(controller: str, value: int, expected: object) -> None:
    chosen = Caliper(2, controller, value, Path())
    assert chosen.rate_control() == expected
    assert chosen.name == f"caliper 2:{controller}:{value}"


def test_calipers_committed_round_names_its_workload_module() -> None:
    (only,) = yaml.safe_load((CALIPER / "benchmark.yaml").read_text())["test"]["rounds"]
    assert (CALIPER / only["workload"]["module"]).is_file()


def trace(to: str | None, data: str, error: str | None = None) -> dict[str, object]:
    found: dict[str, object] = {"action": {"to": to, "input": data}}
    return found if error is None else {**found, "error": error}


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (trace("0xbank", SELECTOR + "00"), True),
        (trace("0xbank", SELECTOR + "00", "Reverted"), False),
        (trace("0xother", SELECTOR + "00"), False),
        (trace("0xbank", "0x"), False),
        ({"action": {"init": "0x60"}}, False),
    ],
)
def test_only_successful_calls_of_the_bank_count(found: dict[str, object], counts: bool) -> None:
    assert is_valid_call(found, "0xbank") is counts


def test_the_flooder_reads_an_answer_that_comes_in_pieces() -> None:
    node, client = socket.socketpair()
    with node, client:
        node.sendall(b"HTTP/1.1 200 OK\r\nContent-")
        node.sendall(b"Length: 11\r\n\r\n[1,2,3,")
        node.sendall(b"4,5]")
        assert answer(client) == b"[1,2,3,4,5]"
