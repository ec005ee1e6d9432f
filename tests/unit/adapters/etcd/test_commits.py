"""When a silent watch is given up: the member neither answers in time, or says that it has no majority."""

import pytest

from bench.adapters.etcd import commits
from bench.adapters.etcd.commits import ANSWER_S, SILENCE_S, _Silence
from bench.adapters.etcd.grpc import CallError, ConnectionLostError


class Member:
    """Answers what it is told to."""

    authority = "127.0.0.2:1"

    def __init__(self) -> None:
        self.asked = 0
        self.answer: bytes | CallError | None = None

    def begin(self, path: str, message: bytes) -> int:
        self.asked += 1
        return self.asked

    def ended(self, begun: int) -> bytes | CallError | None:
        assert begun == self.asked
        return self.answer


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [100.0]
    monkeypatch.setattr(commits.time, "monotonic", lambda: clock[0])  # type: ignore[attr-defined]
    return clock


def test_a_member_that_answers_is_asked_again_and_kept(now: list[float]) -> None:
    member = Member()
    silence = _Silence(member, b"")  # type: ignore[arg-type]
    member.answer = b"42"
    for _ in range(80):
        now[0] += 0.25
        silence.check()
    assert member.asked == 16, "once per silent second, and a look for the answer"


def test_a_member_that_speaks_is_not_asked(now: list[float]) -> None:
    member = Member()
    silence = _Silence(member, b"")  # type: ignore[arg-type]
    for _ in range(40):
        now[0] += SILENCE_S * 0.9
        silence.check()
        silence.end(0)
    assert member.asked == 0


def test_only_what_needs_the_majority_counts_as_heard(now: list[float]) -> None:
    member = Member()
    silence = _Silence(member, b"")  # type: ignore[arg-type]
    silence.end(0)
    assert silence.heard_ns == 0, "a watch was begun: that any member says"
    silence.end(17)
    silence.end(0)
    assert silence.heard_ns == 17
    now[0] += SILENCE_S
    silence.check()
    member.answer = b"42"
    silence.check()
    assert silence.heard_ns > 17


def test_a_member_that_does_not_answer_is_given_up(now: list[float]) -> None:
    silence = _Silence(Member(), b"")  # type: ignore[arg-type]
    now[0] += SILENCE_S
    silence.check()
    now[0] += ANSWER_S - 0.01
    silence.check()
    now[0] += 0.02
    with pytest.raises(ConnectionLostError, match="silent for 3 s"):
        silence.check()


def test_a_member_without_the_majority_is_given_up(now: list[float]) -> None:
    member = Member()
    silence = _Silence(member, b"")  # type: ignore[arg-type]
    now[0] += SILENCE_S
    silence.check()
    member.answer = CallError(14, "etcdserver: no leader")
    with pytest.raises(ConnectionLostError, match="no leader"):
        silence.check()
