"""Presets from the command line to a page in a real browser: real runs, short ones."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib import image

from bench.bundle.verify import verify
from tests.support.browser import dump_dom, print_pdf, requested_addresses, screenshot
from tests.support.bundles import synthetic_bundle
from tests.support.cli import Cli

pytestmark = pytest.mark.live

# The machine that tests may be busy; what lag invalidates a trial is another test's business.
LENIENT = ("--seed", "3", "--trials", "1", "--set", "limits.submit_lag_p99=1s", "--json")


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.end()


def metric(page: dict[str, Any], key: str, test: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in page["tests"][test]["metrics"] if one["key"] == key)
    return found


def test_caict_on_a_ledger_that_serves_60_per_second(cli: Cli) -> None:
    """Pressure at what it serves, a spike at twice that, stability at a fifth: the answers are known."""
    done = cli.run(
        *("run", "--preset", "caict", "--ledger", "simulated", "--workload", "transfer", "--rate", "60"),
        *("--duration", "3s", *LENIENT, "--out", str(cli.out)),
        *("--set", "ledger.options.service_rate_per_s=60", "--set", "ledger.options.block_interval_ms=100"),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (written,) = answer["preset"]
    page = written["page"]
    assert [test["role"] for test in page["tests"]] == ["pressure", "spike", "stability"]
    ratios = [metric(page, "send_to_commit", test)["value"]["value"] for test in range(3)]
    assert ratios == pytest.approx([1.0, 2.0, 1.0], rel=0.1)
    assert metric(page, "load_share", 2)["value"]["value"] == pytest.approx(0.2, rel=0.1)
    assert [metric(page, "success_rate", test)["value"]["value"] for test in range(3)] == [1.0, 1.0, 1.0]
    latencies = [metric(page, "transaction_latency", test)["value"]["value"] for test in range(3)]
    assert latencies[1] > 3 * max(latencies[0], latencies[2])
    assert [test["bundle"] for test in page["tests"]] == [Path(run["bundle"]).name for run in answer["runs"]]
    lengths = [
        json.loads((Path(run["bundle"]) / "result.json").read_text())["trials"][0]["counts"]["planned"]
        for run in answer["runs"]
    ]
    assert lengths == [180, 360, 108]
    assert Path(written["html"]).parent == cli.out
    for run in answer["runs"]:
        assert verify(Path(run["bundle"])) == []


def test_pswg_and_jrt0193_of_one_run_with_reads(cli: Cli) -> None:
    done = cli.run(
        *("run", "--preset", "pswg", "--ledger", "sqlite", "--workload", "smallbank", "--rate", "60"),
        *("--duration", "3s", *LENIENT, "--out", str(cli.out)),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    bundle = answer["runs"][0]["bundle"]
    page = answer["preset"][0]["page"]
    assert 0 < metric(page, "read_latency")["value"]["value"] < 1000
    assert metric(page, "read_throughput")["value"]["value"] == pytest.approx(9, rel=0.6)
    assert metric(page, "transaction_throughput")["value"]["value"] == pytest.approx(51, rel=0.3)
    status = {line["name"]: line["status"] for line in page["disclosure"]}
    assert status["Hardware of all peers"] == "disclosed"
    assert len(status) == 15
    again = cli.run("report", bundle, "--preset", "jrt0193", "--json")
    assert again.returncode == 0, again.stderr
    operated = json.loads(again.stdout)["page"]
    assert 0 < metric(operated, "deployment_time")["value"]["value"] < 60
    assert metric(operated, "node_synchronisation")["not_measured"]["remedy"]


@pytest.fixture(params=["pswg", "itu", "caict", "jrt0193"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    from bench.report.standards.build import write_preset

    return write_preset(request.param, [synthetic_bundle(tmp_path / "run", trials=5, seconds=4)]).html_path


def test_the_page_opens_without_complaint_or_request(written: Path, tmp_path: Path) -> None:
    visit = dump_dom(written, tmp_path / "dom")
    assert visit.complaints() == []
    assert b"smallbank on anvil" in visit.output
    assert requested_addresses(written, tmp_path / "net") == []
    pixels = image.imread(io.BytesIO(screenshot(written, tmp_path / "shot", 1000, 1200)))
    assert len({tuple(pixel) for pixel in (pixels[::40, ::20] * 255).astype(int).reshape(-1, pixels.shape[2])}) > 3


def test_it_fits_a_phone_and_prints(written: Path, tmp_path: Path) -> None:
    probe = tmp_path / "probe.html"
    script = "<script>document.title = document.documentElement.scrollWidth + 'px'</script></body>"
    page = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", written.read_text())
    probe.write_text(page.replace("</body>", script))
    dom = dump_dom(probe, tmp_path / "dom", "--window-size=500,900").output.decode()
    found = re.search(r"<title>(\d+)px</title>", dom)
    assert found is not None
    assert int(found[1]) <= 500
    assert print_pdf(written, tmp_path / "print").startswith(b"%PDF")
