"""`LedgerUser`: what a workload subclasses. Its weighted `@task`s return an `Operation` and do no I/O.

Locust spawns, distributes and supervises the users; each spawned user is one *lane*, a greenlet with a connection of
its
own that submits what the worker's pacer hands it. The tasks themselves never run as Locust tasks: they are collected as
operation factories, and an encoder process draws from them ahead of time, from the trial's seed. That keeps signing and
random draws out of the time between an intended arrival and its submission.

The same class works in a locustfile under plain `locust -f` (`bench.load.plain` then stands in for the coordinator).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

import gevent
from locust import User, events
from locust import task as locust_task

from bench.model.operation import Account, Operation
from bench.model.workload import Parameter

if TYPE_CHECKING:
    from bench.load.engine import Engine

Factory = Callable[[Any], Operation]
F = TypeVar("F", bound=Factory)

__all__ = ["LedgerUser", "task"]


@overload
def task(weight: F) -> F: ...
@overload
def task(weight: int) -> Callable[[F], F]: ...
def task(weight: Any) -> Any:
    """Locust's own `@task` or `@task(weight)`, typed for methods that return an `Operation`."""
    return locust_task(weight)


def _lane(user: LedgerUser) -> None:
    """The only task Locust runs: submit until the trial ends, then wait to be stopped."""
    while LedgerUser.engine is None:  # under plain Locust users may be spawned before the ledger is prepared
        gevent.sleep(0.05)
    LedgerUser.engine.lane(user)
    while True:
        gevent.sleep(60)


class LedgerUser(User):
    """Subclass it, and write `@task(weight)` methods that return an `Operation`.

    In a task, `self.rng` is the seeded random source (the only one a task may use), `self.accounts` the number of
    accounts of the fixture, `self.parameters` the workload's parameters. Override `prepare_drawing` for what is costly
    to make once (a Zipf table, say). Tasks run in the encoder process, in one thread, in a fixed order.
    """

    abstract = True
    factories: ClassVar[list[Factory]] = []
    engine: ClassVar[Engine | None] = None  # set in the worker

    rng: random.Random
    accounts: int
    parameters: Mapping[str, Parameter]

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        own = [function for function in cls.tasks if function is not _lane]
        inherited = [function for base in cls.__bases__ for function in getattr(base, "factories", [])]
        cls.factories = inherited + own
        cls.tasks = [_lane]

    @classmethod
    def for_drawing(cls, rng: random.Random, accounts: int, parameters: Mapping[str, Parameter]) -> LedgerUser:
        """An instance that can draw operations but is no Locust user (it has no environment and no lane)."""
        user = cls.__new__(cls)
        user.rng = rng
        user.accounts = accounts
        user.parameters = parameters
        user.prepare_drawing()
        return user

    def prepare_drawing(self) -> None:
        """Called once, before the first draw."""

    def draw(self) -> Operation:
        """The next operation: a factory chosen by weight, then its own draws."""
        factories = self.factories
        return factories[int(self.rng.random() * len(factories))](self)

    def any_account(self) -> Account:
        """A uniformly drawn account of the fixture."""
        return Account(int(self.rng.random() * self.accounts))


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _arguments(parser: Any, **_: Any) -> None:
    """Under plain `locust -f`; the environments of `bench run` have events of their own and never come here."""
    from bench.load import plain

    plain.add_arguments(parser)


@events.init.add_listener  # type: ignore[untyped-decorator]
def _install(environment: Any, runner: Any, **_: Any) -> None:
    from bench.load import plain

    plain.install(environment, runner)
