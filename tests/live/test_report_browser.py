"""Opens the written pages in a real browser: nothing is fetched, nothing complains, and something is seen."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib import image

from bench.bundle.reader import read_bundle
from bench.model.result import Result
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


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine candidates of five classes, two trials each."""
    parent = tmp_path_factory.mktemp("many")
    kinds = [("none", 0, "memory only"), ("byzantine", 1, "fsync per block"), ("crash", 1, "fsync per block")]
    kinds += [("none", 0, "written, no fsync per block"), ("crash", 2, "fsync per block")]
    bundles = []
    for number in range(9):
        model, survives, durability = kinds[number % len(kinds)]
        bundle = synthetic_bundle(parent / f"candidate-{number}", workload="transfer", seconds=4, goodput=60)
        declared = {"fault_model": model, "tolerated_faults": survives, "durability": durability}
        bundles.append(rewrite(bundle, _declaring(f"candidate-{number}", declared)))
    return write_comparison(bundles, parent / "page").html_path


def _declaring(name: str, declared: dict[str, object]) -> Callable[[Result], Result]:
    def change(result: Result) -> Result:
        kind = result.ledger.ledger_class.model_copy(update=declared)
        return result.model_copy(
            update={"ledger": result.ledger.model_copy(update={"name": name, "ledger_class": kind})}
        )

    return change


@pytest.fixture(params=["report", "comparison", "searched", "many"])
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


LOOK = """<script>
const box = document.querySelector(".scroll.wide"), head = box.querySelector("tbody th");
const before = head.getBoundingClientRect().left;
box.scrollLeft = 200;
const moved = head.getBoundingClientRect().left - before, root = document.documentElement;
document.title = [root.scrollWidth, innerWidth, box.scrollWidth, box.clientWidth, box.scrollLeft, moved].join(" ");
</script>"""


@pytest.mark.parametrize("width", [1440, 800])
def test_nine_candidates_scroll_inside_their_table_and_their_row_names_stay(
    many: Path, tmp_path: Path, width: int
) -> None:
    looked_at = tmp_path / "looked.html"
    without_policy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", many.read_text())
    looked_at.write_text(without_policy + LOOK)
    dom = dump_dom(looked_at, tmp_path / "dom", f"--window-size={width},900").output.decode()
    title = re.search(r"<title>([^<]*)</title>", dom)
    assert title is not None
    page, window, table, box, scrolled, moved = (float(value) for value in title[1].split())
    assert page <= window
    if width == 800:
        assert table > box
        assert scrolled == 200
    assert abs(moved) < 1


def test_nine_candidates_are_grouped_and_their_order_is_said_to_be_none(many: Path, tmp_path: Path) -> None:
    dom = dump_dom(many, tmp_path / "dom").output.decode()
    spans = re.findall(r'<th colspan="(\d)">([A-E])</th>', dom[dom.index('<tr class="classes">') :])
    assert spans[:5] == [("2", "A"), ("2", "B"), ("2", "C"), ("2", "D"), ("1", "E")]
    assert "their order is no ranking" in dom
    assert "All 108 comparisons of pairs are undecided: 2 trials, and below 5 no interval is printed." in (
        dom.replace("\u00a0", " ").replace("&nbsp;", " ")
    )
    assert "better here" not in dom


def _pixels(png: bytes):  # type: ignore[no-untyped-def]
    return image.imread(io.BytesIO(png), format="png")[:, :, :3]
