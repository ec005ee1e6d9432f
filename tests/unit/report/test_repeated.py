from __future__ import annotations

from pathlib import Path

from bench.bundle.reader import read_bundle
from bench.report.repeated import exact, plan_digest
from tests.support.bundles import synthetic_bundle


def make(path: Path, seed: int = 1, trials: int = 2) -> Path:
    return synthetic_bundle(path, workload="smallbank", trials=trials, seconds=3, seed=seed)


def test_the_same_seed_plans_the_same(tmp_path: Path) -> None:
    first, second = read_bundle(make(tmp_path / "a")), read_bundle(make(tmp_path / "b"))
    found = exact(first, second)
    assert len(found) == 6
    assert all(one.equal for one in found)


def test_another_seed_draws_other_operations(tmp_path: Path) -> None:
    first, second = read_bundle(make(tmp_path / "a")), read_bundle(make(tmp_path / "b", seed=2))
    unequal = {one.name.partition(": ")[2] for one in exact(first, second) if not one.equal}
    assert {"seed", "plan (kind, operation and due time of each)"} <= unequal
    assert any(" before, " in one.detail for one in exact(first, second))


def test_only_trials_that_both_completed_are_asked(tmp_path: Path) -> None:
    first, second = read_bundle(make(tmp_path / "a", trials=3)), read_bundle(make(tmp_path / "b", trials=1))
    assert {one.name.split(":")[0] for one in exact(first, second)} == {"trial 1"}


def test_the_digest_is_of_the_plan_and_not_of_what_came_out(tmp_path: Path) -> None:
    bundle = read_bundle(make(tmp_path / "a"))
    assert plan_digest(bundle, 1) == plan_digest(bundle, 1) != plan_digest(bundle, 2)
    assert len(plan_digest(bundle, 1)) == 64
