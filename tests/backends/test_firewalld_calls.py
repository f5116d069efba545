"""The adapter over dbus-next, with the real firewalld: values, refusals, many calls."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.client.calls import (
    CONFIG_PATH,
    BusError,
    CallFault,
    FirewalldError,
    Interface,
    Request,
    RunState,
)
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run

pytestmark = pytest.mark.netns


def mark(number: int) -> str:
    """A rich rule as firewalld lists it."""
    return (
        f'rule family="ipv4" destination address="192.0.2.1" port port="{number}" protocol="tcp"'
        f" mark set={number}"
    )


def add(number: int) -> Request:
    return Request(Interface.ZONE, "addRichRule", ("public", mark(number), 0))


def listed(adapter: BusFirewalld) -> set[object]:
    rules = adapter.call(Interface.ZONE, "getRichRules", "public")
    assert isinstance(rules, list)
    return set(rules)


def test_values_go_there_and_back(adapter: BusFirewalld, real_firewalld: RealFirewalld) -> None:
    assert adapter.state() is RunState.RUNNING
    assert adapter.property("version") == real_firewalld.cmd("--version").strip()
    assert adapter.call(Interface.MAIN, "getDefaultZone") == "public"
    assert adapter.call(Interface.MAIN, "queryPanicMode") is False
    assert adapter.call(Interface.ZONE, "getActiveZones") == {}
    assert adapter.call(Interface.ZONE, "addRichRule", "public", mark(80), 0) == "public"
    assert mark(80) in real_firewalld.cmd("--list-rich-rules")
    settings = {
        "ingress_zones": ["ANY"],
        "egress_zones": ["HOST"],
        "priority": -1,
        "target": "CONTINUE",
        "ports": [("443", "tcp"), ("53", "udp")],
        "rich_rules": [],
        "masquerade": False,
    }
    path = adapter.call(Interface.CONFIG, "addPolicy", "ours", settings, path=CONFIG_PATH)
    assert isinstance(path, str)
    read = adapter.call(Interface.CONFIG_POLICY, "getSettings", path=path)
    assert isinstance(read, dict)
    assert {k: read.get(k, []) for k in settings} == settings
    real_firewalld.cmd("--reload")
    adapter.call(Interface.POLICY, "setPolicySettings", "ours", {"rich_rules": [mark(1)]})
    real_firewalld.cmd("--add-interface", "lo", "--zone", "trusted")
    assert adapter.call(Interface.ZONE, "getActiveZones") == {"trusted": {"interfaces": ["lo"]}}
    direct = ("ipv4", "mangle", "PREROUTING", "0", "-j", "MARK", "--set-mark", "1")
    real_firewalld.cmd("--direct", "--add-rule", *direct)
    assert adapter.call(Interface.DIRECT, "getAllRules") == [
        ("ipv4", "mangle", "PREROUTING", 0, list(direct[4:]))
    ]
    both = adapter.calls(
        [
            Request(Interface.POLICY, "getPolicySettings", ("ours",)),
            Request(Interface.CONFIG, "getPolicyByName", ("ours",), CONFIG_PATH),
        ]
    )
    assert isinstance(both[0], dict)
    assert both[0]["rich_rules"] == [mark(1)], "the keys that were not named stayed"
    assert both[0]["ports"] == settings["ports"]
    assert isinstance(both[1], str)


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_what_firewalld_refuses_has_a_code(adapter: BusFirewalld) -> None:
    def refused(method: str, *arguments: object) -> tuple[str, str]:
        with pytest.raises(FirewalldError) as error:
            adapter.call(Interface.ZONE, method, *arguments)
        return error.value.code, error.value.detail

    rule = 'rule family="ipv4" destination address="192.0.2.1" '
    assert refused("addRichRule", "public", rule + 'mark set="xyz"', 0) == ("INVALID_MARK", "xyz")
    assert refused("addRichRule", "public", 'rule family="', 0) == ("", "No closing quotation")
    assert refused("getRichRules", "nowhere") == ("INVALID_ZONE", "nowhere")
    code, detail = refused("removeRichRule", "public", mark(80))
    assert code == "NOT_ENABLED"
    assert "80" in detail
    with pytest.raises(FirewalldError) as error:
        adapter.call(Interface.CONFIG_POLICY, "remove", path=f"{CONFIG_PATH}/policy/99")
    assert error.value.code.startswith("Unknown")


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_what_cannot_be_meant_is_not_sent(adapter: BusFirewalld) -> None:
    for interface, method, arguments in (
        (Interface.ZONE, "getRichRule", ("public",)),
        (Interface.MAIN, "runtimeToPermanent", ()),
        (Interface.ZONE, "getRichRules", ()),
        (Interface.ZONE, "getRichRules", (5,)),
        (Interface.ZONE, "addRichRule", ("public", "rule", "0")),
        (Interface.POLICY, "setPolicySettings", ("p", {"rich_rule": []})),
        (Interface.POLICY, "setPolicySettings", ("p", {"rich_rules": "rule"})),
        (Interface.POLICY, "setPolicySettings", ("p", {"ports": [("80",)]})),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            adapter.call(interface, method, *arguments)
    assert adapter.state() is RunState.RUNNING, "and the connection is none the worse"


def test_many_calls_are_made_in_their_order_and_not_all_at_once(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    # The bus refuses the ninth call under way (tests/harness/firewalld.py).
    requests = [add(number) for number in range(1, 41)]
    requests.insert(20, Request(Interface.ZONE, "addRichRule", ("public", "rubbish", 0)))
    requests += [
        Request(Interface.ZONE, "removeRichRule", ("public", mark(40))),
        Request(Interface.ZONE, "queryRichRule", ("public", mark(40))),
    ]
    answers = adapter.calls(requests)
    assert isinstance(answers[20], FirewalldError)
    assert answers[20].code == "INVALID_RULE"
    assert [a for a in answers if a != "public"] == [answers[20], False]
    assert listed(adapter) == {mark(number) for number in range(1, 40)}
    assert real_firewalld.cmd("--list-rich-rules").count("mark set") == 39
    assert adapter.calls([]) == []


@pytest.mark.parametrize("size", [30_000, 1_000_000])
@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_more_than_a_socket_holds_is_taken_bit_by_bit(
    size: int, adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    # dbus-next gives its connection up where a message finds no room at all: BlockingIOError.
    settings = {"ingress_zones": ["ANY"], "egress_zones": ["HOST"], "description": "x"}
    path = adapter.call(Interface.CONFIG, "addPolicy", "ours", settings, path=CONFIG_PATH)
    assert isinstance(path, str)
    texts = [str(number) * size for number in range(8)]
    requests = [
        Request(Interface.CONFIG_POLICY, "update", ({"description": text},), path) for text in texts
    ]
    real_firewalld.freeze("bus")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(adapter.calls, requests)
        time.sleep(0.2)
        real_firewalld.thaw("bus")
        assert asked.result() == [None] * len(texts)
    read = adapter.call(Interface.CONFIG_POLICY, "getSettings", path=path)
    assert isinstance(read, dict)
    assert read["description"] == texts[-1]


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_several_threads_may_ask(adapter: BusFirewalld) -> None:
    def work(number: int) -> object:
        return adapter.call(Interface.ZONE, "queryRichRule", "public", mark(number))

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(work, range(1, 201))) == [False] * 200


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_timed_out_change_is_not_made_later(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    assert adapter.state() is RunState.RUNNING
    real_firewalld.freeze()
    start = time.monotonic()
    with pytest.raises(BusError, match="addRichRule within") as error:
        adapter.call(Interface.ZONE, "addRichRule", "public", mark(80), 0, timeout=0.3)
    assert error.value.fault is CallFault.TIMEOUT
    assert time.monotonic() - start < 1.0
    with pytest.raises(BusError) as error:
        adapter.calls([add(number) for number in range(1, 31)], timeout=0.3)
    assert error.value.fault is CallFault.TIMEOUT
    assert time.monotonic() - start < 2.0, "the first that was not answered ended it"
    real_firewalld.thaw()
    assert adapter.state() is RunState.RUNNING
    assert listed(adapter) == set()
    assert real_firewalld.cmd("--list-rich-rules").strip() == ""


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_nothing_is_left_when_it_is_closed(real_firewalld: RealFirewalld) -> None:
    descriptors = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, at once
    for _ in range(3):
        with BusFirewalld() as ours:
            assert ours.state() is RunState.RUNNING
            assert "firewalld" in {thread.name for thread in threading.enumerate()}
            real_firewalld.freeze()
            with ThreadPoolExecutor(1) as threads:
                asked = threads.submit(ours.call, Interface.MAIN, "getDefaultZone")
                time.sleep(0.05)
                ours.close()
                with pytest.raises(BusError) as error:
                    asked.result()
            assert error.value.fault is CallFault.CLOSED
            real_firewalld.thaw()
        with pytest.raises(BusError) as error:
            ours.property("version")
        assert error.value.fault is CallFault.CLOSED
        assert ours.state() is RunState.NO_BUS
    assert "firewalld" not in {thread.name for thread in threading.enumerate()}
    assert set(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208 - likewise
    BusFirewalld().close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_child_of_a_fork_does_not_share_the_connection(adapter: BusFirewalld) -> None:
    assert adapter.state() is RunState.RUNNING
    child = os.fork()
    if child == 0:
        try:
            adapter.property("version")
        except BusError as error:
            adapter.close()
            os._exit(7 if error.fault is CallFault.CLOSED else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert adapter.state() is RunState.RUNNING


def test_it_sleeps_while_nothing_is_asked(adapter: BusFirewalld) -> None:
    assert adapter.state() is RunState.RUNNING
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - before < 0.01


def test_who_asks_nothing_of_firewalld_pays_nothing() -> None:
    code = (
        "import sys, lvsmarkd.daemon.wiring, lvsmarkd.cli.main, lvsmarkd.watch.firewalld,"
        " lvsmarkd.backends.firewalld.client.adapter as a,"
        " lvsmarkd.backends.firewalld.client.states;"
        "a.BusFirewalld().close(); print('dbus_next' in sys.modules)"
    )
    assert run(sys.executable, "-c", code).strip() == "False"
