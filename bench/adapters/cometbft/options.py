"""The adapter's own settings (`adapter:` of a scenario): unknown keys are refused with the nearest known one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.adapters.jsonrpc.channel import parse_target
from bench.adapters.protocol import JsonValue
from bench.model.errors import ConfigurationError


class CometBftOptions(BaseModel):
    """All settings of the CometBFT adapter; docs/adapters/cometbft.md explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nodes: tuple[str, ...] = ()
    subscribe: bool = True
    poll_interval_s: float = Field(default=0.1, gt=0, le=60)
    unreachable_after_s: float = Field(default=30.0, gt=0, le=3600)
    setup_timeout_s: float = Field(default=60.0, gt=0, le=3600)

    @field_validator("nodes")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if "@" in url:  # options reach the bundle
                raise ValueError("a node's URL may not carry credentials; give them in the headers file")
            try:
                check_url(url)
            except ConfigurationError as error:
                raise ValueError(f"{error.what}; write http://host:port") from error
        return value


def check_url(url: str) -> None:
    """ConfigurationError unless it is http(s): where blocks are subscribed to follows from it."""
    if parse_target(url, {}).websocket:
        raise ConfigurationError(
            "a cometbft endpoint is an http or https URL; its WebSocket is found by itself",
            value=url.partition("://")[0],
            remedy="write http://host:port",
        )


def parse_options(options: Mapping[str, JsonValue]) -> CometBftOptions:
    """Validate; every mistake is in one ConfigurationError."""
    try:
        return CometBftOptions.model_validate(dict(options))
    except ValidationError as error:
        mistakes = [_describe(item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise ConfigurationError(
            "cometbft adapter options: " + "; ".join(mistakes), remedy="see docs/adapters/cometbft.md for all options"
        ) from error


def _describe(location: tuple[int | str, ...], kind: str, message: str) -> str:
    path = ".".join(str(part) for part in location) or "options"
    if kind != "extra_forbidden":
        return f"{path}: {message.removeprefix('Value error, ')}"
    known = CometBftOptions.model_fields
    near = get_close_matches(str(location[-1]), known, n=1)
    return f"unknown option {path}" + (f", did you mean {near[0]}?" if near else f"; known: {', '.join(known)}")
