"""How long passes wait for each other, by what they cost."""

from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.model.token_bucket import LONGEST_WAIT, WINDOW, WorkBudget

PASSES = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=40)


def test_what_a_minute_has_may_be_spent_at_once_and_comes_back() -> None:
    budget = WorkBudget(0.05)
    assert budget.wait(100.0) == 0
    spent = budget.spend(100.0, 3.0)
    assert spent.wait(100.0) == 0
    overdrawn = spent.spend(100.0, 0.02)
    assert round(overdrawn.wait(100.0), 6) == 0.4
    assert overdrawn.wait(101.0) == 0


@given(PASSES)
def test_no_wait_is_longer_than_a_second_and_a_quiet_time_ends_all(
    passes: list[tuple[float, float]],
) -> None:
    budget, now = WorkBudget(0.05), 0.0
    for pause, cost in passes:
        now += pause
        assert 0 <= budget.wait(now) <= LONGEST_WAIT
        budget = budget.spend(now, cost)
    assert budget.wait(now + 2 * WINDOW) == 0


@given(PASSES)
def test_where_passes_wait_as_long_as_they_are_told_their_share_holds(
    passes: list[tuple[float, float]],
) -> None:
    budget, now, used = WorkBudget(0.05), 0.0, 0.0
    for _, cost in passes:
        cheap = cost / 100  # up to what a second's wait pays for
        now += budget.wait(now)
        budget, used = budget.spend(now, cheap), used + cheap
    assert used <= 0.05 * (WINDOW + now) + 0.05 + 1e-9
