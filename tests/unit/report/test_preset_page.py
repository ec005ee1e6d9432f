"""The page of a source as a reader sees it, and what is refused before one is written."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bench.bundle.manifest import seal
from bench.bundle.verify import verify
from bench.model.errors import ConfigurationError, NotComparableError
from bench.model.result import Efficiency
from bench.report.standards import disclosure, metrics
from bench.report.standards.build import as_data, write_preset
from bench.report.standards.catalogue import CONFIDENCE, source, sources
from bench.report.standards.disclosure import disclosures
from bench.report.standards.evidence import Evidence, Run
from bench.report.standards.page import PresetPage, preset_page
from bench.scenario.presets import NAMES, preset_roles
from tests.support.bundles import synthetic_bundle
from tests.support.presets import Made, made_run

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted(path.parent for path in (ROOT / "results/sample").glob("*/result.json"))
HOSTILE = "<script>alert('x')</script>| [a](http://evil.example)"


def named(bundle: Path, name: str) -> Path:
    """Give the bundle's scenario a name, and seal it again."""
    path = bundle / "scenario.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "name": name}))
    seal(bundle)
    return bundle


def words(page: str) -> str:
    """What a reader sees: no tags, single spaces."""
    return plain(html.unescape(re.sub(r"<[^>]+>", " ", page[page.index("<body>") :])))


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u00a0", " "))


