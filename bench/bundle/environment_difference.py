"""In what two environments differ, and which of it could show in the figures. Pure; any two `environment.json` will do.

What only one of the two recorded (an older version wrote less) is no difference. What changes by itself from run to run
(free space, load average) is left out; what else ran beforehand is told where the two were not alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_BUSY = "busy.others_cpu_percent"
_BUSY_ALIKE = 10.0  # percent of one core
_MEMORY_ALIKE = 0.01  # what a kernel reserves differs from boot to boot
_PASSING = ("disk.free_bytes", "busy.load_average", "busy.processes")
_HARMLESS = ("host", "os", "swap_bytes", "clock_sources", "python_build.compiler", "bounds.open_files")
_REPORTING = ("grafana-api", "jinja2", "matplotlib", "prometheus-client", "pyyaml", "rich", "typer")
_NONE = "none"


class Difference(NamedTuple):
    """One key of the environment, dotted, with both values as text. `matters`: it could show in the figures."""

    key: str
    left: str
    right: str
    matters: bool


def difference(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    """What differs, in the order of `environment.json`; what matters first."""
    mine, other = flat(left), flat(right)
    found = [
        Difference(key, shown(key, mine.get(key)), shown(key, other.get(key)), _matters(key))
        for key in dict.fromkeys((*mine, *other))
        if _recorded(key, left) and _recorded(key, right) and not _alike(key, mine.get(key), other.get(key))
    ]
    return sorted(found, key=lambda one: not one.matters)


def flat(environment: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; lists stay whole."""
    found: dict[str, Any] = {}
    for name, value in environment.items():
        key = f"{prefix}{name}"
        found |= flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return found


def shown(key: str, value: Any) -> str:
    """A value as text; bytes in GB."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == [] or value == ():
        return _NONE
    if value == "":
        return "set"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if key.endswith("_bytes") and isinstance(value, int):
        return f"{value / 1e9:.3g} GB"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _recorded(key: str, environment: Mapping[str, Any]) -> bool:
    """Whether the environment has the mapping the key belongs to (`sockets`), or, at the top or of a fixed set, the key
    itself. A mitigation that is not listed is one that is not needed, and so a difference.
    """
    name, _, inner = key.partition(".")
    if name not in environment:
        return False
    holder = environment[name]
    if not inner or not isinstance(holder, Mapping):
        return True
    if inner.startswith("mitigations."):
        return "mitigations" in holder
    return inner in holder or name in ("kernel_switches", "sockets", "programs")


def _alike(key: str, left: Any, right: Any) -> bool:
    if key in _PASSING or left == right:
        return True
    if key == _BUSY:
        return left is None or right is None or abs(left - right) < _BUSY_ALIKE
    if key == "memory_bytes":
        return bool(abs(left - right) <= _MEMORY_ALIKE * max(left, right))
    return isinstance(left, list | tuple) and isinstance(right, list | tuple) and list(left) == list(right)


def _matters(key: str) -> bool:
    name = key.partition(".")[2]
    return key not in _HARMLESS and not (key.startswith("distributions.") and name in _REPORTING)
