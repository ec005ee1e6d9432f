from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.model.errors import ConfigurationError
from bench.model.version import __version__
from bench.run.calibration_store import CalibrationStore, LoadPath, Machine
from tests.support.calibration import EVM, MACHINE, record


@pytest.fixture
def store(tmp_path: Path) -> CalibrationStore:
    return CalibrationStore(tmp_path / "calibration", MACHINE)


def test_what_is_kept_is_found_again(store: CalibrationStore) -> None:
    kept = record(store, 5000)
    path = store.keep(kept)
    assert path == store.directory / f"{kept.key}.json"
    assert store.find(EVM) == kept
    assert [file.name for file in store.directory.iterdir()] == [path.name]
    part = kept.part()
    assert (part.key, part.ceiling_per_s, part.at_least) == (kept.key, 5000, False)
    assert (part.adapter, part.workers, part.batch, part.made_at) == ("evm", 1, 1, kept.made_at)


@pytest.mark.parametrize(
    "other",
    [
        replace(EVM, adapter="sqlite"),
        replace(EVM, scheme="ws"),
        replace(EVM, workers=2),
        replace(EVM, batch=50),
    ],
)
def test_another_way_of_sending_has_another_record(store: CalibrationStore, other: LoadPath) -> None:
    store.keep(record(store, 5000))
    assert store.find(other) is None


@pytest.mark.parametrize(
    "other", [replace(MACHINE, cpu="another"), replace(MACHINE, usable_cores=4), replace(MACHINE, kernel="Linux 7")]
)
def test_another_machine_has_another_record(store: CalibrationStore, other: Machine) -> None:
    store.keep(record(store, 5000))
    assert CalibrationStore(store.directory, other).find(EVM) is None


def test_another_version_has_another_record(store: CalibrationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep(record(store, 5000))
    monkeypatch.setattr("bench.run.calibration_store.__version__", __version__ + "+next")
    assert store.find(EVM) is None


def broken(kept: dict[str, object]) -> list[str]:
    return [
        "",
        "{",
        "[]",
        json.dumps({**kept, "format": 2}),
        json.dumps({**kept, "unknown": 1}),
        json.dumps({**kept, "key": "0" * 16}),
        json.dumps({**kept, "batch": 7}),
        json.dumps({**kept, "ceiling_per_s": 0}),
        json.dumps({key: value for key, value in kept.items() if key != "ceiling_per_s"}),
        "\x00" * 100,
    ]


def test_a_broken_or_foreign_file_counts_as_absent_and_is_replaced(store: CalibrationStore) -> None:
    kept = record(store, 5000)
    file = store.keep(kept)
    for text in broken(kept.model_dump()):
        file.write_text(text)
        assert store.find(EVM) is None, text
    store.keep(kept)
    assert store.find(EVM) == kept


def test_a_lower_bound_that_is_no_news_replaces_nothing(store: CalibrationStore) -> None:
    store.keep(record(store, 5000))
    store.keep(record(store, 2000, at_least=True))
    found = store.find(EVM)
    assert found is not None
    assert found.ceiling_per_s == 5000
    store.keep(record(store, 6000))
    found = store.find(EVM)
    assert found is not None
    assert (found.ceiling_per_s, found.at_least) == (6000, False)


@pytest.mark.parametrize(
    ("known", "new", "replaced"),
    [
        pytest.param(("full", 5000, False), ("full", 4000, False), True, id="full by full"),
        pytest.param(("full", 5000, False), ("full", 6000, True), False, id="full by a higher bound"),
        pytest.param(("full", 5000, False), ("quick", 6000, False), False, id="full by quick"),
        pytest.param(("full", 5000, False), ("check", 4000, False), False, id="full by a check"),
        pytest.param(("full", 5000, True), ("quick", 4000, False), False, id="full bound by less"),
        pytest.param(("full", 5000, True), ("check", 6000, True), True, id="full bound by more"),
        pytest.param(("full", 5000, True), ("full", 4000, False), True, id="full bound by full"),
        pytest.param(("quick", 5000, False), ("check", 4000, False), True, id="quick by a later check"),
        pytest.param(("check", 5000, True), ("quick", 5000, True), False, id="bound by no news"),
    ],
)
def test_what_replaces_what(
    store: CalibrationStore, known: tuple[str, float, bool], new: tuple[str, float, bool], replaced: bool
) -> None:
    kept, later = (
        record(store, ceiling, at_least=open_end).model_copy(update={"method": method})
        for method, ceiling, open_end in (known, new)
    )
    store.keep(kept)
    store.keep(later)
    assert store.find(EVM) == (later if replaced else kept)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = CalibrationStore(tmp_path / "file" / "calibration", MACHINE)
    with pytest.raises(ConfigurationError, match="could not be kept") as caught:
        store.keep(record(store, 5000))
    assert "BENCH_CACHE" in caught.value.remedy


def test_the_cache_is_the_products_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert CalibrationStore(machine=MACHINE).directory == tmp_path / "calibration"


def test_this_machine_is_the_same_twice() -> None:
    assert Machine.here() == Machine.here()
