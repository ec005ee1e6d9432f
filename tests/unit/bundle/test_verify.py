import json
import shutil

import pytest

from bench.bundle import naming
from bench.bundle.manifest import reseal, seal
from bench.bundle.verify import verify
from bench.model.errors import ConfigurationError
from tests.support.bundles import synthetic_bundle


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    return synthetic_bundle(tmp_path_factory.mktemp("once") / "bundle", seconds=3)


@pytest.fixture
def bundle(tmp_path, made_once):
    return shutil.copytree(made_once, tmp_path / "bundle")


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
    assert found(bundle) == [
        "blocks.parquet: missing",
        "result.json: figures cannot be checked: blocks.parquet is missing",
    ]


def test_a_table_that_is_none_is_found_although_it_is_sealed(bundle):
    (bundle / naming.RESOURCES).write_bytes(b"PAR1 not at all PAR1")
    seal(bundle)
    assert found(bundle)[0].startswith("resources.parquet: not readable as Parquet")
    assert found(bundle)[1].startswith("result.json: figures cannot be checked: resources.parquet is broken")
    assert len(found(bundle)) == 2


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


def edited(bundle, *path, factor=1.001, value=None):
    """`result.json` with one number multiplied, and sealed again as if nothing had happened; the problems found."""
    data = json.loads((bundle / naming.RESULT).read_text())
    part = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = part[path[-1]] * factor if value is None else value
    (bundle / naming.RESULT).write_text(json.dumps(data))
    seal(bundle)
    return found(bundle)


@pytest.mark.parametrize("trial", [0, 1])
@pytest.mark.parametrize(
    "path",
    [
        *(("rates", f"{name}_per_s") for name in ("offered", "submitted", "accepted", "goodput", "expected_refusals")),
        ("rates", "window_s"),
        *(
            ("latency_ms", latency, quantity)
            for latency in ("submit_lag", "accept", "commit", "finality")
            for quantity in ("p50", "p90", "p95")
        ),
        ("latency_ms", "finality", "lower_bound", "max"),
        ("latency_from_send_ms", "finality", "p50"),
        ("reads", "latency_ms", "p50"),
        ("operations", "balance", "latency_ms", "p50"),
        ("operations", "send_payment", "latency_ms", "p50"),
        ("blocks", "interval_s_median"),
    ],
    ids=".".join,
)
def test_an_edited_figure_is_found(bundle, trial, path):
    problems = edited(bundle, "trials", trial, *path)
    assert problems[0].startswith(f"result.json: trial {trial + 1} states {'.'.join(path)} = ")
    summarised = path in [("rates", "goodput_per_s"), ("rates", "offered_per_s")]
    summarised |= path[0] == "latency_ms" and "lower_bound" not in path
    assert len(problems) == 1 + summarised


@pytest.mark.parametrize("quantity", ["p99", "p999"])
@pytest.mark.parametrize("latency", ["commit", "finality"])
def test_a_percentile_made_up_where_the_rows_give_none_is_found(bundle, latency, quantity):
    problems = edited(bundle, "trials", 0, "latency_ms", latency, quantity, value=12.5)
    assert problems[0] == f"result.json: trial 1 states latency_ms.{latency}.{quantity} = 12.5, but its rows give None"


def test_an_edited_tail_is_found_where_there_are_rows_enough(tmp_path):
    big = synthetic_bundle(tmp_path / "big", seconds=12, goodput=200, trials=1, ledger="sqlite", workload="transfer")
    assert found(big) == []
    for latency in ("commit", "finality"):
        problems = edited(big, "trials", 0, "latency_ms", latency, "p99", factor=1 + 2e-6)
        assert any(one.startswith(f"result.json: trial 1 states latency_ms.{latency}.p99") for one in problems)


@pytest.mark.parametrize("part", ["goodput_per_s", "offered_per_s"])
def test_an_edited_headline_is_found(bundle, part):
    problems = edited(bundle, "summary", part, "median")
    assert len(problems) == 1
    assert problems[0].startswith(f"result.json: the summary states {part}.median = ")


