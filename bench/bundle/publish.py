"""Writes the JSON Schema of `result.json` to `docs/bundle-schema.json`: `python -m bench.bundle.publish`."""

from __future__ import annotations

import json
from pathlib import Path

from bench.bundle.files import write_whole
from bench.model.result import Result

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "bundle-schema.json"


def schema_text() -> str:
    """The schema (draft 2020-12) as it is published; keys are those of the file, not of the code."""
    schema = Result.model_json_schema(mode="serialization", by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


if __name__ == "__main__":
    write_whole(SCHEMA_PATH, schema_text().encode())
