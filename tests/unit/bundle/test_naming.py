from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from bench.bundle import naming
from bench.bundle.naming import create_directory
from bench.model.errors import ConfigurationError, HarnessError

AT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_the_name_tells_when_what_and_where(tmp_path):
    made = create_directory(tmp_path / "results", AT, "xborder-pvp", "anvil")
    stem, _, random = made.name.rpartition("-")
    assert (stem, len(random)) == ("20260203-040506-xborder-pvp-anvil", 6)
    assert made.is_dir()


def test_names_cannot_leave_the_parent(tmp_path):
    made = create_directory(tmp_path, AT, "../../Evil Name", "https://node:8545/")
    assert made.parent == tmp_path
    assert made.name.startswith("20260203-040506-evil-name-https-node-8545-")


def test_runs_of_the_same_second_never_share_a_directory(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_directory(tmp_path, AT, "transfer", "anvil"), range(64)))
    assert len(set(made)) == 64


def test_a_taken_name_is_tried_again_and_then_given_up(tmp_path, monkeypatch):
    tokens = iter(["aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr(naming.secrets, "token_hex", lambda _: next(tokens))
    first, second = (create_directory(tmp_path, AT, "w", "l") for _ in range(2))
    assert (first.name[-6:], second.name[-6:]) == ("aaaaaa", "bbbbbb")
    monkeypatch.setattr(naming.secrets, "token_hex", lambda _: "aaaaaa")
    with pytest.raises(HarnessError, match="no free name"):
        create_directory(tmp_path, AT, "w", "l")


def test_a_parent_that_is_a_file_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="results cannot be written"):
        create_directory(tmp_path / "file", AT, "w", "l")