@pytest.mark.parametrize("quantity", ["p50", "p90", "p95", "mean"])
@pytest.mark.parametrize("latency", ["submit_lag", "accept"])
def test_an_edited_latency_of_the_summary_is_found(bundle, latency, quantity):
    (problem,) = edited(bundle, "summary", "latency_ms", latency, quantity, "median")
    assert problem.startswith(f"result.json: the summary states latency_ms.{latency}.{quantity}.median = ")


def test_an_edited_verdict_of_the_summary_is_found(bundle):
    (problem,) = edited(bundle, "summary", "verdict", "status", value="invalid")
    assert problem == "result.json: the summary states verdict.status = invalid, but the trials give valid"
    problems = edited(bundle, "summary", "verdict", value={"status": "valid", "reasons": ["so it is"]})
    assert problems == ["result.json: the summary states verdict.reasons that are not those of the trials"]


@pytest.mark.parametrize("key", ["planned", "submitted", "valid", "failed", "rejected", "unresolved"])
def test_an_edited_count_of_an_operation_is_found(bundle, key):
    (problem,) = edited(bundle, "trials", 0, "operations", "write_check", key, value=7)
    assert problem.startswith(f"result.json: trial 1 states operations.write_check.{key} = 7, but its rows give ")


def test_an_operation_that_was_made_up_is_found(bundle):
    data = json.loads((bundle / naming.RESULT).read_text())
    made_up = data["trials"][0]["operations"]["write_check"]
    (problem,) = edited(bundle, "trials", 0, "operations", "print_money", value=made_up)
    assert problem.startswith("result.json: trial 1 states operations.print_money.planned = ")


@pytest.mark.parametrize("key", ["cpu_percent_mean", "cpu_percent_max", "rss_bytes_max", "write_bytes"])
def test_an_edited_use_of_resources_is_found(bundle, key):
    (problem,) = edited(bundle, "trials", 0, "resources", 1, key, value=1)
    assert problem.startswith("result.json: trial 1 states resources.anvil-0.measure.")


def test_moving_or_removing_the_measure_phase_is_found(bundle):
    data = json.loads((bundle / naming.RESULT).read_text())
    data["trials"][0]["phases"] = [part for part in data["trials"][0]["phases"] if part["phase"] != "measure"]
    (bundle / naming.RESULT).write_text(json.dumps(data))
    seal(bundle)
    assert any(
        "states rates.goodput_per_s" in problem and "but its rows give 0" in problem for problem in found(bundle)
    )


def test_rounding_is_no_edit(bundle):
    assert edited(bundle, "trials", 0, "rates", "goodput_per_s", factor=1 + 1e-9) == []


def test_a_count_is_exact_however_large(bundle):
    data = json.loads((bundle / naming.RESULT).read_text())
    count = data["trials"][0]["latency_ms"]["commit"]["count"]
    problems = edited(bundle, "trials", 0, "latency_ms", "commit", "count", value=count + 1)
    assert problems == [f"result.json: trial 1 states latency_ms.commit.count = {count + 1}, but its rows give {count}"]


def test_a_bundle_of_the_first_layout_is_checked_alike(bundle):
    data = json.loads((bundle / naming.RESULT).read_text())
    data["schema"] = 1
    for key in ("capacity", "calibration"):
        data.pop(key)
    for trial in data["trials"]:
        for key in ("latency_from_send_ms", "warm_up", "drift", "efficiency", "headroom", "setup_s"):
            trial.pop(key)
    (bundle / naming.RESULT).write_text(json.dumps(data))
    seal(bundle)
    assert found(bundle) == []
    assert edited(bundle, "trials", 0, "rates", "goodput_per_s") != []


def test_a_partial_bundle_with_a_trial_cut_short_is_checked_alike(bundle):
    data = json.loads((bundle / naming.RESULT).read_text())
    data["partial"] = data["trials"][0]["partial"] = True
    (bundle / naming.RESULT).write_text(json.dumps(data))
    seal(bundle)
    assert found(bundle) == []


def test_an_invalid_trial_may_miss_rows_because_it_says_so(bundle):
    data = json.loads((bundle / naming.RESULT).read_text())
    data["trials"][0]["counts"]["planned"] += 1
    data["trials"][0]["verdict"] = {"status": "invalid", "reasons": ["1 of 100 planned operations left no row"]}
    data["summary"]["verdict"] = {
        "status": "invalid",
        "reasons": ["trial 1: 1 of 100 planned operations left no row"],
    }
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
