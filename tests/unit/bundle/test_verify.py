import json

import pytest

from bench.bundle import naming
from bench.bundle.manifest import reseal, seal
from bench.bundle.verify import verify
from bench.model.errors import ConfigurationError
from tests.support.bundles import synthetic_bundle


@pytest.fixture
def bundle(tmp_path):
    return synthetic_bundle(tmp_path / "bundle", seconds=3)


def found(bundle):
    return [str(problem) for problem in verify(bundle)]


def flip(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_closed_bundle_is_whole(bundle):
    assert found(bundle) == []


@pytest.mark.parametrize("name", sorted(set(naming.REQUIRED) - {naming.MANIFEST}))
def test_a_flipped_byte_is_found_in_every_file(bundle, name):
    flip(bundle / name, place=len((bundle / name).read_bytes()) // 2)
    assert any(text.startswith(f"{name}: changed since the bundle was closed") for text in found(bundle))


@pytest.mark.parametrize("name", sorted(set(naming.REQUIRED) - {naming.MANIFEST}))
def test_a_missing_file_is_found(bundle, name):
    (bundle / name).unlink()
    if name == naming.RESULT:
        assert f"{name}: missing" in found(bundle)
    else:
        assert found(bundle)[0] == f"{name}: missing"


def test_an_extra_file_is_found_also_below(bundle):
    (bundle / "logs").mkdir()
    (bundle / "logs" / "node.log").write_text("x")
    assert found(bundle) == ["logs/node.log: not in the manifest: added after the bundle was closed"]


def test_a_file_that_was_never_there_is_missed_although_the_manifest_does_not_name_it(bundle):
    (bundle / naming.BLOCKS).unlink()
    seal(bundle)
    assert found(bundle) == ["blocks.parquet: missing"]


def test_a_table_that_is_none_is_found_although_it_is_sealed(bundle):
    (bundle / naming.RESOURCES).write_bytes(b"PAR1 not at all PAR1")
    seal(bundle)
    assert len(found(bundle)) == 1
    assert found(bundle)[0].startswith("resources.parquet: not readable as Parquet")


def test_a_truncated_table_is_found_although_it_is_sealed(bundle):
    data = (bundle / naming.TRANSACTIONS).read_bytes()
    (bundle / naming.TRANSACTIONS).write_bytes(data[:-100])
    seal(bundle)
    assert found(bundle)[0].startswith("transactions.parquet: not readable as Parquet")


@pytest.mark.parametrize(
    ("part", "key"),
    [("counts", "planned"), ("counts", "finalized"), ("counts", "failed_expected"), ("reads", "answered")],
)
def test_figures_that_do_not_follow_from_the_rows_are_found_although_they_are_sealed(bundle, part, key):
    data = json.loads((bundle / naming.RESULT).read_text())
    value = data["trials"][1][part][key]
    data["trials"][1][part][key] += 1
    (bundle / naming.RESULT).write_text(json.dumps(data))
    seal(bundle)
    name = key if part == "counts" else f"reads.{key}"
    assert found(bundle) == [f"result.json: trial 2 states {name} = {value + 1}, but its rows give {value}"]


def test_an_invalid_trial_may_miss_rows_because_it_says_so(bundle):
    data = json.loads((bundle / naming.RESULT).read_text())
    data["trials"][0]["counts"]["planned"] += 1
    data["trials"][0]["verdict"] = {"status": "invalid", "reasons": ["1 of 100 planned operations left no row"]}
    (bundle / naming.RESULT).write_text(json.dumps(data))
    seal(bundle)
    assert found(bundle) == []


def test_a_report_made_again_is_resealed_without_vouching_for_the_rest(bundle):
    (bundle / "report.html").write_text("<p>first")
    reseal(bundle, ["report.html"])
    assert found(bundle) == []
    (bundle / "report.html").write_text("<p>second")
    flip(bundle / naming.SCENARIO)
    reseal(bundle, ["report.html"])
    assert found(bundle) == ["scenario.yaml: changed since the bundle was closed: its SHA-256 is not the manifest's"]


def test_a_bundle_that_was_never_closed_says_so(bundle):
    (bundle / naming.MANIFEST).unlink()
    assert found(bundle) == ["MANIFEST.sha256: missing: the bundle was never closed"]


def test_a_manifest_that_is_none_says_so(bundle):
    (bundle / naming.MANIFEST).write_text("not a digest\n")
    assert found(bundle) == ["MANIFEST.sha256: MANIFEST.sha256 has a line that is no digest"]


def test_a_directory_that_is_no_bundle_is_a_usage_error(tmp_path):
    with pytest.raises(ConfigurationError):
        verify(tmp_path)
