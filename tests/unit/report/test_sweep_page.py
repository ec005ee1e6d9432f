from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from bench.bundle.reader import read_bundle
from bench.report.sweep_page import CellResult, as_csv, as_table, page, write_sweep
from tests.support.bundles import synthetic_bundle


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[CellResult]:
    parent = tmp_path_factory.mktemp("sweep")
    found = []
    for number, rate in enumerate((200.0, 400.0), start=1):
        for ledger in ("anvil", "sqlite"):
            path = parent / f"{ledger}-{number}"
            synthetic_bundle(path, ledger=ledger, workload="transfer", trials=5, seconds=5, goodput=rate, seed=number)
            result = read_bundle(path).result
            found.append(CellResult(number, {"arrival.rate": rate, "load.batch": 1}, 0, result, f"cell/{path.name}"))
    found.append(CellResult(3, {"arrival.rate": 800.0, "load.batch": 1}, 5, problem="it <died>"))
    found.append(CellResult(4, {"arrival.rate": 900.0, "load.batch": 1}, None))
    return found


def test_the_table_as_csv(cells: list[CellResult]) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(cells))))
    assert [line["arrival.rate"] for line in lines] == ["200.0", "200.0", "400.0", "400.0", "800.0", "900.0"]
    first = lines[0]
    assert (first["cell"], first["ledger"], first["verdict"], first["trials"]) == ("1", "anvil", "valid", "5")
    assert float(first["goodput_low"]) <= float(first["goodput_per_s"]) <= float(first["goodput_high"])
    assert float(first["goodput_per_s"]) == pytest.approx(200, rel=0.05)
    assert (lines[4]["verdict"], lines[4]["exit_code"], lines[4]["goodput_per_s"]) == ("it <died>", "5", "")
    assert (lines[5]["verdict"], lines[5]["exit_code"]) == ("not run", "")


def test_one_varied_key_is_drawn_with_a_line_per_ledger(cells: list[CellResult]) -> None:
    made = page("rates", cells)
    assert made.subtitle == "4 of 6 results · arrival.rate varied"
    goodput, latency = made.charts
    assert [key.label for key in goodput.keys] == ["Offered", "anvil", "sqlite"]
    assert [key.label for key in latency.keys] == ["anvil", "sqlite"]
    assert "at 200" in goodput.alternative
    assert "800" not in goodput.alternative


def test_two_varied_keys_are_a_table_only(cells: list[CellResult]) -> None:
    other = CellResult(5, {"arrival.rate": 200.0, "load.batch": 10}, 0, cells[0].result, "cell/b")
    assert page("rates", [*cells, other]).charts == ()


def test_text_values_stand_in_the_order_of_the_file(cells: list[CellResult]) -> None:
    named = [
        CellResult(number, {"phases.duration": at}, 0, cell.result, "b")
        for number, (at, cell) in enumerate(zip(("20s", "5s"), (cells[0], cells[2]), strict=True), start=1)
    ]
    goodput = page("d", named).charts[0]
    assert goodput.svg.index("20s") < goodput.svg.index(">5s<")


def test_the_page_escapes_and_loads_nothing(cells: list[CellResult], tmp_path: Path) -> None:
    written = write_sweep(tmp_path, "rates", cells)
    text = written.read_text()
    assert "it &lt;died&gt;" in text
    assert "<script" not in text
    assert "http://" not in text
    assert 'href="cell/anvil-1/report.html"' in text
    assert (tmp_path / "sweep.csv").read_text() == as_csv(cells)


def test_the_table_for_a_terminal(cells: list[CellResult]) -> None:
    headers, rows = as_table(cells)
    assert headers == ("arrival.rate", "load.batch", "LEDGER", "VERDICT", "OFFERED", "GOODPUT", "P99")
    assert rows[0][2:4] == ("anvil", "valid")
    assert rows[-1][3] == "not run"


def test_a_sweep_of_which_nothing_was_run(cells: list[CellResult]) -> None:
    assert page("rates", cells[-2:]).charts == ()
