from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.ledgers.process import ProcessId
from bench.telemetry.address import Served, announced, served

URL = "http://127.0.0.1:4711/"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def write(state: Path, pid: int, started_at_s: float) -> Path:
    path = state / "watch" / f"{pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(Served(f"http://127.0.0.1:{pid}/", ProcessId(pid, started_at_s)))))
    return path


def test_an_address_is_there_while_it_is_served(state: Path) -> None:
    assert served() == []
    with announced(URL):
        (one,) = served()
        assert (one.url, one.process) == (URL, ProcessId.of(os.getpid()))
        assert [path.name for path in (state / "watch").iterdir()] == [f"{os.getpid()}.json"]
        assert (state / "watch").stat().st_mode & 0o077 == 0
    assert served() == []


def test_it_goes_also_when_the_run_fails(state: Path) -> None:
    with pytest.raises(RuntimeError), announced(URL):
        raise RuntimeError
    assert list((state / "watch").iterdir()) == []


def test_what_a_killed_process_left_counts_for_nothing_and_is_cleared_away(state: Path) -> None:
    left = write(state, os.getpid(), started_at_s=1.0)  # the number is used again by another process
    assert served() == []
    assert not left.exists()


def test_the_latest_comes_first(state: Path) -> None:
    parent = ProcessId.of(os.getppid())
    assert parent is not None
    write(state, parent.pid, parent.started_at_s)
    with announced(URL):
        assert [one.process.pid for one in served()] == [os.getpid(), os.getppid()]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "x", "process": {"pid": 1}}', "\xff"])
def test_what_is_no_address_is_passed_over(state: Path, content: str) -> None:
    (state / "watch").mkdir(parents=True)
    (state / "watch" / "1.json").write_text(content)
    assert served() == []


def test_a_run_goes_on_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    monkeypatch.setenv("BENCH_STATE", str(tmp_path / "state"))
    with announced(URL):
        assert served() == []
