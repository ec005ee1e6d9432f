"""The adapter's own settings (`adapter:` of a scenario): unknown keys are refused with the nearest known one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.adapters.protocol import JsonValue
from bench.model.errors import ConfigurationError


class UtxoOptions(BaseModel):
    """All settings; docs/adapters/utxo.md explains each. Amounts are in the chain's smallest unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cookie_file: str | None = None
    confirmations: int = Field(default=6, ge=1, le=10_000)
    observe_url: str | None = None
    submit_urls: tuple[str, ...] = ()
    amount_unit: int = Field(default=10_000, ge=1, le=10**9)
    fee_rate: int = Field(default=10, ge=1, le=100_000)
    change: int = Field(default=30_000, ge=3_000, le=10**9)
    outputs_per_transaction: int = Field(default=2_500, ge=1, le=3_000)
    setup_timeout_s: float = Field(default=300.0, gt=0)
    unreachable_after_s: float = Field(default=30.0, gt=0, le=3600)

    @field_validator("observe_url", "submit_urls")
    @classmethod
    def _is_an_address(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for url in (value,) if isinstance(value, str) else value or ():
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("write http://host:port")
            if parts.username is not None:
                raise ValueError("options are written into the bundle: leave the password to cookie_file")
        return value


def parse_options(options: Mapping[str, JsonValue]) -> UtxoOptions:
    """Validate; every mistake is in one ConfigurationError."""
    try:
        return UtxoOptions.model_validate(dict(options))
    except ValidationError as error:
        mistakes = [_describe(item["loc"], item["type"], item["msg"], item["input"]) for item in error.errors()]
        raise ConfigurationError(
            "utxo adapter options: " + "; ".join(mistakes), remedy="see docs/adapters/utxo.md for all options"
        ) from error


def _describe(location: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    path = ".".join(str(part) for part in location) or "options"
    if kind != "extra_forbidden":
        shown = "…" if "url" in path else repr(value)  # may carry a password
        return f"{path}: {message.removeprefix('Value error, ')} (got {shown})"
    near = get_close_matches(str(location[-1]), UtxoOptions.model_fields, n=1)
    return f"unknown option {path}" + (
        f", did you mean {near[0]}?" if near else f"; known: {', '.join(UtxoOptions.model_fields)}"
    )
