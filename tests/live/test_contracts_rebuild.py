"""The committed contract artefacts are what the pinned compiler makes of the committed sources, byte for byte."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.live import missing

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


def test_the_artefacts_rebuild_byte_identically(tmp_path):
    node = shutil.which("node") or missing("node and npm, to compile contracts")
    command = [node, str(ROOT / "tools" / "contracts" / "build.mjs"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=280)
    built = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("contract.json"))
    committed = sorted(path.relative_to(ROOT) for path in (ROOT / "workloads").rglob("contract.json"))
    assert built == committed
    assert len(built) > 0
    for path in built:
        assert (tmp_path / path).read_bytes() == (ROOT / path).read_bytes(), f"{path} differs: run make contracts"
