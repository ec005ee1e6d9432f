"""Opens the written pages in a real browser: nothing is fetched, nothing complains, and something is seen."""

import io
import re
from pathlib import Path

import pytest
from matplotlib import image

from bench.bundle.reader import read_bundle
from bench.report.build import write_comparison, write_report
from tests.support.browser import dump_dom, print_pdf, requested_addresses, screenshot
from tests.support.bundles import synthetic_bundle
from tests.support.report_parts import capacity, rewrite, with_parts

pytestmark = pytest.mark.live

HOSTILE = "<script>document.title='taken'; console.error('taken')</script><img src=x onerror=console.error('taken')>"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    parent = tmp_path_factory.mktemp("bundles")
    found = []
    for ledger, block_s in (("anvil", 1.0), ("sqlite", 0.02)):
        found.append(synthetic_bundle(parent / ledger, ledger=ledger, trials=2, seconds=8, block_s=block_s))
    result = found[0] / "result.json"
    result.write_text(result.read_text().replace("execution reverted: insufficient funds", HOSTILE.replace('"', "'")))
    return found


@pytest.fixture(scope="module")
def report(bundles: list[Path]) -> Path:
    return write_report(bundles[0])


@pytest.fixture(scope="module")
def comparison(bundles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(bundles, tmp_path_factory.mktemp("comparison")).html_path


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = synthetic_bundle(tmp_path_factory.mktemp("searched") / "run", trials=10, seconds=4)
    trials = {"trials": [with_parts(trial) for trial in read_bundle(bundle).result.trials], "capacity": capacity()}
    return write_report(rewrite(bundle, lambda result: result.model_copy(update=trials)))


@pytest.fixture(params=["report", "comparison", "searched"])
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_the_page_loads_without_complaint_or_request(page: Path, tmp_path: Path) -> None:
    assert dump_dom(page, tmp_path / "dom").complaints() == []
    assert requested_addresses(page, tmp_path / "net") == []


def test_complaints_and_requests_would_be_noticed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<script>console.error('seen')</script><img src='http://127.0.0.1:9/x.png'>")
    assert any("seen" in line for line in dump_dom(bad, tmp_path / "dom").complaints())
    assert any("127.0.0.1:9" in address for address in requested_addresses(bad, tmp_path / "net"))


def test_a_hostile_error_message_stays_text(report: Path, tmp_path: Path) -> None:
    dom = dump_dom(report, tmp_path / "dom").output.decode()
    assert "<title>smallbank on anvil</title>" in dom
    assert "&lt;script&gt;document.title" in dom
    assert "<script" not in dom


def test_the_first_screen_answers(report: Path, tmp_path: Path) -> None:
    dom = dump_dom(report, tmp_path / "dom").output.decode()
    first = re.sub(r"<[^>]+>", " ", dom[dom.index("<header>") : dom.index("</header>")])
    for answer in (
        "smallbank on anvil",
        "Offered",
        "Came through",
        "Time until final",
        "What went wrong",
        "no interval",
    ):
        assert answer in first


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (400, 900)])
def test_something_is_seen_in_light_and_dark(page: Path, tmp_path: Path, width: int, height: int) -> None:
    light = _pixels(screenshot(page, tmp_path / "light", width, height))
    dark = _pixels(screenshot(page, tmp_path / "dark", width, height, "--blink-settings=preferredColorScheme=0"))
    assert light[0, 0].min() > 0.9
    assert dark[0, 0].max() < 0.2
    for picture in (light, dark):
        assert picture.shape[:2] == (height, width)
        assert 0.01 < (abs(picture - picture[0, 0]).max(axis=2) > 0.3).mean() < 0.5


def test_it_prints_on_a_few_pages(page: Path, tmp_path: Path) -> None:
    pdf = print_pdf(page, tmp_path / "print")
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 16


def _pixels(png: bytes):  # type: ignore[no-untyped-def]
    return image.imread(io.BytesIO(png), format="png")[:, :, :3]
