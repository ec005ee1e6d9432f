"""Plug-ins by name: adapters, ledgers, workloads and monitors, ours and other people's, all through entry points.

Asking for a list imports none of them; asking for one imports that one. A name that two packages claim is an error,
because which of them ran would depend on the order of a search path.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Protocol, TypeVar

from bench.adapters.protocol import Adapter
from bench.ledgers.protocol import Ledger
from bench.model.errors import ConfigurationError
from bench.model.workload import Workload

GROUPS = ("adapters", "ledgers", "workloads", "monitors")
"""Kinds of plug-ins; the entry-point group of each is `bench.<kind>`."""

_Made = TypeVar("_Made", covariant=True)


class _Factory(Protocol[_Made]):
    def __call__(self) -> _Made: ...


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A row of `bench.py plugins`. `group` is one of `GROUPS`, `reference` is "module:attribute"."""

    group: str
    name: str
    distribution: str
    version: str
    reference: str


def plugins() -> list[PluginInfo]:
    """Every registered plug-in by group and name; imports none. Raises ConfigurationError on a name claimed twice."""
    return [_describe(group, point) for group in GROUPS for _, point in sorted(_points(group).items())]


def names(group: str) -> list[str]:
    """Names registered in one of `GROUPS`, in alphabetical order."""
    return sorted(_points(group))


def adapter(name: str) -> Adapter:
    """A fresh, unopened adapter. Raises ConfigurationError: unknown, claimed twice, or not to be imported."""
    factory: _Factory[Adapter] = _load("adapters", name)
    return factory()


def ledger(name: str) -> Ledger:
    """A managed ledger with nothing running. Raises ConfigurationError as `adapter` does."""
    factory: _Factory[Ledger] = _load("ledgers", name)
    return factory()


def workload(name: str) -> Workload:
    """The declared workload; its Locust user is not imported. Raises ConfigurationError as `adapter` does."""
    found = _load("workloads", name)
    if not isinstance(found, Workload):
        raise ConfigurationError(
            f"workload {name!r} is not a bench.api.Workload",
            value=type(found).__name__,
            remedy="let its entry point refer to a Workload value, not to a class or function",
        )
    return found


def monitor(name: str) -> object:
    """The monitor's class, not constructed. Raises ConfigurationError as `adapter` does."""
    return _load("monitors", name)


def _load(group: str, name: str):  # type: ignore[no-untyped-def]  # what it is, only its entry point knows
    point = _find(group, name)
    try:
        return point.load()
    except Exception as error:  # the edge to other people's modules, which may raise anything on import
        info = _describe(group, point)
        raise ConfigurationError(
            f"{group[:-1]} {name!r} of {info.distribution} {info.version} cannot be imported: "
            f"{type(error).__name__}: {error}",
            value=point.value,
            remedy=f"repair or uninstall {info.distribution}",
        ) from error


def _find(group: str, name: str) -> metadata.EntryPoint:
    points = _points(group)
    if name in points:
        return points[name]
    near = difflib.get_close_matches(name, points, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    if _in_this_checkout(group, name):
        hint = "its module is here, but this environment was installed without it: run `make setup` again. "
    known = ", ".join(sorted(points)) or "none; install this product with `make setup` so that it registers its own"
    raise ConfigurationError(f"unknown {group[:-1]}", value=name, remedy=f"{hint}known {group}: {known}")


def _in_this_checkout(group: str, name: str) -> bool:
    """Whether the product's files have a module of that name: then the entry points are older than they are."""
    module = name.replace("-", "_")
    folder = group if group == "workloads" else f"bench.{group}"
    return module.isidentifier() and importlib.util.find_spec(f"{folder}.{module}") is not None


def _points(group: str) -> dict[str, metadata.EntryPoint]:
    return _unique(group, metadata.entry_points(group=f"bench.{group}"))


def _unique(group: str, found: Iterable[metadata.EntryPoint]) -> dict[str, metadata.EntryPoint]:
    points: dict[str, metadata.EntryPoint] = {}
    for point in found:
        other = points.setdefault(point.name, point)
        first, second = _describe(group, other), _describe(group, point)
        if first != second:
            raise ConfigurationError(
                f"two packages register the {group[:-1]} {point.name!r}: {first.distribution} ({first.reference}) "
                f"and {second.distribution} ({second.reference})",
                remedy="uninstall one of them, or rename its entry point",
            )
    return points


def _describe(group: str, point: metadata.EntryPoint) -> PluginInfo:
    if point.dist is None:
        return PluginInfo(group, point.name, "unknown", "unknown", point.value)
    return PluginInfo(group, point.name, point.dist.name, point.dist.version, point.value)
