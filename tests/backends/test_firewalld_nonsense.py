"""Whoever has firewalld's name on the bus may answer anything: that is told, and never a bug."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.firewalld.backend import FirewalldBackend
from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.client.calls import (
    CALL_TIMEOUT,
    MAIN_PATH,
    FirewalldError,
    Interface,
    Request,
    RunState,
)
from lvsmarkd.backends.firewalld.planes import reader
from lvsmarkd.backends.firewalld.planes.listing import pairs
from lvsmarkd.backends.firewalld.reload.boot import Boot
from lvsmarkd.backends.firewalld.reload.ipsets import ipset_losses
from lvsmarkd.backends.firewalld.rich.rich_rule import read_rich_rule
from lvsmarkd.backends.firewalld.rich.words import RichRuleError
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError

HUGE = "9" * 5000
"""Python refuses to read a number of more than 4300 digits."""
RULES = (
    f'rule priority="10965" family="ipv4" port port="{HUGE}" protocol="tcp" mark set=80',
    f'rule priority="10965" family="ipv4" protocol value="{HUGE}" accept',
    f'rule priority="10965" family="ipv4" destination address="192.0.2.1/{HUGE}" mark set=80',
    f'rule priority="{HUGE}" family="ipv4" mark set={HUGE}',
)
WORDS = st.sampled_from(["public", "lvsmarkd", "http", "tcp", "80", HUGE, "", *RULES])
SCALARS = st.none() | st.booleans() | st.integers() | WORDS
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(WORDS, inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.lists(WORDS, max_size=3)
PAIRS = st.lists(st.tuples(WORDS, WORDS), max_size=2)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "rules_str": NAMES | ANYTHING,
        "rich_rules": NAMES | ANYTHING,
        "services": NAMES | ANYTHING,
        "ports": PAIRS | ANYTHING,
        "source_ports": PAIRS | ANYTHING,
        "protocols": NAMES | ANYTHING,
        "includes": NAMES | ANYTHING,
        "priority": ANYTHING,
        "target": ANYTHING,
        "ingress_zones": NAMES | ANYTHING,
        "egress_zones": NAMES | ANYTHING,
    },
)
DIRECT = st.lists(
    st.tuples(
        st.sampled_from(["ipv4", "ipv6", "eb"]),
        st.sampled_from(["mangle", "filter"]),
        st.sampled_from(["PREROUTING", "INPUT"]),
        st.integers() | WORDS,
        st.lists(st.sampled_from(["-p", "--dport", "-j", "MARK", "--set-mark", HUGE]), max_size=6),
    ),
    max_size=2,
)


class Impostor(BusFirewalld):
    """Says that it runs, and answers as it is drawn."""

    def __init__(self, data: st.DataObject) -> None:
        super().__init__()
        self.data = data

    def state(self) -> RunState:
        return RunState.RUNNING

    def call(
        self,
        interface: Interface,  # noqa: ARG002 - as the real one
        method: str,
        *arguments: object,  # noqa: ARG002 - as the real one
        path: str = MAIN_PATH,  # noqa: ARG002 - as the real one
        timeout: float = CALL_TIMEOUT,  # noqa: ARG002 - as the real one
    ) -> object:
        expected: st.SearchStrategy[Any]
        match method:
            case "getZones" | "getPolicies" | "getZoneNames" | "getPolicyNames" | "getIPSets":
                expected = NAMES
            case _ if "Settings" in method:
                expected = SETTINGS
            case "getAllRules":
                expected = DIRECT
            case "getDefaultZone":
                expected = WORDS
            case _:
                expected = ANYTHING
        return self.data.draw(expected | ANYTHING if self.data.draw(st.booleans()) else expected)

    def calls(
        self,
        requests: Sequence[Request],
        *,
        timeout: float = CALL_TIMEOUT,  # noqa: ARG002 - as the real one
    ) -> list[object | FirewalldError]:
        return [self.call(each.interface, each.method) for each in requests]


@pytest.fixture(autouse=True)
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "read_kernel", lambda _backend: Unknown("not here"))


@pytest.mark.parametrize("by_policy", [True, False])
@given(data=st.data())
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_look_at_nonsense_is_a_look_that_failed(data: st.DataObject, *, by_policy: bool) -> None:
    backend = FirewalldBackend(
        Impostor(data),
        Backup(Path("/nonexistent")),
        reader.Choices(by_policy),
        "1.3.3",
        boot=Boot(lambda: ""),
    )
    assert isinstance(backend.read(), Snapshot)
    try:
        backend.purge()
    except FirewallError:
        return


@given(data=st.data())
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_sets_of_which_nonsense_is_told_count_or_the_call_failed(data: st.DataObject) -> None:
    try:
        assert all(isinstance(each, str) for each in ipset_losses(Impostor(data), "iptables"))
    except FirewalldError:
        return


@pytest.mark.parametrize("ports", [[80], [("80",)], [("80", "tcp", "x")]])
def test_ports_that_are_none_are_a_failed_call(ports: list[object]) -> None:
    with pytest.raises(FirewalldError, match=r"none of firewalld's"):
        pairs({"ports": ports}, "ports")


@pytest.mark.parametrize("text", RULES)
def test_a_number_of_thousands_of_digits_is_not_understood(text: str) -> None:
    with pytest.raises(RichRuleError):
        read_rich_rule(text)
