"""Types of scenario values, shared by the models: durations, rates, numbers, names, and how a mistake is raised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict
from pydantic import WithJsonSchema as JsonSchema
from pydantic_core import PydanticCustomError

from bench.scenario.arrival import HIGHEST_RATE
from bench.scenario.duration import PATTERN, format_duration, parse_duration

MISTAKES = "mistakes"
"""Type and context key of an error that carries `Mistake`s of its own."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong thing. `key` is its path below the value that was checked; `what` follows the key in a sentence.

    `show_value` is off where the value may be a secret or says nothing.
    """

    what: str
    remedy: str
    key: tuple[str | int, ...] = ()
    show_value: bool = True


def refuse(mistakes: Sequence[Mistake]) -> NoReturn:
    """Raise what pydantic collects and `bench.scenario.mistakes` prints."""
    raise PydanticCustomError(MISTAKES, "not accepted", {MISTAKES: tuple(mistakes)})


class Part(BaseModel):
    """A mapping of a scenario: immutable, and no key but the declared ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)


def _duration(value: object) -> int:
    try:
        return parse_duration(value)
    except ValueError as error:
        refuse([Mistake(str(error), "write it as 20s, 5ms, 2m or 1h, or as a number of seconds")])


def _period(value: int) -> int:
    if value < 1_000_000:
        refuse([Mistake("is shorter than 1 ms", "use 1ms or more")])
    return value


def _plug_in_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        refuse([Mistake("is not a plug-in name", "use lower-case words joined by '-'; `bench.py plugins` lists them")])
    return value


Duration = Annotated[
    int,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    JsonSchema({"anyOf": [{"type": "string", "pattern": PATTERN}, {"type": "number", "minimum": 0}]}),
]
"""Integer nanoseconds; in files `20s`, `5ms`, `1m30s`, or a number of seconds. Every dump writes text, because
a number would be read back as seconds."""

Period = Annotated[Duration, AfterValidator(_period)]
"""A duration of at least a millisecond."""

Whole = Annotated[int, Strict()]
"""A whole number; `true` and `"3"` are not."""

Number = Annotated[float, Strict()]
"""A finite number; `true` and `"3"` are not."""

Rate = Annotated[Number, Field(ge=0.001, le=HIGHEST_RATE)]
"""Arrivals per second, at least one in a thousand seconds."""

RateOrZero = Annotated[Number, Field(ge=0, le=HIGHEST_RATE)]
"""Arrivals per second, or a pause."""

PlugInName = Annotated[str, AfterValidator(_plug_in_name)]
"""Name of a ledger, adapter or workload; whether it exists is for the registry to say."""
