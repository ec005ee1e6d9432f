from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.model.errors import ConfigurationError
from bench.scenario.publish import SWEEP_PUBLISHED, sweep_json_schema, sweep_published_text
from bench.scenario.sweep import Sweep, load_sweep, settings_of

ROOT = Path(__file__).parents[3]
BASE = {
    "name": "base",
    "ledgers": ["anvil", "sqlite"],
    "workload": "transfer",
    "arrival": {"process": "constant", "rate": 100},
    "phases": {"duration": "5s"},
}


def write(folder: Path, **changes: Any) -> Path:
    sweep = {"name": "s", "scenario": BASE, "vary": {"arrival.rate": [100, 200], "load.batch": [1, 10]}, **changes}
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(sweep, sort_keys=False))
    return path


def mistakes(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_sweep(path)
    return str(caught.value)


def test_every_combination_is_a_scenario(tmp_path: Path) -> None:
    loaded = load_sweep(write(tmp_path))
    found = [(c.number, c.scenario.arrival.rate, c.scenario.load.batch) for c in loaded.cells]  # type: ignore[union-attr]
    assert found == [(1, 100, 1), (2, 100, 10), (3, 200, 1), (4, 200, 10)]
    assert loaded.cells[3].label == "arrival.rate=200, load.batch=10"
    assert {cell.scenario.name for cell in loaded.cells} == {"base"}


def test_excluded_combinations_are_left_out(tmp_path: Path) -> None:
    loaded = load_sweep(write(tmp_path, exclude=[{"arrival.rate": 100, "load.batch": 10}]))
    assert [cell.number for cell in loaded.cells] == [1, 2, 3]
    assert [cell.settings for cell in loaded.cells][1:] == [
        {"arrival.rate": 200, "load.batch": 1},
        {"arrival.rate": 200, "load.batch": 10},
    ]
    assert settings_of({"a": (1, 2), "b": (3,)}, [{"a": 1}]) == [{"a": 2, "b": 3}]


def test_ledgers_can_be_varied_and_trace_files_lie_beside_the_scenario(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "course.csv").write_text("0,10\n3,0\n")
    (inner / "base.yaml").write_text(
        "name: base\nledger: anvil\nworkload: transfer\narrival: {process: trace, file: course.csv}\n"
    )
    loaded = load_sweep(write(tmp_path, scenario="inner/base.yaml", vary={"ledger": ["anvil", "sqlite"]}))
    assert [cell.scenario.ledgers[0].name for cell in loaded.cells] == ["anvil", "sqlite"]
    assert loaded.cells[0].scenario.phases.duration_ns == 3_000_000_000


def test_the_order_is_drawn_from_the_seed_and_holds_every_cell_once(tmp_path: Path) -> None:
    vary = {"arrival.rate": list(range(1, 30))}
    orders = [[cell.number for cell in load_sweep(write(tmp_path, vary=vary, seed=seed)).order()] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(1, 30)) != orders[0]


def test_the_digest_changes_with_what_a_run_depends_on_and_with_nothing_else(tmp_path: Path) -> None:
    digest = load_sweep(write(tmp_path)).sha256
    path = write(tmp_path)
    path.write_text("# a remark\n" + path.read_text())
    assert load_sweep(path).sha256 == digest
    assert load_sweep(write(tmp_path, seed=2)).sha256 != digest
    assert load_sweep(write(tmp_path, name="t")).sha256 != digest
    assert load_sweep(write(tmp_path, scenario={**BASE, "trials": 6})).sha256 != digest
    assert load_sweep(write(tmp_path, exclude=[{"load.batch": 10}])).sha256 != digest


def test_all_mistakes_of_all_cells_are_told_at_once_each_once(tmp_path: Path) -> None:
    text = mistakes(
        write(
            tmp_path,
            scenario={**BASE, "lod": {}},
            vary={"arrival.rate": [100, "fast"], "load.wrkers": [1]},
        )
    )
    assert "3 mistakes in the scenarios it stands for" in text
    assert text.count("lod: is not a known key") == 1
    assert "sweep.yaml:" in text
    assert 'vary arrival.rate="fast": arrival.rate: is not a number' in text
    assert "vary load.wrkers=1: load.wrkers: is not a known key; did you mean 'workers'?" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "a b"}, "name: is not a name"),
        ({"scenario": 3}, "scenario: is no scenario"),
        ({"vary": {}}, "vary: has too few items"),
        ({"vary": {"load.batch": []}}, "has no values"),
        ({"vary": {"load.batch": 3}}, "is not a list"),
        ({"vary": {"load.batch": [1, 1]}}, "has a value twice"),
        ({"vary": {"seed": list(range(1001))}}, "gives 1001 combinations"),
        ({"exclude": [{"load.btch": 1}]}, "is not varied; did you mean 'load.batch'?"),
        ({"exclude": [{"load.batch": 3}]}, "is not among the values"),
        ({"exclude": [{"load.batch": 1}, {"load.batch": 10}]}, "leaves nothing to run"),
        ({"varry": {}}, "varry: is not a known key; did you mean 'vary'?"),
        ({"scenario": "nowhere.yaml"}, "no such file"),
    ],
)
def test_a_sweep_that_is_wrong(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in mistakes(write(tmp_path, **changes))


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert SWEEP_PUBLISHED.read_text(encoding="utf-8") == sweep_published_text()
    assert set(sweep_json_schema()["properties"]) == set(Sweep.model_fields)


def test_the_page_names_every_key() -> None:
    page = (ROOT / "docs" / "sweeps.md").read_text()
    assert [key for key in Sweep.model_fields if f"| `{key}` |" not in page] == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_loads(path: Path) -> None:
    assert len(load_sweep(path).cells) == 5
    assert json.loads(SWEEP_PUBLISHED.read_text())["properties"].keys() >= yaml.safe_load(path.read_text()).keys()
