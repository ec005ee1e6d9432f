import dataclasses
from pathlib import Path

import pytest
from pydantic import BaseModel

from bench.bundle import environment, events, naming, tables
from bench.model import result
from bench.model.phase import Outcome
from bench.model.transaction import ErrorClass

PAGE = (Path(__file__).parents[3] / "docs" / "bundle.md").read_text()
COLUMNS = {
    name
    for schema in (tables.TRANSACTIONS_SCHEMA, tables.BLOCKS_SCHEMA, tables.RESOURCES_SCHEMA)
    for name in schema.names
}
KEYS = {
    field.alias or name
    for part in vars(result).values()
    if isinstance(part, type) and issubclass(part, BaseModel)
    for name, field in part.model_fields.items()
}
FIELDS = {
    field.name
    for part in (
        environment.Environment,
        environment.Cpu,
        environment.Disk,
        environment.Bounds,
        environment.Busy,
        environment.PythonBuild,
        events.Event,
    )
    for field in dataclasses.fields(part)
}
LABELS = {outcome.label for outcome in Outcome} | {each.label for each in ErrorClass if each}


@pytest.mark.parametrize("word", sorted(COLUMNS | KEYS | FIELDS | LABELS | set(naming.REQUIRED)))
def test_every_file_column_key_and_label_is_explained(word):
    assert f"`{word}`" in PAGE
