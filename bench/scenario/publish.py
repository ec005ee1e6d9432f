"""JSON Schemas of scenario and sweep files for editors; `python -m bench.scenario.publish` writes them to docs/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.scenario.arrival_schema import TraceArrival
from bench.scenario.duration import PATTERN, format_duration
from bench.scenario.schema import Scenario
from bench.scenario.sweep import Sweep
from bench.scenario.traces import published_traces

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUBLISHED = Path(__file__).parents[2] / "docs" / "scenario-schema.json"
SWEEP_PUBLISHED = PUBLISHED.with_name("sweep-schema.json")
"""Where a checkout keeps the published schemas."""


def json_schema() -> dict[str, Any]:
    """What may be written in a file, shorthand included; bounds and meanings are those of the models."""
    schema = Scenario.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    for part in (schema, *definitions.values()):
        for described in part.get("properties", {}).values():
            _tidy(described)
    _allow_shorthand(schema, definitions)
    return {"$schema": _DIALECT, **schema}


def sweep_json_schema() -> dict[str, Any]:
    """The same for sweep files. What a varied key may be is checked with the scenario it makes, not here."""
    schema = Sweep.model_json_schema()
    for described in schema["properties"].values():
        _tidy(described)
    return {"$schema": _DIALECT, **schema}


def published_text() -> str:
    """The content of the scenario's published file."""
    return _text(json_schema())


def sweep_published_text() -> str:
    """The content of the sweep's published file."""
    return _text(sweep_json_schema())


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _tidy(described: dict[str, Any]) -> None:
    """Drop titles that repeat the key, and defaults that are computed; write durations as files do."""
    described.pop("title", None)
    default = described.get("default")
    is_duration = any(choice.get("pattern") == PATTERN for choice in described.get("anyOf", ()))
    if default in (None, -1, []) or isinstance(default, dict):
        described.pop("default", None)
    elif is_duration:
        described["default"] = format_duration(default)


def _allow_shorthand(schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    keys = schema["properties"]
    ledger = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/LedgerChoice"}]}
    keys["ledgers"]["items"] = ledger
    keys["ledger"] = {**ledger, "description": Scenario.shorthand["ledger"]}
    workload = keys["workload"]
    workload["anyOf"] = [{"type": "string"}, {"$ref": workload.pop("$ref")}]
    schema["oneOf"] = [{"required": [target]} for target in ("ledger", "ledgers", "endpoint")]
    trace = definitions["TraceArrival"]
    names: dict[str, dict[str, Any]] = {"name": {"enum": list(published_traces())}, "file": {"type": "string"}}
    for key, description in TraceArrival.shorthand.items():
        trace["properties"][key] = {**names[key], "description": description}
    trace["required"].remove("points")
    trace["oneOf"] = [{"required": [key]} for key in ("name", "file", "points")]


if __name__ == "__main__":
    PUBLISHED.write_text(published_text(), encoding="utf-8")
    SWEEP_PUBLISHED.write_text(sweep_published_text(), encoding="utf-8")
