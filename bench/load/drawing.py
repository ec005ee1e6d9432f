"""Draws a worker's operations from the seed: the same ones in the encoder before a trial and in the audit after it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter

from bench.load.messages import TrialSpec
from bench.model.operation import Operation
from bench.model.values import JsonValue
from bench.model.workload import Parameter, Workload
from bench.scenario.arrival import ArrivalProcess, intended_times, shard
from bench.scenario.arrival_schema import Arrival


@dataclass(frozen=True, slots=True)
class DrawingPlan:
    """All that decides which operations are drawn, and when each is due. `accounts` are the fixture's."""

    parameters: Mapping[str, Parameter]
    accounts: int
    seed: int
    arrival: Mapping[str, JsonValue]
    duration_ns: int
    workers: int

    @staticmethod
    def of(spec: TrialSpec) -> DrawingPlan:
        """The part of a trial's specification that matters here."""
        accounts = spec.prepared().accounts
        return DrawingPlan(spec.parameters, accounts, spec.seed, spec.arrival, spec.duration_ns, spec.workers)


def draw(workload: Workload, plan: DrawingPlan, worker: int) -> Iterator[tuple[int, int, Operation]]:
    """(position in the plan, due in ns, operation) of the worker's shard, in order. Imports the workload's Locust user
    on the first call of `next`.
    """
    user = _user_class(workload).for_drawing(random.Random(f"{plan.seed}/{worker}"), plan.accounts, plan.parameters)
    times = intended_times(_process(plan), plan.duration_ns, plan.seed)
    for indices, due in shard(times, worker, plan.workers):
        for index, due_ns in zip(indices.tolist(), due.tolist(), strict=True):
            yield index, due_ns, user.draw()


def _process(plan: DrawingPlan) -> ArrivalProcess:
    arrival: Arrival = TypeAdapter(Arrival).validate_python(dict(plan.arrival))
    return arrival.schedule(plan.duration_ns)


def _user_class(workload: Workload) -> Any:
    module, _, name = workload.user.partition(":")
    return getattr(import_module(module), name)
