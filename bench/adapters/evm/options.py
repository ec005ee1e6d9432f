"""The adapter's own settings (`adapter:` of a scenario): unknown keys are refused with the nearest known one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.adapters.jsonrpc.channel import parse_target
from bench.adapters.protocol import JsonValue
from bench.model.errors import ConfigurationError

_CREDENTIALS = re.compile(r"://[^/?#\s]*@")


class FeeOptions(BaseModel):
    """`auto` follows the chain (dynamic fee where it has a base fee), `legacy` is a flat price, `fixed` these numbers.

    `headroom` multiplies the base fee found at setup. In the policies that follow, `max_fee_gwei` is an upper bound.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Literal["auto", "legacy", "fixed"] = "auto"
    max_fee_gwei: float | None = Field(default=None, ge=0)
    priority_fee_gwei: float | None = Field(default=None, ge=0)
    headroom: float = Field(default=8.0, ge=1, le=1000)

    @property
    def allows_dynamic(self) -> bool:
        """Whether the type `auto` may become a dynamic-fee transaction."""
        return self.policy != "legacy"

    @model_validator(mode="after")
    def _fixed_needs_a_number(self) -> FeeOptions:
        if self.policy == "fixed" and self.max_fee_gwei is None:
            raise ValueError("policy fixed needs max_fee_gwei")
        return self


class EvmOptions(BaseModel):
    """All settings of the EVM adapter; docs/adapters/evm.md explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chain_id: int | None = Field(default=None, gt=0)
    transaction_type: Literal["auto", "legacy", "2930", "1559"] = "auto"
    fees: FeeOptions = FeeOptions()
    ws_url: str | None = None
    subscribe: bool = True
    dev_funding: bool = False
    confirmations: int = Field(default=0, ge=0)
    gas_margin: float = Field(default=1.25, ge=1, le=10)
    poll_interval_s: float = Field(default=0.1, gt=0, le=60)
    status_source: Literal["auto", "receipts", "traces"] = "auto"
    receipts_duty: float = Field(default=0.1, gt=0, le=1)
    unreachable_after_s: float = Field(default=30.0, gt=0, le=3600)
    setup_timeout_s: float = Field(default=120.0, gt=0)
    funding_window: int = Field(default=500, ge=1, le=10_000)

    @field_validator("transaction_type", mode="before")
    @classmethod
    def _number_is_fine(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value

    @field_validator("ws_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_target(value, {})
            except ConfigurationError as error:
                raise ValueError(f"{error.what}; write ws://host:port or wss://host:port") from error
        return value

    @model_validator(mode="after")
    def _one_kind_of_price(self) -> EvmOptions:
        if self.fees.policy == "legacy" and self.transaction_type == "1559":
            raise ValueError("fees.policy legacy cannot price transaction_type 1559")
        return self


def parse_options(options: Mapping[str, JsonValue]) -> EvmOptions:
    """Validate; every mistake is in one ConfigurationError. Options reach the bundle, so credentials are refused first
    and never shown.
    """
    if places := list(_credentials(dict(options), "")):
        raise ConfigurationError(
            f"evm adapter options: {', '.join(places)} carries credentials, and options are written into the bundle",
            remedy="move them to an Authorization line of the file that endpoint.headers_file names; "
            "it is sent to ws_url too",
        )
    try:
        return EvmOptions.model_validate(dict(options))
    except ValidationError as error:
        mistakes = [_describe(item["loc"], item["type"], item["msg"], item["input"]) for item in error.errors()]
        raise ConfigurationError(
            "evm adapter options: " + "; ".join(mistakes), remedy="see docs/adapters/evm.md for all options"
        ) from error


def _credentials(value: JsonValue, path: str) -> Iterator[str]:
    """The places of all strings that look like scheme://user:password@host."""
    if isinstance(value, str):
        if _CREDENTIALS.search(value):
            yield path
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _credentials(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _credentials(item, path)


def _describe(location: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    path = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        value = "…" if path.endswith("url") else value  # may carry a password
        return f"{path or 'options'}: {message} (got {value!r})"
    known = (FeeOptions if location[0] == "fees" and len(location) > 1 else EvmOptions).model_fields
    near = get_close_matches(str(location[-1]), known, n=1)
    return f"unknown option {path}" + (f", did you mean {near[0]}?" if near else f"; known: {', '.join(known)}")
