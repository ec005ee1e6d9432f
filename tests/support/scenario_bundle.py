"""Synthetic bundles whose scenario.yaml is one that can be loaded and run, as the product's own are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.bundle.manifest import seal
from bench.scenario.loader import load_sha256, resolved_yaml, scenario_from_mapping, scenario_sha256
from tests.support.bundles import synthetic_bundle

MAPPING: dict[str, Any] = {
    "name": "accepted",
    "ledgers": ["sqlite"],
    "workload": "transfer",
    "arrival": {"process": "constant", "rate": 250},
    "phases": {"duration": "5s"},
}


def scenario_bundle(directory: Path, environment: dict[str, Any], result: dict[str, Any], **changes: Any) -> Path:
    """A whole bundle of five trials of this scenario on sqlite; `environment` and `result` replace keys of those files,
    `changes` those of the scenario.
    """
    scenario = scenario_from_mapping({**MAPPING, **changes})
    synthetic_bundle(directory, ledger="sqlite", workload="transfer", trials=5, seconds=5, goodput=250)
    (directory / "scenario.yaml").write_text(resolved_yaml(scenario))
    digests = {"scenario_sha256": scenario_sha256(scenario), "load_sha256": load_sha256(scenario)}
    _rewrite(directory / "result.json", {**digests, **result})
    _rewrite(directory / "environment.json", environment)
    seal(directory)
    return directory


def _rewrite(path: Path, changes: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
