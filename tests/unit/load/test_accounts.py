import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.accounts import SenderState


@given(st.lists(st.integers(0, 40), unique=True))
def test_holes_are_the_numbers_between_that_were_not_taken(numbers: list[int]):
    state = SenderState(0)
    for number in numbers:
        state.take(number)
    expected = [number for number in range(max(numbers, default=0)) if number not in numbers]
    assert state.holes() == expected
    assert state.base == next(number for number in range(42) if number not in numbers)


@given(st.lists(st.integers(0, 20), unique=True, min_size=1), st.data())
def test_a_number_given_back_is_as_if_never_taken(numbers: list[int], data: st.DataObject):
    back = data.draw(st.sampled_from(numbers))
    state, never = SenderState(0), SenderState(0)
    for number in numbers:
        state.take(number)
        if number != back:
            never.take(number)
    state.give_back(back)
    assert (state.base, state.holes()) == (never.base, never.holes())


@pytest.mark.parametrize(("base", "expected"), [(0, 2), (2, 2), (3, 5), (7, 7)])
def test_the_ledgers_own_number_moves_forward_and_never_back(base: int, expected: int):
    state = SenderState(2)
    for number in (3, 4):
        state.take(number)
    state.start_from(base)
    assert state.base == expected
