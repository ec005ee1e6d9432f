"""`ledgers install` of several: one that fails stops no other, and decides how the command ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import registry
from bench.cli.main import app
from bench.ledgers.protocol import Progress
from bench.ledgers.sqlite import SqliteLedger
from bench.model.errors import ExitCode, LedgerError


class Installable:
    """Comes from a package client that works, or does not."""

    def __init__(self, name: str, works: bool) -> None:
        self.info = replace(SqliteLedger.info, name=name, download=f"7 MB, a minute ({name})")
        self._works = works

    def installed(self) -> Path | None:
        return None

    def install(self, progress: Progress) -> Path:
        progress(f"fetching {self.info.name}")
        if not self._works:
            raise LedgerError("the client failed", remedy="check the network")
        return Path("/programs") / self.info.name


@pytest.fixture(autouse=True)
def ledgers(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"broken": Installable("broken", False), "good": Installable("good", True)}
    monkeypatch.setattr(registry, "names", lambda group: sorted(known))
    monkeypatch.setattr(registry, "ledger", known.__getitem__)


def test_all_are_tried_and_the_worst_decides() -> None:
    done = CliRunner().invoke(app, ["ledgers", "install", "--all", "--json"])
    assert done.exit_code == ExitCode.LEDGER_FAILED
    assert json.loads(done.stdout) == {"broken": None, "good": "/programs/good"}
    assert "good is to be installed: 7 MB, a minute (good)" in done.stderr
    assert "broken could not be installed: the client failed" in done.stderr


def test_sizes_are_said_before_anything_starts() -> None:
    lines = CliRunner().invoke(app, ["ledgers", "install", "--all"]).stderr.splitlines()
    last_size = max(index for index, line in enumerate(lines) if "is to be installed" in line)
    assert last_size < min(index for index, line in enumerate(lines) if "fetching" in line)


def test_one_that_works_ends_well() -> None:
    done = CliRunner().invoke(app, ["ledgers", "install", "good"])
    assert (done.exit_code, done.stdout) == (0, "good: /programs/good\n")


@pytest.mark.parametrize("arguments", [[], ["good", "--all"]])
def test_either_names_or_all(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["ledgers", "install", *arguments])
    assert done.exit_code != 0
