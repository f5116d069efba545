"""How long what failed is left alone, and how a storm is taken in gulps."""

from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.model.backoff import Backoff
from lvsmarkd.model.token_bucket import TokenBucket

DELAYS = (1.0, 5.0, 30.0)


def test_each_failure_in_a_row_costs_more_and_the_last_delay_repeats() -> None:
    backoff, waits = Backoff(DELAYS), []
    for now in range(100, 105):
        backoff = backoff.failed(now)
        waits.append(backoff.until - now)
        assert backoff.delay == waits[-1]
    assert waits == [1.0, 5.0, 30.0, 30.0, 30.0]


def test_it_is_due_at_the_very_time() -> None:
    assert Backoff(DELAYS).due(-1e9)
    assert Backoff(DELAYS).delay == 0.0
    backoff = Backoff(DELAYS).failed(100.0)
    assert not backoff.due(100.999)
    assert backoff.due(101.0)


def test_a_person_ends_the_wait_and_success_ends_the_row() -> None:
    backoff = Backoff(DELAYS).failed(100.0).failed(101.0)
    assert backoff.at_once().due(101.0)
    assert backoff.at_once().failed(102.0).until == 132.0
    assert backoff.over() == Backoff(DELAYS)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_the_bucket_never_waits_longer_than_its_interval_for_a_patient_caller(
    gaps: list[float],
) -> None:
    bucket = TokenBucket(capacity=3, interval=0.5)
    now = 100.0
    taken = []
    for gap in gaps:
        now += gap
        wait, bucket = bucket.take(now)
        assert 0 <= wait <= bucket.interval + 1e-9
        now += wait
        taken.append(now)
    for first, later in zip(taken, taken[bucket.capacity + 1 :], strict=False):
        assert later - first >= bucket.interval - 1e-6
