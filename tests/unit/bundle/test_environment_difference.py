from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.environment import collect_environment
from bench.bundle.environment_difference import difference, flat
from tests.support.bundles import synthetic_environment

SAMPLES = sorted((Path(__file__).parents[3] / "results" / "sample").glob("*/environment.json"))


def changed(key: str, value: Any) -> dict[str, Any]:
    environment: Any = copy.deepcopy(synthetic_environment())
    holder = environment
    *path, last = key.split("/")
    for part in path:
        holder = holder[part]
    holder[last] = value
    return environment


def test_equal_environments_do_not_differ() -> None:
    assert difference(synthetic_environment(), synthetic_environment()) == []


@pytest.mark.parametrize(
    ("key", "value", "left", "right", "matters"),
    [
        ("cpu/model", "Other CPU", "Example CPU @ 3.00GHz", "Other CPU", True),
        ("cpu/turbo", True, "none", "yes", True),
        ("cpu/mitigations", {}, "Mitigation: usercopy barriers", "none", True),
        ("cpu/flags", ["aes"], "aes, avx2, sha_ni", "aes", True),
        ("kernel", "6.2.0", "6.1.0", "6.2.0", True),
        ("kernel_switches", {"mitigations": "auto", "nosmt": ""}, "none", "set", True),
        ("bounds/cpu_quota_cores", 1.5, "none", "1.5", True),
        ("memory_bytes", 32_000_000_000, "16 GB", "32 GB", True),
        ("busy/others_cpu_percent", 95.0, "1.5", "95", True),
        ("distributions/numpy", "2.5", "2.4.6", "2.5", True),
        ("host", "ffff", "0123456789ab", "ffff", False),
        ("os", "Other Linux", "Example Linux 1", "Other Linux", False),
    ],
)
def test_one_change_is_one_difference(key: str, value: Any, left: str, right: str, matters: bool) -> None:
    (found,) = difference(synthetic_environment(), changed(key, value))
    assert (found.left, found.right, found.matters) == (left, right, matters)
    assert found.key.startswith(key.replace("/", "."))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("disk/free_bytes", 5),
        ("busy/load_average", [9.0, 9.0, 9.0]),
        ("busy/others_cpu_percent", 8.0),
        ("busy/others_cpu_percent", None),
        ("memory_bytes", 16_050_000_000),
        ("cpu/flags", ("aes", "avx2", "sha_ni")),
    ],
)
def test_what_changes_by_itself_is_no_difference(key: str, value: Any) -> None:
    assert difference(synthetic_environment(), changed(key, value)) == []


def test_what_matters_comes_first() -> None:
    other = changed("host", "ffff")
    other["kernel"] = "6.2.0"
    assert [one.key for one in difference(synthetic_environment(), other)] == ["kernel", "host"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parent.name)
def test_an_older_environment_recorded_less_and_that_is_no_difference(sample: Path, tmp_path: Path) -> None:
    old = json.loads(sample.read_text())
    new = {**collect_environment(tmp_path).to_json(), **{key: old[key] for key in old if key not in ("cpu", "disk")}}
    new["cpu"] = {**new["cpu"], **old["cpu"]}  # type: ignore[dict-item]
    new["disk"] = {**new["disk"], **old["disk"]}  # type: ignore[dict-item]
    assert difference(old, new) == []


def test_flat_keys() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None}) == {"a.b": 1, "a.c.d": [1, 2], "e": None}
