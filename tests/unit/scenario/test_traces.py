from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.model.errors import ConfigurationError
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.traces import MOST_POINTS, published_traces, read_trace

NAMES = ["amazon", "apple", "dota", "facebook", "football", "gafam", "google", "microsoft", "uber", "youtube"]


def test_published_traces_by_name() -> None:
    assert list(published_traces()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_published_trace_plans_what_its_source_counts(name: str) -> None:
    mapping: dict[str, Any] = {
        "name": "x",
        "ledger": "sqlite",
        "workload": "transfer",
        "arrival": {"process": "trace", "name": name},
    }
    scenario = scenario_from_mapping(mapping)
    assert scenario.process.planned(scenario.phases.duration_ns) == published_traces()[name].total


def test_gafam_opens_with_its_peak() -> None:
    gafam = published_traces()["gafam"]
    assert gafam.points[:2] == ((0, 19800), (1, 115))
    assert gafam.total == 30_327
    assert gafam.points[-1] == (181, 0)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("t.csv", "0,120\n60.5,7.25\n\n90,0\n"),
        ("t.csv", "\ufeffsecond,rate\r\n0, 120\r\n60.5 ,7.25\r\n90,0\r\n"),
        ("t.json", "[[0, 120], [60.5, 7.25], [90, 0]]"),
    ],
)
def test_a_trace_file_is_read(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8", newline="")
    assert read_trace(tmp_path / file) == [[0, 120], [60.5, 7.25], [90, 0]]


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("t.csv", b"", "is not rows of two numbers"),
        ("t.csv", b"0,1,2\n", "is not rows of two numbers"),
        ("t.csv", b"0,1\nsoon,2\n", "row 2 is not a number"),
        ("t.csv", b"\xff\xfe\x00", "cannot be read as UTF-8 text"),
        ("t.csv", b"0,1\n" * (MOST_POINTS + 1), f"has {MOST_POINTS + 1} rows"),
        ("t.csv", b'0,"' + b"1" * 200_000, "is not CSV"),
        ("t.json", b"{}", "is not a list of rows"),
        ("t.json", b"[[0, true]]", "row 1 is not a number"),
        ("t.json", b"[[0,", "is not JSON"),
        ("t.json", b"[" * 100_000, "is not JSON"),
        ("t.csv", b"0" * 4_000_001, "is larger than 4 MB"),
    ],
)
def test_a_bad_trace_file_is_refused(tmp_path: Path, file: str, content: bytes, says: str) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ConfigurationError, match=says):
        read_trace(tmp_path / file)


def test_a_missing_trace_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a file"):
        read_trace(tmp_path / "none.csv")
