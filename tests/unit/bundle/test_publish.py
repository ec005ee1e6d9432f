import json

from bench.bundle.publish import SCHEMA_PATH, schema_text
from bench.model.result import Result


def test_the_published_schema_is_up_to_date():
    assert SCHEMA_PATH.read_text() == schema_text(), "run: python -m bench.bundle.publish"


def test_it_describes_the_file_not_the_code():
    schema = json.loads(schema_text())
    assert {"schema", "run_id", "ledger", "trials", "summary", "audit"} <= schema["properties"].keys()
    assert "schema_version" not in schema["properties"]
    assert schema["additionalProperties"] is False
    assert len(schema["properties"]) == len(Result.model_fields)
