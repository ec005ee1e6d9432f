import pytest

from bench.report.render import markdown_block, markdown_code, markdown_text, visible


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain words, 12 %", "plain words, 12 %"),
        ("a|b\nc", "a\\|b c"),
        ("<img src=x>", "\\<img src=x\\>"),
        ("[text](javascript:1)", "\\[text\\](javascript:1)"),
        ("`code` *bold* _it_ ~no~ #h !i \\", "\\`code\\` \\*bold\\* \\_it\\_ \\~no\\~ \\#h \\!i \\\\"),
        ("&lt;", "\\&lt;"),
    ],
)
def test_markdown_text_is_literal(value: str, expected: str) -> None:
    assert markdown_text(value) == expected


def test_a_code_span_cannot_be_left() -> None:
    assert markdown_code("a`b|c\nd") == "`a'b¦c d`"
    assert markdown_code("  ") == "—"


def test_a_block_is_indented_line_by_line() -> None:
    assert markdown_block("one\n# two") == "    one\n    # two"


def test_invisible_characters_are_shown() -> None:
    assert visible("a\u202eb\x1b[31mc\td\ne") == "a�b�[31mc\td\ne"
