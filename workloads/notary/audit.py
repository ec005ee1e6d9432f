"""What must hold after a notary run: every anchor the ledger acknowledged as committed is found on it again."""

from collections.abc import Sequence
from itertools import islice

from bench.api import Acknowledged, AuditInput, Invariant, StateReader

NAME = "every_acknowledged_anchor_found"
CHUNK = 500
EXAMPLES = 3


def audit(state: StateReader, record: AuditInput) -> list[Invariant]:
    """Looks up every acknowledged document, `CHUNK` at a time; not a sample. Names the first ones that are missing."""
    if record.acknowledged is None:
        return [Invariant(NAME, "not checked", "the record does not say which documents were acknowledged")]
    asked, lost = 0, 0
    examples: list[Acknowledged] = []
    acknowledged = iter(record.acknowledged)
    while chunk := list(islice(acknowledged, CHUNK)):
        missing = _missing(state, chunk)
        if missing is None:
            return [Invariant(NAME, "not checked", "this ledger cannot look an anchor up")]
        asked += len(chunk)
        lost += missing
        if missing and len(examples) < EXAMPLES:
            examples += _find(state, chunk, missing, EXAMPLES - len(examples))
    return [Invariant(NAME, *_judge(asked, lost, examples, _committed(record)))]


def _judge(asked: int, lost: int, examples: Sequence[Acknowledged], committed: int) -> tuple[str, str]:
    if lost:
        named = "; ".join(f"document {_document(one).hex()} of transaction {one.tx_id.hex()}" for one in examples)
        return "broken", f"{lost} of {asked} acknowledged anchors are not on the ledger: {named}"
    if asked != committed:
        return (
            "not checked",
            f"{committed} anchors were acknowledged, but only {asked} could be drawn again and looked up",
        )
    return "held", f"all {asked} acknowledged anchors were looked up and found"


def _find(state: StateReader, chunk: Sequence[Acknowledged], missing: int, wanted: int) -> list[Acknowledged]:
    """At most `wanted` of the `missing` ones among `chunk`, by halving."""
    if len(chunk) == 1:
        return list(chunk)
    middle = len(chunk) // 2
    in_first = _missing(state, chunk[:middle]) or 0
    found = _find(state, chunk[:middle], in_first, wanted) if in_first else []
    if missing > in_first and len(found) < wanted:
        found += _find(state, chunk[middle:], missing - in_first, wanted - len(found))
    return found


def _missing(state: StateReader, chunk: Sequence[Acknowledged]) -> int | None:
    documents = b"".join(_document(one) for one in chunk)
    answer = state.read("missing", {"documents": documents, "tx_ids": b"".join(one.tx_id for one in chunk)})
    return answer if isinstance(answer, int) else None


def _document(one: Acknowledged) -> bytes:
    document = one.operation.arguments["document"]
    assert isinstance(document, bytes)
    return document


def _committed(record: AuditInput) -> int:
    outcomes = record.outcomes.get("anchor", {})
    return outcomes.get("committed", 0) + outcomes.get("finalized", 0)
