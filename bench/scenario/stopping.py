"""When to stop repeating: the `stopping` section of a scenario, which lets the trials themselves say when."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic import WithJsonSchema as JsonSchema

from bench.scenario.fields import Mistake, Number, Part, Whole, refuse

MOST_TRIALS = 30
FEWEST_THAT_SUFFICE = 6
"""Five trials reach 93.75 % and no more, so no rule at 95 % can be met earlier."""
_PERCENT = r"^[0-9]+(\.[0-9]+)? ?%$"


def parse_share(text: str) -> float:
    """`5%` or `0.05` as 0.05. ValueError says what it is instead."""
    if re.fullmatch(_PERCENT, text.strip()):
        return float(text.strip().rstrip("%")) / 100
    if re.fullmatch(r"[0-9]*\.?[0-9]+", text.strip()):
        return float(text)
    raise ValueError("is not a share")


def _share(value: object) -> object:
    """Text is parsed; a number stays as it is."""
    if isinstance(value, str):
        try:
            return parse_share(value)
        except ValueError as error:
            refuse([Mistake(str(error), "write it as 5% or 0.05")])
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


Share = Annotated[
    Number,
    BeforeValidator(_share),
    JsonSchema(
        {"anyOf": [{"type": "string", "pattern": _PERCENT}, {"type": "number", "minimum": 0.001, "maximum": 0.5}]}
    ),
    Field(ge=0.001, le=0.5),
]
"""A share of the median; `5%` in files, or 0.05."""


class Stopping(Part):
    """Go on after `trials` rounds until every ledger's figure is known well enough, or the cap is reached."""

    width: Share = Field(
        description="Repeat until half the width of the 95 % interval is at most this share of the median, on every "
        "ledger: 5% or 0.05."
    )
    most_trials: Whole = Field(
        default=MOST_TRIALS,
        ge=FEWEST_THAT_SUFFICE,
        le=1000,
        description="Rounds after which the run stops in any case. Six are the fewest that give a 95 % interval.",
    )
    metric: Literal["goodput", "finality_p99"] = Field(
        default="goodput", description="Whose interval is meant: goodput, or finality_p99."
    )