@pytest.fixture(scope="module")
def tests_of_caict(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A pressure run, a spike that the ledger carried, and a stability run that is longer."""
    parent = tmp_path_factory.mktemp("caict")
    made = (("pressure", 100.0, 6.0), ("spike", 200.0, 6.0), ("stability", 20.0, 18.0))
    return [
        named(synthetic_bundle(parent / role, trials=2, goodput=rate, seconds=length, block_s=0.2), f"city-{role}")
        for role, rate, length in made
    ]


class TestCatalogue:
    def test_it_describes_every_preset_and_no_other(self) -> None:
        assert tuple(sources()) == NAMES

    @pytest.mark.parametrize("name", NAMES)
    def test_what_it_names_exists(self, name: str) -> None:
        found = source(name)
        assert [test.role for test in found.tests] == list(preset_roles(name))
        assert {metric.key for metric in found.metrics} <= metrics.KEYS
        assert {fact.key for fact in found.disclosure} <= disclosure.KEYS
        roles = {role for metric in found.metrics for role in metric.thresholds}
        assert roles <= set(preset_roles(name))

    def test_thresholds_are_those_the_source_is_said_to_have(self) -> None:
        found = {metric.key: metric.thresholds for metric in source("caict").metrics if metric.thresholds}
        success = found["success_rate"]
        assert (success["pressure"].at_least, success["spike"].at_least, success["stability"].more_than) == (
            0.95,
            0.75,
            0.95,
        )
        ratio = found["send_to_commit"]
        assert (ratio["pressure"].about, ratio["spike"].about, found["load_share"]["stability"].about) == (1, 2, 0.2)
        assert not any(metric.thresholds for name in ("pswg", "itu", "jrt0193") for metric in source(name).metrics)

    def test_every_metric_and_fact_is_used(self) -> None:
        everything = [metric.key for found in sources().values() for metric in found.metrics]
        assert set(everything) == metrics.KEYS
        assert {fact.key for found in sources().values() for fact in found.disclosure} == disclosure.KEYS

    @pytest.mark.parametrize("name", NAMES)
    def test_the_documentation_has_each_source_metric_and_how_far_it_was_read(self, name: str) -> None:
        text = plain((ROOT / "docs" / "standards.md").read_text())
        found = source(name)
        assert re.search(rf"\| `{name}` \|[^|]+\| {found.read} \|", text)
        for metric in found.metrics:
            assert metric.name in text

    def test_an_unknown_one_names_those_there_are(self) -> None:
        with pytest.raises(ConfigurationError, match="pswg, itu, caict, jrt0193"):
            source("iso")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("directory", SAMPLES, ids=lambda path: path.name)
class TestEverySource:
    def test_says_how_far_it_was_read_and_claims_nothing(self, name: str, directory: Path, tmp_path: Path) -> None:
        written = write_preset(name, [directory], tmp_path)
        found = source(name)
        for page in (words(written.html_path.read_text()), plain(written.markdown_path.read_text())):
            assert found.read in page
            assert CONFIDENCE[found.read] in page
            assert found.wording in page.lower()
            assert "It certifies nothing, and nobody has certified it." in page
            assert not re.search(r"complian|conform|certified to|accredited", page)

    def test_loads_nothing_and_has_each_metric(self, name: str, directory: Path, tmp_path: Path) -> None:
        page = write_preset(name, [directory], tmp_path).html_path.read_text()
        assert "http://" not in page
        assert "https://" not in page
        assert "<script" not in page
        seen = words(page)
        for metric in source(name).metrics:
            assert metric.name in seen
            assert metric.value_from in seen
            if preset_roles(name)[0] in metric.thresholds or not metric.thresholds:
                assert metric.definition in seen
        for remark in source(name).remarks:
            assert remark in seen


class TestThePage:
    def test_pswg_figures_are_those_of_the_rows(self, tmp_path: Path) -> None:
        written = write_preset("pswg", [SAMPLES[0]], tmp_path / "page.html")
        result = json.loads((SAMPLES[0] / "result.json").read_text())["trials"][0]
        (test,) = as_data(written.page)["tests"]  # type: ignore[misc]
        by_key = {metric["key"]: metric for metric in test["metrics"]}
        assert by_key["transaction_throughput"]["value"]["value"] == result["rates"]["goodput_per_s"]
        latency = by_key["transaction_latency"]
        assert latency["beside"][0]["value"] == pytest.approx(result["latency_ms"]["finality"]["mean"])
        assert latency["value"]["value"] < latency["beside"][0]["value"]
        names = [row["name"] for row in latency["statistics"]["rows"]]
        assert names[:4] == ["average", "lowest", "highest", "standard deviation"]
        assert [name.split(" %")[0] for name in names[4:]] == ["50", "90", "95", "100"]
        assert json.loads(json.dumps(as_data(written.page)))["source"]["read"] == "read in full"

    def test_reads_stand_apart_from_transactions(self, tmp_path: Path) -> None:
        page = write_preset("pswg", [SAMPLES[0]], tmp_path).page
        (test,) = page.tests
        assert [group.title for group in test.groups] == ["Reads", "Transactions"]
        assert [row.entry.key for row in test.groups[0].rows] == ["read_latency", "read_throughput"]

    def test_it_lies_beside_the_bundle_which_stays_whole(self, tmp_path: Path) -> None:
        bundle = synthetic_bundle(tmp_path / "run", trials=1, seconds=4)
        written = write_preset("itu", [bundle])
        assert (written.html_path, written.markdown_path) == (tmp_path / "run-itu.html", tmp_path / "run-itu.md")
        assert verify(bundle) == []

    @pytest.mark.parametrize("name", ["page.html", "folder"])
    def test_or_where_it_is_wanted(self, tmp_path: Path, name: str) -> None:
        written = write_preset("itu", [SAMPLES[0]], tmp_path / name)
        expected = tmp_path / name if name.endswith(".html") else tmp_path / name / f"{SAMPLES[0].name}-itu.html"
        assert written.html_path == expected
        assert written.markdown_path.is_file()

    def test_a_hostile_text_stays_text(self, tmp_path: Path) -> None:
        bundle = synthetic_bundle(tmp_path / "run", trials=1, seconds=4)
        path = bundle / "result.json"
        result = json.loads(path.read_text())
        result["ledger"]["version"] = result["command"][0] = HOSTILE
        path.write_text(json.dumps(result))
        written = write_preset("pswg", [bundle])
        assert "<script" not in written.html_path.read_text()
        assert "\\<script\\>" in written.markdown_path.read_text()

    def test_an_invalid_run_opens_with_it(self) -> None:
        page = preset_page(source("itu"), Evidence((made_run(Made(status="invalid"), role="as-given"),)))
        first = page.banners[0]
        assert (first.tone, first.title) == ("bad", "Run folder-as-given:")
        assert first.text == "the measurement is invalid; do not use its figures."
        assert first.reasons == ("trial 1: worker 0 used 92 %",)


class TestSeveralTests:
    def test_each_bundle_finds_its_test_by_its_name(self, tests_of_caict: list[Path], tmp_path: Path) -> None:
        page = write_preset("caict", list(reversed(tests_of_caict)), tmp_path).page
        assert [(test.entry.role, test.run.name if test.run else "") for test in page.tests] == [
            ("pressure", "pressure"),
            ("spike", "spike"),
            ("stability", "stability"),
        ]

    def test_verdicts(self, tests_of_caict: list[Path], tmp_path: Path) -> None:
        written = write_preset("caict", tests_of_caict, tmp_path)
        assert written.missed == ()
        (undecided,) = written.undecided
        assert undecided.startswith("Spike: Sent for one committed, asked ≈\u00a02 (here ±\u00a010\u00a0%): 1.")
        assert len(written.page.judged("met")) == 5

    def test_what_was_not_run_is_undecided_and_says_how_to_run_it(
        self, tests_of_caict: list[Path], tmp_path: Path
    ) -> None:
        written = write_preset("caict", tests_of_caict[:1], tmp_path)
        assert len(written.undecided) == 4
        assert "bench.py run SCENARIO.yaml --preset caict" in json.dumps(as_data(written.page))

    def test_differences_from_the_source_are_told(self, tests_of_caict: list[Path], tmp_path: Path) -> None:
        page = write_preset("caict", tests_of_caict, tmp_path).page
        assert "The source is said to test networks of 4 and of 16 nodes; this one has 1." in page.differences
        assert any("without a figure; here it is 14.4\u00a0s per trial" in text for text in page.differences)

    def test_of_a_network_of_four_that_signs_nothing_of_it_is_left(self) -> None:
        runs = tuple(made_run(nodes=4, crypto="ed25519", role=role) for role in ("pressure", "spike"))
        assert preset_page(source("caict"), Evidence(runs)).differences == source("caict").remarks

    def test_a_single_bundle_without_a_role_is_taken_for_the_first_test(self, tmp_path: Path) -> None:
        page = write_preset("caict", [SAMPLES[0]], tmp_path).page
        assert page.tests[0].run is not None
        assert page.differences[0].endswith("is taken for the test pressure: its name does not say which it is.")

    def test_one_of_several_without_a_role_is_refused(self, tests_of_caict: list[Path]) -> None:
        with pytest.raises(ConfigurationError, match="cannot tell which test of caict"):
            write_preset("caict", [tests_of_caict[0], SAMPLES[0]])

    def test_two_of_one_role_are_refused(self, tests_of_caict: list[Path]) -> None:
        with pytest.raises(ConfigurationError, match="the test spike has two runs"):
            write_preset("caict", [tests_of_caict[1], tests_of_caict[1]])

    def test_two_bundles_for_a_page_of_one_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="a page of one run"):
            write_preset("pswg", SAMPLES)

    def test_runs_of_different_ledgers_are_refused(self, tests_of_caict: list[Path], tmp_path: Path) -> None:
        other = named(synthetic_bundle(tmp_path / "x", ledger="sqlite", trials=1, seconds=4), "x-spike")
        with pytest.raises(NotComparableError, match="ledger 'anvil' in pressure, 'sqlite' in x"):
            write_preset("caict", [tests_of_caict[0], other])


def disclosed(run: Run) -> dict[str, tuple[str, str, str]]:
    entries = source("pswg").disclosure
    lines = disclosures(entries, run)
    return {entry.key: (line.status, line.text, line.missing) for entry, line in zip(entries, lines, strict=True)}


class TestDisclosure:
    def test_a_node_that_is_not_ours_leaves_much_unknown(self) -> None:
        found = disclosed(made_run(managed=False, role="as-given"))
        for key in ("geography", "nodes", "size", "dependencies", "hardware"):
            assert found[key][0] == "not disclosed", key
        assert found["network_model"][:2] == ("in part", "remote")
        assert "1 of a number of nodes that is not known" in found["observation"][1]

    def test_one_node_of_ours(self) -> None:
        found = disclosed(made_run(role="as-given"))
        assert found["nodes"] == ("disclosed", "1 of 1: no other node takes part", "")
        assert found["geography"][0] == "disclosed"
        assert found["faultload"] == ("disclosed", "none: no fault was injected", "")
        assert "1 of 1 node, 100\u00a0%" in found["observation"][1]

    def test_of_several_nodes_one_is_observed(self) -> None:
        found = disclosed(made_run(nodes=4, role="as-given"))
        assert found["nodes"][:2] == ("in part", "4 nodes run")
        assert "1 of 4 nodes, 25\u00a0%" in found["observation"][1]

    def test_size_is_told_where_the_ledger_tells_it(self) -> None:
        row = Efficiency(node="network", block_bytes_per_tx=182.4)
        found = disclosed(made_run(Made(efficiency=[row]), role="as-given"))
        assert found["size"][:2] == ("disclosed", "182\u00a0B of block per valid transaction")

    def test_faults_of_the_scenario_are_told(self) -> None:
        run = made_run(role="as-given")
        found = disclosed(replace(run, scenario={**run.scenario, "faults": [{"stop": "node-0"}]}))
        assert "stop" in found["faultload"][1]


def test_a_page_of_a_ledger_with_a_later_finality_prints_commits_too(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    bundle = synthetic_bundle(tmp_path / "run", trials=1, seconds=4)
    path = bundle / "transactions.parquet"
    table = pq.read_table(path)
    later = [None if at is None else at + 500_000_000 for at in table["finalized_at_ns"].to_pylist()]
    place = table.schema.get_field_index("finalized_at_ns")
    pq.write_table(table.set_column(place, table.schema.field(place), [later]), path)
    page: PresetPage = write_preset("pswg", [bundle]).page
    table_of = page.tests[0].groups[1].tables[0]
    assert table_of.columns == (
        "from sending until final",
        "from the due time until final",
        "from sending until committed",
    )
    average = table_of.rows[0].readings
    assert average[0].value is not None
    assert average[2].value is not None
