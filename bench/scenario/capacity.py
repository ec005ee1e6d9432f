"""How the highest sustainable load is searched for: the `capacity` section of a scenario."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from bench.model.clock import NS_PER_S
from bench.scenario.fields import Duration, Mistake, Part, Rate, Whole, refuse
from bench.scenario.stopping import Share

CONFIRM_NS = 60 * NS_PER_S
"""Shorter trials give an estimate: many ledgers look well for half a minute."""
PROBE_NS = 10 * NS_PER_S
ESTIMATED_CONFIRM_NS = 20 * NS_PER_S
ESTIMATED_PROBE_NS = 5 * NS_PER_S


class CapacitySearch(Part):
    """Every key has a default. Lengths are without the warm-up; blocks of a slow ledger may make them longer."""

    start: Rate | None = Field(
        default=None, description="First rate tried, per second. Default: the rate of `arrival`."
    )
    budget_ns: Duration = Field(
        default=30 * 60 * NS_PER_S,
        alias="budget",
        gt=0,
        description="Longest time the search may take on each ledger; no trial is begun that would not end in it.",
    )
    resolution: Share = Field(
        default=0.05, ge=0.02, description="How narrow the interval is to be, as a share of its low end: 5% or 0.05."
    )
    confirmations: Whole = Field(
        default=5,
        ge=1,
        le=100,
        description="Full-length trials that must all pass at the low end. 5 of 5 show that a trial passes with a "
        "chance of at least 0.55, 14 of 14 of 0.81, and less where several rates were tried.",
    )
    estimate: bool = Field(
        default=False,
        description="Allow full-length trials below 60 s and 20 blocks; the result says it is an estimate.",
    )
    probe_ns: Duration = Field(
        default_factory=lambda earlier: ESTIMATED_PROBE_NS if earlier.get("estimate") else PROBE_NS,
        alias="probe",
        gt=0,
        description="Least length of a probe. Default: 10 s, or 5 s for an estimate.",
    )
    confirm_ns: Duration = Field(
        default_factory=lambda earlier: ESTIMATED_CONFIRM_NS if earlier.get("estimate") else CONFIRM_NS,
        alias="confirm",
        gt=0,
        description="Least length of a full-length trial. Default: 60 s, or 20 s for an estimate.",
    )

    @field_validator("confirm_ns")
    @classmethod
    def _long_enough(cls, confirm_ns: int, info: ValidationInfo) -> int:
        if confirm_ns < CONFIRM_NS and not info.data.get("estimate"):
            refuse(
                [
                    Mistake(
                        "is too short to confirm anything", "use at least 60s, or set estimate: true", show_value=False
                    )
                ]
            )
        return confirm_ns
