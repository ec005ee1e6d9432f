"""The committed files are what the code makes, byte for byte, on every run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dashboards.generate.__main__ import CONFIGURATION, PAGE, main
from dashboards.generate.all import BOARDS, rendered

ROOT = Path(__file__).parents[3]


def test_the_committed_dashboards_are_as_generated() -> None:
    committed = {path.name: path.read_text("utf-8") for path in (ROOT / "dashboards").glob("*.json")}
    assert committed == rendered(), "run python -m dashboards.generate"


def test_generating_twice_gives_the_same_bytes() -> None:
    assert rendered() == rendered()


def test_another_process_with_another_hash_seed_generates_the_same() -> None:
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "dashboards.generate", "--check"]
        done = subprocess.run(
            command, cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with the dashboards as generated, the page, and the containers' Prometheus."""
    (tmp_path / "dashboards").mkdir()
    for written in (PAGE, CONFIGURATION):
        (tmp_path / written).parent.mkdir(parents=True)
        (tmp_path / written).write_text((ROOT / written).read_text())
    for name, text in rendered().items():
        (tmp_path / "dashboards" / name).write_text(text)
    return tmp_path


def test_a_stale_file_is_found_and_left_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], root) == 0
    (root / "dashboards" / "run.json").write_text("{}\n")
    (root / "dashboards" / "ledger.json").unlink()
    (root / PAGE).write_text((root / PAGE).read_text().replace("| Phase |", "| Stage |"))
    (root / CONFIGURATION).write_text((root / CONFIGURATION).read_text().replace("chain_head_block", "chain_tail"))
    assert main(["--check"], root) == 1
    assert capsys.readouterr().err.startswith(
        "not as generated: dashboards/run.json, dashboards/ledger.json, docs/dashboards.md,"
        " docker/prometheus/prometheus.yml;"
    )
    assert (root / "dashboards" / "run.json").read_text() == "{}\n"
    assert main([], root) == 0
    assert main(["--check"], root) == 0
    assert sorted(path.name for path in (root / "dashboards").iterdir()) == sorted(BOARDS)


def test_a_page_without_a_place_for_the_tables_is_refused(root: Path) -> None:
    (root / PAGE).write_text("# Dashboards\n")
    with pytest.raises(ValueError, match="lacks"):
        main(["--check"], root)
