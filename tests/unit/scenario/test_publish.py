from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from bench.scenario.arrival_schema import ARRIVALS
from bench.scenario.document import parse_document
from bench.scenario.loader import load_scenario, resolved_yaml
from bench.scenario.publish import PUBLISHED, json_schema, published_text
from bench.scenario.traces import published_traces

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
TYPES: dict[str, Any] = {
    "string": str, "object": dict, "array": list, "null": type(None), "boolean": bool,
    "integer": int, "number": (int, float),
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """As much of JSON Schema as the published one uses."""
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    checks = [
        "type" not in schema or isinstance(value, TYPES[schema["type"]]),
        not isinstance(value, bool) or schema.get("type") in (None, "boolean"),
        "const" not in schema or value == schema["const"],
        "enum" not in schema or value in schema["enum"],
        "anyOf" not in schema or any(fits(value, choice, root) for choice in schema["anyOf"]),
        "oneOf" not in schema or sum(fits(value, choice, root) for choice in schema["oneOf"]) == 1,
    ]
    if isinstance(value, str) and "pattern" in schema:
        checks.append(re.search(schema["pattern"], value) is not None)
    if isinstance(value, int | float):
        checks.append(schema.get("minimum", value) <= value <= schema.get("maximum", value))
        checks.append("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        checks += [key in value for key in schema.get("required", ())]
        checks += [fits(inner, properties[key], root) for key, inner in value.items() if key in properties]
        checks.append(schema.get("additionalProperties") is not False or set(value) <= set(properties))
    if isinstance(value, list):
        checks.append(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)))
        checks += [fits(item, schema["items"], root) for item in value if isinstance(schema.get("items"), dict)]
    return all(checks)


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == published_text()


def test_there_are_examples() -> None:
    assert [path.stem for path in EXAMPLES] == [
        "burst",
        "capacity-anvil",
        "endpoint",
        "shootout",
        "smallbank",
        "steps",
        "trace",
        "transfer",
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads_and_fits_the_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../docs/scenario-schema.json\n")
    scenario = load_scenario(path)
    schema = json_schema()
    assert fits(parse_document(text, path.name).data, schema, schema)
    assert fits(parse_document(resolved_yaml(scenario), path.name).data, schema, schema)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("lod",), {}),
        (("load",), {"workers": 0}),
        (("phases", "duration"), "20 sec"),
        (("arrival", "process"), "poison"),
        (("arrival", "rate"), 0),
        (("ledger",), "anvil"),
        (("workload",), 5),
        (("trials",), 0),
        (("slo",), {"finality_p99": None}),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(key: tuple[str, ...], value: Any) -> None:
    schema = json_schema()
    document = parse_document((ROOT / "examples/smallbank.yaml").read_text(encoding="utf-8"), "s").data
    changed: Any = copy.deepcopy(document)
    holder = changed[key[0]] if len(key) == 2 else changed
    holder[key[-1]] = value
    assert fits(document, schema, schema)
    assert not fits(changed, schema, schema)


def test_every_key_is_described_and_no_default_is_a_stand_in() -> None:
    schema = json_schema()
    for name, part in {"Scenario": schema, **schema["$defs"]}.items():
        for key, described in part.get("properties", {}).items():
            assert described.get("description") or "$ref" in described, f"{name}.{key}"
            assert described.get("default") != -1, f"{name}.{key}"
    assert schema["$defs"]["Load"]["properties"]["linger"]["default"] == "5ms"


def test_the_page_names_every_key_process_and_trace() -> None:
    page = (ROOT / "docs/scenario.md").read_text(encoding="utf-8")
    schema = json_schema()
    parts = {"Scenario": schema, **schema["$defs"]}
    keys = {key for part in parts.values() for key in part.get("properties", {})}
    missing = sorted(key for key in keys | set(published_traces()) if f"`{key}`" not in page)
    assert missing == []
    assert len(ARRIVALS) == 7
