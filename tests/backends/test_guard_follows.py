"""The guard by itself, in a kernel: what comes between its looks and its writes."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lvsmarkd.backends.guard.guard import Guard
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.model.rule import Rule
from tests.harness.netns import enter_fresh, run
from tests.harness.values import declare, flow, want

pytestmark = pytest.mark.usefixtures("netns")

NAME = "inet", "lvsmarkd_guard"
RULES: frozenset[Rule] = want(declare(80, flow("192.0.2.1", 80))).rules


def listed() -> str:
    return run("nft", "list", "table", *NAME)


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """As if all that a process may have were open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_is_changed_while_it_is_taken_over_does_not_stay() -> None:
    earlier = Guard()
    assert earlier.follow(RULES).in_force
    earlier.close()
    meant = listed()
    writes: list[int] = []

    def somebody_is_faster(thread: int) -> None:
        writes.append(thread)
        if len(writes) == 2:  # behind the question what the kernel can
            run("nft", "insert", "rule", *NAME, "prerouting", "meta", "mark", "set", "7")

    guard = Guard(on_write=somebody_is_faster)
    assert guard.follow(RULES).in_force
    assert len(writes) > 2
    assert listed().count("mark") == meant.count("mark")
    guard.close()


def test_where_there_is_no_descriptor_left_the_kept_socket_is_not_lost() -> None:
    earlier = Guard()
    kept: list[int] = []
    earlier.keep = lambda descriptor: kept.append(os.dup(descriptor))
    assert earlier.follow(RULES).in_force
    earlier.close()
    guard = Guard(taken=kept[0])
    with no_more_descriptors():
        state = guard.follow(RULES)
        assert (state.in_force, "Too many open files" in state.reason) == (False, True)
    assert guard.follow(RULES).in_force
    guard.close()


def test_after_an_answer_that_took_too_long_the_next_one_is_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = [flow(f"192.0.2.{n}", 8000, 8050) for n in range(200)]
    rules = want(declare(80, *many)).rules
    guard = Guard()
    assert guard.follow(rules).in_force
    with monkeypatch.context() as impatient:
        impatient.setattr("lvsmarkd.backends.guard.guard._PATIENCE_SECONDS", 0.004)
        state = guard.follow(RULES)
    assert (state.in_force, "timed out" in state.reason) == (False, True)
    assert guard.follow(RULES).in_force
    assert "8000" not in listed()
    guard.close()


def test_a_kept_socket_of_another_network_does_not_pass_for_a_guard_here() -> None:
    with NfTablesSocket() as made:
        elsewhere = os.dup(made.fileno())
    enter_fresh()
    guard = Guard(taken=elsewhere)
    assert not guard.follow(RULES).in_force
    assert guard.view == {}
    guard.close()
