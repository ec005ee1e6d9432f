"""The adapter of docs/write-an-adapter.md as a stranger has it: installed outside, found by entry point, tested."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "adapter"
BLOCK = re.compile(r"<!-- (examples/adapter/\S+) -->\n```\w+\n(.*?)```\n", re.DOTALL)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A directory with the example's sources, and an environment in which it is installed."""
    place = tmp_path_factory.mktemp("outside")
    shutil.copytree(EXAMPLE, place / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(place / "site"), str(place / "source")], check=True, timeout=120)
    path = os.pathsep.join([str(place / "site"), str(ROOT)])
    return place, {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def test_it_passes_the_adapter_contract(outside: tuple[Path, dict[str, str]]) -> None:
    place, environment = outside
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-q", "--timeout", "60"]
    done = subprocess.run(
        [*command, "--import-mode=importlib", "tests"],
        cwd=place / "source",
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 25
    assert "skipped" not in done.stdout


def test_its_entry_point_is_found_with_name_and_version(outside: tuple[Path, dict[str, str]]) -> None:
    place, environment = outside
    program = (
        "from importlib.metadata import entry_points\n"
        "(found,) = entry_points(group='bench.adapters', name='journal')\n"
        "print(found.load().__name__, found.dist.name, found.dist.version)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["JournalAdapter", "bench-journal", "1.0"]


def test_the_page_shows_the_files_as_they_are() -> None:
    page = (ROOT / "docs" / "write-an-adapter.md").read_text(encoding="utf-8")
    shown: dict[str, str] = {}
    for name, code in BLOCK.findall(page):
        shown[name] = shown.get(name, "") + code
    names = ["bench_journal/server.py", "pyproject.toml", "bench_journal/adapter.py", "tests/test_journal_contract.py"]
    assert list(shown) == [f"examples/adapter/{name}" for name in names]
    for name, code in shown.items():
        file = (ROOT / name).read_text(encoding="utf-8")
        assert _without_blank_lines(code) == _without_blank_lines(file), f"the page and {name} differ"


def _without_blank_lines(text: str) -> list[str]:
    """A page may break a file between two definitions, where blank lines are."""
    return [line for line in text.splitlines() if line.strip()]
