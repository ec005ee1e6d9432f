"""The `arrival:` mapping: one model per process, chosen by `process`, each giving its `ArrivalProcess`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from bench.model.clock import NS_PER_S
from bench.scenario import arrival
from bench.scenario.fields import Duration, Mistake, Number, Part, Period, Rate, RateOrZero, refuse
from bench.scenario.traces import MOST_POINTS


class ConstantArrival(Part):
    """The same rate throughout, evenly spaced: exactly rate × duration arrivals (rounded up if not whole)."""

    process: Literal["constant"] = Field(description="Evenly spaced arrivals.")
    rate: Rate = Field(description="Arrivals per second.")

    def schedule(self, duration_ns: int) -> arrival.ArrivalProcess:
        """The process over a run of this length."""
        del duration_ns
        return arrival.Constant(self.rate)


class PoissonArrival(Part):
    """Independent arrivals at a mean rate, as from many unrelated users; drawn from the trial's seed."""

    process: Literal["poisson"] = Field(description="Independent random arrivals.")
    rate: Rate = Field(description="Mean arrivals per second.")

    def schedule(self, duration_ns: int) -> arrival.ArrivalProcess:
        """The process over a run of this length."""
        del duration_ns
        return arrival.Poisson(self.rate)


class RampArrival(Part):
    """A straight line from one rate to another over the whole duration."""

    process: Literal["ramp"] = Field(description="A rate that rises or falls in a straight line.")
    start: RateOrZero = Field(alias="from", description="Arrivals per second at the beginning.")
    end: RateOrZero = Field(alias="to", description="Arrivals per second at the end of the duration.")

    def schedule(self, duration_ns: int) -> arrival.ArrivalProcess:
        """The process over a run of this length."""
        return arrival.Ramp(self.start, self.end, duration_ns)


class Step(Part):
    """One step: a rate held for a while."""

    rate: RateOrZero = Field(description="Arrivals per second during the step; 0 is a pause.")
    duration_ns: Duration = Field(alias="duration", gt=0, description="How long the step lasts.")


class StepsArrival(Part):
    """Rates held one after the other; the run lasts as long as the steps unless `phases.duration` cuts it short."""

    process: Literal["steps"] = Field(description="A staircase of rates.")
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MOST_POINTS, description="The steps, in order.")

    @property
    def own_length_ns(self) -> int:
        """Length of all steps."""
        return sum(step.duration_ns for step in self.steps)

    def schedule(self, duration_ns: int) -> arrival.ArrivalProcess:
        """The process over a run of this length."""
        del duration_ns
        return arrival.Steps(tuple((step.duration_ns, step.rate) for step in self.steps))


class BurstArrival(Part):
    """A base rate with bursts: each period of `every` ends with `length` at the peak rate."""

    process: Literal["burst"] = Field(description="A base rate with regular bursts.")
    base: RateOrZero = Field(description="Arrivals per second between bursts.")
    peak: Rate = Field(description="Arrivals per second during a burst.")
    every_ns: Period = Field(alias="every", description="Length of a period; each ends with a burst.")
    length_ns: Duration = Field(alias="length", gt=0, description="Length of a burst; shorter than `every`.")

    @model_validator(mode="after")
    def _check(self) -> BurstArrival:
        if self.length_ns >= self.every_ns:
            refuse([Mistake("is not shorter than every", "use a shorter burst or a longer period", ("length",))])
        return self

    def schedule(self, duration_ns: int) -> arrival.ArrivalProcess:
        """The process over a run of this length."""
        del duration_ns
        return arrival.Burst(self.base, self.peak, self.every_ns, self.length_ns)


class SineArrival(Part):
    """A rate that swings around a mean, beginning at the mean and rising: mean + amplitude × sin(2πt / period)."""

    process: Literal["sine"] = Field(description="A rate that swings around a mean.")
    mean: Rate = Field(description="Mean arrivals per second.")
    amplitude: RateOrZero = Field(description="Largest distance from the mean, per second; at most the mean.")
    period_ns: Period = Field(alias="period", description="Length of one full swing.")

    @model_validator(mode="after")
    def _check(self) -> SineArrival:
        if self.amplitude > self.mean:
            refuse([Mistake("is larger than the mean", f"use at most {self.mean:g}", ("amplitude",))])
        return self

    def schedule(self, duration_ns: int) -> arrival.ArrivalProcess:
        """The process over a run of this length."""
        del duration_ns
        return arrival.Sine(self.mean, self.amplitude, self.period_ns)


class TraceArrival(Part):
    """A recorded course of rates. Files name it (`name`), point to it (`file`) or write it out (`points`)."""

    process: Literal["trace"] = Field(description="A recorded course of rates.")
    points: tuple[tuple[Annotated[Number, Field(ge=0)], RateOrZero], ...] = Field(
        min_length=2,
        max_length=MOST_POINTS,
        description="Rows of [second, arrivals per second]; each rate holds until the next row; a rate of 0 ends it.",
    )
    source: str = Field(default="", description="Where the points came from; for readers, without effect.")
    scale: Annotated[Number, Field(gt=0, le=1000)] = Field(default=1.0, description="Factor on every rate.")

    shorthand: ClassVar[dict[str, str]] = {
        "name": "A published trace shipped with the product; docs/scenario.md lists them.",
        "file": "A CSV or JSON file of (second, rate), relative to the scenario's folder.",
    }

    @model_validator(mode="after")
    def _check(self) -> TraceArrival:
        seconds = [second for second, _ in self.points]
        found = [
            Mistake("does not come after the row before", "order the rows by second", ("points", at, 0), False)
            for at in range(1, len(seconds))
            if seconds[at] <= seconds[at - 1]
        ]
        if seconds[0] != 0:
            found.append(Mistake("is not 0", "begin the trace at second 0", ("points", 0, 0), False))
        if self.points[-1][1] != 0:
            end = ("points", len(seconds) - 1, 1)
            found.append(Mistake("is not 0", "end with a row of rate 0, which says when the trace ends", end, False))
        highest = max(rate for _, rate in self.points) * self.scale
        if highest > arrival.HIGHEST_RATE:
            found.append(Mistake(f"makes the highest rate {highest:g} per second", "use a smaller factor", ("scale",)))
        if found:
            refuse(found[:10])
        return self

    @property
    def own_length_ns(self) -> int:
        """Length of the trace."""
        return _ns(self.points[-1][0])

    def schedule(self, duration_ns: int) -> arrival.ArrivalProcess:
        """The process over a run of this length."""
        del duration_ns
        rows = zip(self.points, self.points[1:], strict=False)
        return arrival.Steps(tuple((_ns(end) - _ns(start), rate * self.scale) for (start, rate), (end, _) in rows))


def _ns(second: float) -> int:
    return round(second * NS_PER_S)


ARRIVALS = (ConstantArrival, PoissonArrival, RampArrival, StepsArrival, BurstArrival, SineArrival, TraceArrival)
"""The models of the union, in the order of the documentation."""

Arrival = Annotated[
    ConstantArrival | PoissonArrival | RampArrival | StepsArrival | BurstArrival | SineArrival | TraceArrival,
    Field(discriminator="process"),
]
