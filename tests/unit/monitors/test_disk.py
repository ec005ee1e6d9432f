import os

from bench.monitors.disk import allocated_bytes


def test_growth_is_what_the_files_below_take_up(tmp_path):
    before = allocated_bytes(tmp_path)
    (tmp_path / "chain" / "state").mkdir(parents=True)
    for name in ("chain/blocks", "chain/state/tables"):
        with (tmp_path / name).open("wb") as file:
            file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    grown = allocated_bytes(tmp_path) - before
    assert 2 << 20 <= grown <= (2 << 20) + (1 << 16)


def test_blocks_are_counted_not_lengths(tmp_path):
    before = allocated_bytes(tmp_path)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert allocated_bytes(tmp_path) - before < 1 << 20
    (tmp_path / "small").write_bytes(b"x")
    assert allocated_bytes(tmp_path) % 512 == 0


def test_links_are_not_followed(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "big").write_bytes(os.urandom(1 << 20))
    node = tmp_path / "node"
    node.mkdir()
    before = allocated_bytes(node)
    (node / "link").symlink_to(tmp_path / "far" / "big")
    (node / "folder").symlink_to(tmp_path / "far")
    assert allocated_bytes(node) - before < 1 << 16


def test_a_directory_that_is_not_there_is_unknown(tmp_path):
    assert allocated_bytes(tmp_path / "gone") is None


def test_a_file_that_vanishes_while_it_is_counted_counts_nothing(tmp_path, monkeypatch):
    (tmp_path / "stays").write_bytes(b"x" * 10_000)
    expected = allocated_bytes(tmp_path)
    gone = [(str(tmp_path), ["no-folder"], ["stays", "no-file"])]
    monkeypatch.setattr(os, "walk", lambda _: iter(gone))
    assert allocated_bytes(tmp_path) == expected
