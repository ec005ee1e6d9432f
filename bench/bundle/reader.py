"""Reads a bundle back. Small files are parsed at once; tables are read when asked for, column by column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from bench.bundle import naming
from bench.bundle.events import Event
from bench.model.errors import ConfigurationError, IntegrityError
from bench.model.result import SCHEMA_VERSION, Result


@dataclass(frozen=True, slots=True)
class Bundle:
    """The parsed small files, and doors to the tables. Tables are pyarrow; dictionary columns hold the labels."""

    directory: Path
    result: Result
    scenario: str
    environment: dict[str, Any]
    events: list[Event]

    def transactions(self, trial: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of one trial in the order of the plan; `columns` None means all (see `docs/bundle.md`)."""
        return self._table(naming.TRANSACTIONS, trial, columns)

    def blocks(self, trial: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Blocks of one trial in the order they were seen."""
        return self._table(naming.BLOCKS, trial, columns)

    def resources(self, trial: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Samples of one trial in the order they were taken."""
        return self._table(naming.RESOURCES, trial, columns)

    def _table(self, name: str, trial: int, columns: Sequence[str] | None) -> pa.Table:
        path = self.directory / name
        try:
            return pq.read_table(
                path, columns=None if columns is None else list(columns), filters=[("trial", "==", trial)]
            )
        except FileNotFoundError as error:
            raise IntegrityError(f"{name} is missing", value=str(self.directory), remedy="run `verify`") from error
        except (OSError, pa.ArrowException) as error:
            raise IntegrityError(
                f"{name} is broken: {error}", value=str(self.directory), remedy="run `verify`"
            ) from error


def read_bundle(directory: Path) -> Bundle:
    """ConfigurationError when `directory` is no bundle or newer than this version, IntegrityError when it is broken."""
    if not directory.is_dir():
        raise ConfigurationError("bundle not found", value=str(directory), remedy="give the directory of a run")
    if not (directory / naming.RESULT).is_file():
        raise ConfigurationError(
            f"directory holds no {naming.RESULT}, so it is no bundle",
            value=str(directory),
            remedy="give the directory of one run, not the one above it",
        )
    return Bundle(
        directory=directory,
        result=_result(directory),
        scenario=_text(directory, naming.SCENARIO),
        environment=_object(directory, naming.ENVIRONMENT),
        events=_events(directory),
    )


def _result(directory: Path) -> Result:
    data = _object(directory, naming.RESULT)
    schema = data.get("schema")
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise ConfigurationError(
            f"bundle was written by a newer version (schema {schema}, this one reads up to {SCHEMA_VERSION})",
            value=str(directory),
            remedy="install the version that wrote it, or a later one",
        )
    try:
        return Result.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IntegrityError(
            f"{naming.RESULT} breaks its schema in {error.error_count()} places, first at {where}: {first['msg']}",
            value=str(directory),
            remedy="run `verify`; the keys are in docs/bundle.md",
        ) from error


def _events(directory: Path) -> list[Event]:
    try:
        return [Event(**json.loads(line)) for line in _text(directory, naming.EVENTS).splitlines()]
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"{naming.EVENTS} has a broken line: {error}", value=str(directory)) from error


def _object(directory: Path, name: str) -> dict[str, Any]:
    try:
        data = json.loads(_text(directory, name))
    except ValueError as error:
        raise IntegrityError(f"{name} is not JSON: {error}", value=str(directory), remedy="run `verify`") from error
    if not isinstance(data, dict):
        raise IntegrityError(f"{name} is not a JSON object", value=str(directory), remedy="run `verify`")
    return data


def _text(directory: Path, name: str) -> str:
    try:
        return (directory / name).read_text("utf-8")
    except FileNotFoundError as error:
        raise IntegrityError(f"{name} is missing", value=str(directory), remedy="run `verify`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{name} cannot be read: {error}", value=str(directory), remedy="run `verify`") from error
