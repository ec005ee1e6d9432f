"""Settings of the Fabric adapter (`adapter:` options of a scenario, or what a managed network tells)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.model.errors import ConfigurationError
from bench.model.values import JsonValue


class FabricOptions(BaseModel):
    """`profile`: a connection profile (YAML or JSON). `organization`, `channel`: needed where the profile does not say.
    `cert`, `key`: PEM files of the identity that signs; a key given by `--key-file` takes the place of `key`.
    `chaincode`: its name on the channel, where that is not the workload's. `streams`: Broadcast streams per worker.
    `client`: the program that speaks gRPC; built when it is not named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: Path
    organization: str | None = None
    channel: str | None = None
    chaincode: str | None = None
    cert: Path
    key: Path | None = None
    submit_path: Literal["pipeline", "gateway"] = "pipeline"
    streams: int = Field(default=2, ge=1, le=64)
    client: Path | None = None


def read_options(options: Mapping[str, JsonValue]) -> FabricOptions:
    """Raises ConfigurationError that names every mistake."""
    try:
        return FabricOptions.model_validate(dict(options))
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'options'}: {item['msg']}"
            for item in error.errors(include_url=False)
        )
        raise ConfigurationError(
            f"options of the fabric adapter: {mistakes}", remedy="docs/adapters/fabric.md lists them all"
        ) from error
