from bench.model.ledger_part import ClassInfo, FinalityInfo, LedgerPart
from bench.report.classes import classes
from bench.report.judgement import METRICS, PairVerdict
from bench.report.pairs import sorted_pairs

GOODPUT, P50, _ = METRICS


def ledger(durability: str) -> LedgerPart:
    kind = ClassInfo(fault_model="none", tolerated_faults=0, durability=durability, crypto="none", operators="one")
    final = FinalityInfo(name="inclusion", confirmations=0)
    return LedgerPart(name="l", family="f", version="1", nodes=1, finality=final, ledger_class=kind)


CLASSES = classes([("a", ledger("memory only")), ("b", ledger("memory only")), ("c", ledger("fsync per block"))])


def verdict(first: str, second: str, decided: bool, grounds: str = "why") -> PairVerdict:
    return PairVerdict("w", P50, first, second, decided, "finding", grounds)


def test_decided_pairs_stand_by_class() -> None:
    inside, between = verdict("a", "b", True), verdict("a", "c", True)
    found = sorted_pairs([inside, between, verdict("b", "c", False)], CLASSES)
    assert (found.within, found.across) == ((inside,), (between,))
    assert found.undecided == "1 of 3 comparisons of pairs is undecided: why."
    assert found.grounds == ()


def test_equal_grounds_are_said_once() -> None:
    overlap = "the two intervals overlap; difference {} to 3, 95 % confidence"
    found = sorted_pairs(
        [
            verdict("a", "b", False, overlap.format(1)),
            verdict("a", "c", False, overlap.format(2)),
            verdict("b", "c", False, "the run on c is invalid"),
        ],
        CLASSES,
    )
    assert found.undecided == "All 3 comparisons of pairs are undecided."
    assert found.grounds == (
        "2: the two intervals overlap (a and b, Time until final, p50; a and c, Time until final, p50)",
        "1: the run on c is invalid (b and c, Time until final, p50)",
    )


def test_nothing_undecided_says_nothing() -> None:
    found = sorted_pairs([verdict("a", "b", True)], CLASSES)
    assert (found.undecided, found.grounds) == ("", ())
