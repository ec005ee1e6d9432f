"""How a simulated ledger behaves: the `ledger.options` of a scenario, documented in docs/adapters/simulated.md."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bench.ledgers.options import Options
from bench.model.transaction import ErrorClass

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

_REFUSALS = tuple(kind.label for kind in ErrorClass if ErrorClass.UNREACHABLE < kind <= ErrorClass.METHOD_MISSING)
_FAILURES = tuple(kind.label for kind in ErrorClass if ErrorClass.REVERTED <= kind <= ErrorClass.INVALID_IN_BLOCK)


class Selection(Options):
    """Which ones: every n-th (the n-th, the 2n-th, …), or each with a probability. Exactly one of the two is given."""

    every: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Selection:
        if (self.every is None) == (self.probability is None):
            raise ValueError("give either every or probability")
        return self


class Refusals(Selection):
    """`error` is the class the refused transactions get."""

    error: str = ErrorClass.POOL_FULL.label

    @field_validator("error")
    @classmethod
    def _of_refusals(cls, value: str) -> str:
        return _one_of(value, _REFUSALS)

    @property
    def error_class(self) -> ErrorClass:
        """`error` as the value it names."""
        return ErrorClass[self.error.upper()]


class Failures(Selection):
    """`error` is the class the failed transactions have in their block."""

    error: str = ErrorClass.REVERTED.label

    @field_validator("error")
    @classmethod
    def _of_failures(cls, value: str) -> str:
        return _one_of(value, _FAILURES)

    @property
    def error_class(self) -> ErrorClass:
        """`error` as the value it names."""
        return ErrorClass[self.error.upper()]


class Latency(Options):
    """Constant: `median_ms`. Lognormal: exp(N(ln median_ms, sigma²))."""

    distribution: Literal["constant", "lognormal"] = "constant"
    median_ms: NotNegative = 0.0
    sigma: NotNegative = 0.0

    @model_validator(mode="after")
    def _lognormal_is_positive(self) -> Latency:
        if self.distribution == "lognormal" and self.median_ms <= 0:
            raise ValueError("a lognormal latency needs a median_ms above 0")
        if self.distribution == "constant" and self.sigma > 0:
            raise ValueError("a constant latency has no sigma")
        return self


class Collapse(Options):
    """While more than `above` transactions are pending, each that arrives takes 1 / `factor` as long to serve."""

    above: Annotated[int, Field(ge=1)]
    factor: Annotated[float, Field(gt=0, lt=1)]


class Variation(Options):
    """The service rate is held for `every_s` and then drawn anew: lognormal around the stated rate, which stays the
    long-run mean. `sigma` is the standard deviation of its logarithm, `memory` the correlation of neighbours.
    """

    sigma: Positive
    every_s: Positive = 1.0
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.0


class SimulatedOptions(Options):
    """Defaults: everything is taken at once, answered at once, and committed at once.

    `stalls` are (start, length) in seconds, counted from the first submission; during one, nothing moves: no answer, no
    service, no block. `accept_delay_ms` lies between submission and answer; `commit_latency` between service and the
    earliest block. `forget` chooses included transactions that the state does not know afterwards. `block_interval_ms`
    of 0 makes a block as soon as a transaction is ready.
    """

    seed: int = 1
    service_rate_per_s: Positive | None = None
    service_variation: Variation | None = None
    collapse: Collapse | None = None
    block_interval_ms: NotNegative = 0.0
    block_capacity: Annotated[int, Field(ge=1)] | None = None
    accept_delay_ms: NotNegative = 0.0
    commit_latency: Latency = Latency()
    refuse: Refusals | None = None
    lose: Selection | None = None
    fail: Failures | None = None
    duplicate: Selection | None = None
    forget: Selection | None = None
    unanswered: Selection | None = None
    reorder: bool = False
    stalls: tuple[tuple[NotNegative, Positive], ...] = ()
    pool_capacity: Annotated[int, Field(ge=1)] | None = None
    sequencing: Literal["none", "account"] = "none"
    confirmations: Annotated[int, Field(ge=0)] = 0

    @field_validator("stalls")
    @classmethod
    def _apart(cls, stalls: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        ordered = tuple(sorted(stalls))
        for (start, length), (following, _) in pairwise(ordered):
            if following < start + length:
                raise ValueError(f"the stalls at {start:g} s and {following:g} s overlap")
        return ordered

    @model_validator(mode="after")
    def _rate_to_change(self) -> SimulatedOptions:
        if self.service_rate_per_s is None and (self.collapse or self.service_variation):
            raise ValueError("collapse and service_variation need a service_rate_per_s, which they change")
        return self

    @model_validator(mode="after")
    def _confirmable(self) -> SimulatedOptions:
        if self.confirmations and not self.block_interval_ms:
            raise ValueError("confirmations need a block_interval_ms: without one the last block is never confirmed")
        return self


def _one_of(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"use one of {', '.join(known)}")
    return value
