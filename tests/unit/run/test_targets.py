"""A broken ledger of somebody else's is named, and breaks no run on another one."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench import registry
from bench.ledgers.sqlite import SqliteLedger
from bench.model.errors import ConfigurationError
from bench.run.targets import _family_of

MINE = SimpleNamespace(info=replace(SqliteLedger.info, name="z-mine", adapter="mine", family="sql"))


@pytest.fixture(autouse=True)
def ledgers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def ledger(name: str) -> object:
        asked.append(name)
        if name == "broken":
            raise ConfigurationError("ledger 'broken' of city 1.0 cannot be imported: ImportError: x", remedy="repair")
        return MINE

    monkeypatch.setattr(registry, "names", lambda group: ["broken", "z-mine"])
    monkeypatch.setattr(registry, "ledger", ledger)
    return asked


def test_a_broken_ledger_is_named_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _family_of("mine") == "sql"
    assert caplog.messages == ["ledger 'broken' of city 1.0 cannot be imported: ImportError: x; passed over"]


def test_the_ledger_of_the_adapters_name_is_asked_first_and_alone(
    monkeypatch: pytest.MonkeyPatch, ledgers: list[str]
) -> None:
    monkeypatch.setattr(MINE, "info", replace(MINE.info, adapter="z-mine"))
    assert _family_of("z-mine") == "sql"
    assert ledgers == ["z-mine"]
