"""The workload that docs/write-a-workload.md builds, taken from the page: found, drawn, executed, audited."""

from __future__ import annotations

import importlib.util
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.api import AuditInput, Refused

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"<!-- (tally/\S+) -->\n```\w+\n(.*?)```\n", re.DOTALL)
FACTS = "Metadata-Version: 2.1\nName: tally\nVersion: 1.0\n"
DRAW = """
import random
from importlib import import_module
from bench import registry
workload = registry.workload("tally")
module, _, name = workload.user.partition(":")
user = getattr(import_module(module), name).for_drawing(random.Random(1), 5, workload.defaults)
drawn = [user.draw() for _ in range(1000)]
assert all(0 <= operation.arguments["ballot"] < 10 for operation in drawn)
print(sum(operation.name == "vote" for operation in drawn), len({operation.name for operation in drawn}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files as an installed package."""
    place = tmp_path_factory.mktemp("site")
    page = (ROOT / "docs" / "write-a-workload.md").read_text()
    for name, text in BLOCK.findall(page):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    facts = place / "tally-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(FACTS)
    entry = re.search(r"^\[project\.entry-points\.\"(bench\.workloads)\"\]\ntally = \"(.+)\"$", page, re.MULTILINE)
    assert entry is not None
    (facts / "entry_points.txt").write_text(f"[{entry[1]}]\ntally = {entry[2]}\n")
    return place


def loaded(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_found_and_draws_by_weight(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)])}
    command = [sys.executable, "-c", DRAW]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    votes, names = map(int, done.stdout.split())
    assert names == 2
    assert 860 < votes < 940


def test_its_procedures_count_and_refuse_and_its_audit_notices(place: Path) -> None:
    declaration = loaded(place / "tally" / "__init__.py", "tally_page")
    procedures = loaded(place / "tally" / "sql" / "procedures.py", "tally_page_procedures")
    connection = sqlite3.connect(":memory:")
    connection.executescript((place / "tally" / "sql" / "schema.sql").read_text())

    class Memory:
        def execute(self, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
            return connection.execute(sql, parameters or {}).fetchall()

        def read(self, name: str, arguments: dict[str, object]) -> object:
            return procedures.READS[name](self, arguments)

    memory = Memory()
    try:
        for _ in range(2):  # setup may run again
            procedures.setup(memory, declaration.WORKLOAD.defaults, 5)
        for ballot in (3, 3, 7):
            procedures.WRITES["vote"](memory, {"ballot": ballot})
        with pytest.raises(Refused, match="no_such_ballot"):
            procedures.WRITES["vote"](memory, {"ballot": 10})
        assert procedures.READS["votes"](memory, {"ballot": 3}) == 2
        for recorded, status in ((3, "held"), (2, "broken"), (4, "broken")):
            record = AuditInput({"vote": {"finalized": recorded}}, 5, declaration.WORKLOAD.defaults)
            assert [found.status for found in declaration.audit(memory, record)] == [status]
    finally:
        connection.close()
