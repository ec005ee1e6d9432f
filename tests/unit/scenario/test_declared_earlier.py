"""Scenarios and bundles that declare a ledger in the words of an earlier version."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from bench.model.errors import ConfigurationError
from bench.model.ledger import Durability
from bench.scenario.loader import load_scenario, resolved_yaml, scenario_sha256

SCENARIO = {
    "name": "vendor",
    "workload": "transfer",
    "arrival": {"process": "constant", "rate": 1},
    "phases": {"duration": "10s"},
}


def written(path: Path, **ledger: str) -> Path:
    """A bundle's scenario as an earlier version resolved it."""
    target = {"adapter": "evm", "url": "http://127.0.0.1:8545", "ledger": {"name": "besu", **ledger}}
    path.write_text(yaml.safe_dump(SCENARIO | {"endpoint": target}))
    whole = yaml.safe_load(resolved_yaml(load_scenario(path)))
    whole["endpoint"]["ledger"].pop("remarks", None)
    whole["endpoint"]["ledger"] |= ledger
    path.write_text(yaml.safe_dump(whole))
    return path


@pytest.mark.parametrize(
    ("words", "durability"),
    [
        ("fsync per block", Durability.FSYNC),
        ("memory only (tmpfs)", Durability.MEMORY),
        ("not declared", Durability.NOT_DECLARED),
        ("fsync before acknowledged", Durability.FSYNC),
    ],
)
def test_an_earlier_declaration_loads_with_the_digest_it_had(
    tmp_path: Path, words: str, durability: Durability
) -> None:
    path = written(tmp_path / "scenario.yaml", durability=words)
    scenario = load_scenario(path)
    assert scenario.endpoint is not None
    assert scenario.endpoint.ledger is not None
    assert scenario.endpoint.ledger.durability is durability
    whole = yaml.safe_load(path.read_text())
    canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    assert scenario_sha256(scenario) == hashlib.sha256(canonical.encode()).hexdigest()
    again = tmp_path / "again.yaml"
    again.write_text(resolved_yaml(scenario))
    assert load_scenario(again) == scenario
    assert scenario_sha256(scenario.model_copy(update={"trials": scenario.trials})) == scenario_sha256(scenario)


def test_words_of_nobody_are_a_mistake_and_remarks_are_kept(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="durability"):
        written(tmp_path / "a.yaml", durability="three copies, honest")
    path = tmp_path / "c.yaml"
    target = {
        "adapter": "evm",
        "url": "http://127.0.0.1:8545",
        "ledger": {"name": "besu", "durability": "other", "remarks": "three copies"},
    }
    path.write_text(yaml.safe_dump(SCENARIO | {"endpoint": target}))
    assert yaml.safe_load(resolved_yaml(load_scenario(path)))["endpoint"]["ledger"]["remarks"] == "three copies"
