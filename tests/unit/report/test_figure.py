import re

import pytest

from bench.report.figure import BAD, SERIES, drawing, tick_duration, variable

HOSTILE = '</text></svg><script>alert("1")</script> $x_1$ --> & "quoted"'


def drawn(name: str = "chart", text: str = "plain", alternative: str = "words") -> str:
    with drawing(name) as canvas:
        axis = canvas.axes[0]
        axis.plot([0, 1, 2], [0.25, 0.5, 0.75], color=SERIES[0])
        axis.scatter([1], [0.5], color=BAD)
        axis.set_xlabel(text)
        return canvas.svg(alternative)


def test_colours_follow_the_theme_of_the_page() -> None:
    svg = drawn()
    assert "var(--s1)" in svg
    assert "var(--bad)" in svg
    assert "#0b0" not in svg
    assert variable(SERIES[5]) == "s6"


def test_nothing_points_outside() -> None:
    svg = drawn()
    assert "http" not in svg
    assert "<style" not in svg
    assert set(re.findall(r'(?:href="|url\()(.)', svg)) <= {"#"}


def test_inner_ids_of_two_charts_never_clash() -> None:
    ids = [set(re.findall(r'id="([^"]+)"', drawn(name))) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_same_chart_is_drawn_the_same() -> None:
    assert drawn() == drawn()


def test_texts_stay_texts_and_numbers_are_not_cut() -> None:
    svg = drawn(text=HOSTILE, alternative=HOSTILE)
    assert "<script" not in svg
    assert svg.count("</svg>") == 1
    assert "$x_1$" in svg
    assert ">0.75</text>" in svg
    assert svg.startswith('<svg viewBox="0 0 720 260" role="img" aria-label="&lt;/text&gt;')


@pytest.mark.parametrize(
    ("milliseconds", "label"), [(0.05, "50 µs"), (1.0, "1 ms"), (500.0, "500 ms"), (1_000.0, "1 s"), (20_000.0, "20 s")]
)
def test_tick_labels(milliseconds: float, label: str) -> None:
    assert tick_duration(milliseconds) == label
