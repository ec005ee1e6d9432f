import json

import pytest

from bench.bundle import naming
from bench.bundle.reader import read_bundle
from bench.model.errors import ConfigurationError, IntegrityError
from bench.model.result import SCHEMA_VERSION
from tests.support.bundles import synthetic_bundle


@pytest.fixture
def bundle(tmp_path):
    return synthetic_bundle(tmp_path / "bundle", seconds=3)


def rewrite(path, **changes):
    data = json.loads((path / naming.RESULT).read_text())
    (path / naming.RESULT).write_text(json.dumps(data | changes))


def test_a_bundle_is_read_back(bundle):
    found = read_bundle(bundle)
    assert found.directory == bundle
    assert found.result.schema_version == SCHEMA_VERSION
    assert found.result.ledger.name == "anvil"
    assert found.scenario.startswith("ledger: anvil")
    assert found.environment["cpu"]["cores"] == 4
    assert len(found.events) == 8


def test_tables_are_read_per_trial_and_column(bundle):
    found = read_bundle(bundle)
    rows = found.transactions(2, ["outcome", "trial"])
    assert set(rows.column_names) == {"outcome", "trial"}
    assert set(rows["trial"].to_pylist()) == {2}
    counts = found.result.trials[1].counts
    assert rows["outcome"].to_pylist().count("finalized") == counts.finalized
    assert found.transactions(1, ["outcome"]).column_names == ["outcome"]
    assert found.blocks(1)["ordinal"].to_pylist() == list(range(8))
    assert set(found.resources(1)["process"].to_pylist()) == {"worker-0", "worker-1", "observer", "anvil-0"}
    assert found.transactions(3).num_rows == 0


def test_missing_directories_are_usage_errors(tmp_path):
    with pytest.raises(ConfigurationError, match="bundle not found"):
        read_bundle(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"no result\.json"):
        read_bundle(tmp_path)


def test_a_newer_schema_is_refused_before_its_keys_are_looked_at(bundle):
    rewrite(bundle, schema=SCHEMA_VERSION + 1, unheard_of={})
    with pytest.raises(ConfigurationError, match=f"newer version.*schema {SCHEMA_VERSION + 1}"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (naming.RESULT, "{", r"result\.json is not JSON"),
        (naming.RESULT, "[]", r"result\.json is not a JSON object"),
        (naming.RESULT, '{"schema": 1}', "breaks its schema in .* first at run_id"),
        (naming.ENVIRONMENT, "nope", r"environment\.json is not JSON"),
        (naming.EVENTS, '{"event": "a", "at": "b"}\n{"eve', r"events\.jsonl has a broken line"),
        (naming.EVENTS, '{"unknown": 1}\n', r"events\.jsonl has a broken line"),
    ],
)
def test_broken_files_are_integrity_errors(bundle, name, content, message):
    (bundle / name).write_text(content)
    with pytest.raises(IntegrityError, match=message):
        read_bundle(bundle)


@pytest.mark.parametrize("name", [naming.SCENARIO, naming.ENVIRONMENT, naming.EVENTS])
def test_missing_files_are_named(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(IntegrityError, match=f"{name} is missing"):
        read_bundle(bundle)


def test_an_unknown_key_is_refused_with_its_place(bundle):
    rewrite(bundle, surprise=1)
    with pytest.raises(IntegrityError, match="first at surprise"):
        read_bundle(bundle)


def test_a_broken_table_is_noticed_when_it_is_read(bundle):
    (bundle / naming.TRANSACTIONS).write_bytes(b"PAR1 not at all")
    with pytest.raises(IntegrityError, match=r"transactions\.parquet is broken"):
        read_bundle(bundle).transactions(1)
    (bundle / naming.BLOCKS).unlink()
    with pytest.raises(IntegrityError, match=r"blocks\.parquet is missing"):
        read_bundle(bundle).blocks(1)
