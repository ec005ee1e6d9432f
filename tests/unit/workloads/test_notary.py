import random
from collections.abc import Iterator, Mapping

import pytest

from bench.api import Acknowledged, AuditInput, Kind, Operation
from workloads.notary import WORKLOAD
from workloads.notary.audit import CHUNK, audit

NAME = "every_acknowledged_anchor_found"


def acknowledged(number: int) -> Acknowledged:
    document = number.to_bytes(32, "big")
    return Acknowledged(Operation("anchor", {"document": document}), bytes(reversed(document)))


class Anchored:
    """Every acknowledged one but `lost` is on this ledger."""

    def __init__(self, lost: set[int]) -> None:
        self.lost = {number.to_bytes(32, "big") for number in lost}
        self.reads = 0

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        documents, tx_ids = arguments["documents"], arguments["tx_ids"]
        assert name == "missing"
        assert isinstance(documents, bytes)
        assert isinstance(tx_ids, bytes)
        assert 0 < len(documents) == len(tx_ids) <= 32 * CHUNK
        assert tx_ids[31::-1] == documents[:32]
        self.reads += 1
        return sum(documents[start : start + 32] in self.lost for start in range(0, len(documents), 32))


def record(count: int, drawn: int | None = None) -> AuditInput:
    class Again:
        def __iter__(self) -> Iterator[Acknowledged]:
            return (acknowledged(number) for number in range(count if drawn is None else drawn))

    return AuditInput({"anchor": {"finalized": count - 1, "committed": 1, "failed": 7}}, 4, {}, acknowledged=Again())


def test_every_acknowledged_anchor_is_asked_for() -> None:
    state = Anchored(lost=set())
    (found,) = audit(state, record(1201))
    assert (found.name, found.status) == (NAME, "held")
    assert found.detail == "all 1201 acknowledged anchors were looked up and found"
    assert state.reads == 3


@pytest.mark.parametrize("lost", [{0}, {499}, {500}, {1200}, {3, 4}])
def test_a_lost_anchor_is_named_with_its_transaction(lost: set[int]) -> None:
    (found,) = audit(Anchored(lost), record(1201))
    assert found.status == "broken"
    assert found.detail.startswith(f"{len(lost)} of 1201 acknowledged anchors are not on the ledger: ")
    for number in lost:
        document = number.to_bytes(32, "big")
        assert f"document {document.hex()} of transaction {bytes(reversed(document)).hex()}" in found.detail


def test_of_many_lost_the_first_three_are_named_and_all_are_counted() -> None:
    (found,) = audit(Anchored(set(range(100, 1100))), record(1201))
    assert found.detail.startswith("1000 of 1201 ")
    assert [f"{number:064x}" in found.detail for number in (100, 101, 102, 103)] == [True, True, True, False]


def test_what_cannot_be_told_is_not_checked() -> None:
    class Mute:
        def read(self, _name: str, _arguments: Mapping[str, object]) -> object:
            return None

    assert audit(Mute(), record(5))[0].status == "not checked"
    assert audit(Anchored(set()), AuditInput({"anchor": {"finalized": 3}}, 4, {}))[0].status == "not checked"
    (found,) = audit(Anchored(set()), record(5, drawn=4))
    assert (found.status, "only 4" in found.detail) == ("not checked", True)


def test_nothing_acknowledged_holds() -> None:
    (found,) = audit(Anchored(set()), AuditInput({}, 4, {}, acknowledged=()))
    assert (found.status, found.detail) == ("held", "all 0 acknowledged anchors were looked up and found")


def draws(seed: str, count: int) -> list[Operation]:
    from workloads.notary.locustfile import NotaryUser  # imports Locust: not before a test asks for it

    user = NotaryUser.for_drawing(random.Random(seed), 4, {})
    return [user.draw() for _ in range(count)]


def test_documents_are_unique_and_questions_are_about_earlier_ones() -> None:
    drawn = draws("1/0", 20_000)
    anchored: set[object] = set()
    known = unknown = 0
    for one in drawn:
        document = one.arguments["document"]
        assert isinstance(document, bytes)
        assert len(document) == 32
        if one.kind is Kind.WRITE:
            assert document not in anchored
            anchored.add(document)
        elif document in anchored:
            known += 1
        else:
            unknown += 1
    assert len(anchored) == pytest.approx(14_000, abs=4 * 65)  # binomial: sd 65
    assert unknown == pytest.approx(0.05 * (known + unknown), abs=4 * 17)
    assert not anchored & {one.arguments["document"] for one in draws("1/1", 1000)}
    assert draws("1/0", 50) == drawn[:50]


def test_the_declared_shares_are_those_of_the_tasks() -> None:
    assert {one.name: one.weight for one in WORKLOAD.operations} == {"anchor": 70, "verify": 30}
