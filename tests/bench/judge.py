"""What becomes of all services' packets, beside reading the same rules: CPU seconds, cold."""

import gc
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlooks import Outlooks, outlook
from lvsmarkd.model.host import HostView
from lvsmarkd.model.rule_spec import RuleSpec
from lvsmarkd.model.ruleset import Lister, Ruleset, TableKey
from lvsmarkd.netfilter.iptables_rule import read_rule
from lvsmarkd.netfilter.iptables_save import read_saved
from tests.bench.ground import address
from tests.harness.values import declare, flow, want

SERVICES = 1_000
FIRST = 1_000
_KINDS: dict[str, tuple[str, Callable[[int], str]]] = {
    "a block list, by sender": (
        "raw",
        lambda n: f"-A PREROUTING -s 203.{n // 65536}.{n // 256 % 256}.{n % 256}/32 -j DROP",
    ),
    "accepts, by port": (
        "filter",
        lambda n: f"-A INPUT -p tcp -m tcp --dport {n % 60000} -j ACCEPT",
    ),
    "accepts, by address and port": (
        "filter",
        lambda n: (
            f"-A INPUT -d {address(n % SERVICES)}/32 -p tcp -m tcp --dport {443 + n // SERVICES}"
            " -j ACCEPT"
        ),
    ),
    "others' marks, for other addresses": (
        "mangle",
        lambda n: f"-A PREROUTING -d 172.16.{n // 256}.{n % 256}/32 -j MARK --set-xmark 0x9/0xff",
    ),
    "others' marks, for ours": (
        "mangle",
        lambda n: (
            f"-A PREROUTING -d {address(n % SERVICES)}/32 -p tcp -m tcp --dport {8000 + n // 1000}"
            " -j MARK --set-xmark 0x9/0xffffffff"
        ),
    ),
}


def listing(kind: str, count: int) -> str:
    """iptables-save of our rules for all services, and so many of others'."""
    table, rule = _KINDS[kind]
    tables = {
        "raw": [":PREROUTING ACCEPT [0:0]"],
        "mangle": [
            *(":PREROUTING ACCEPT [0:0]", ":LVSMARKD - [0:0]", "-A PREROUTING -j LVSMARKD"),
            *(
                f"-A LVSMARKD -d {address(n)}/32 -p tcp -m multiport --dports 80,443"
                f' -m comment --comment "lvsmarkd fwmark {FIRST + n}"'
                f" -j MARK --set-xmark {FIRST + n:#x}/0xffffffff"
                for n in range(SERVICES)
            ),
        ],
        "filter": [":INPUT ACCEPT [0:0]"],
    }
    tables[table] += [rule(n) for n in range(count)]
    return "".join(f"*{name}\n" + "\n".join(said) + "\nCOMMIT\n" for name, said in tables.items())


def wanted() -> Desired:
    """All services, each with two ports of an address of its own."""
    flows = [
        declare(FIRST + n, *(flow(address(n), port) for port in (80, 443))) for n in range(SERVICES)
    ]
    return want(*flows)


def read(text: str) -> Ruleset:
    """The rules as lvsmarkd reads them."""
    tables = read_saved(text, Lister.IPTABLES_NFT, "ip")
    return Ruleset({TableKey(Lister.IPTABLES_NFT, "ip", n): t for n, t in tables.items()})


def cpu(call: Callable[[], object]) -> float:
    """Seconds of CPU that a call takes."""
    gc.collect()
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """For each kind of rules, of which there are as many as services and ten times as many."""
    desired = wanted()
    local = tuple(ip_network(address(n)) for n in range(SERVICES))
    host = HostView(frozenset({"eth0", "eth1"}), local)
    print(
        f"\nthe judge, {SERVICES} services{'reading s':>56} {'judging s':>10} {'ratio':>10}"
        f" {'nothing ms':>10} {'a rule ms':>10}"
    )
    for kind in _KINDS:
        for count in (1_000, 10_000):
            text = listing(kind, count)
            ruleset = read(text)
            reading = min(cpu(partial(read, text)) for _ in range(2))
            judging = min(cpu(partial(outlook, desired, ruleset, host)) for _ in range(2))
            ratio = f"{judging / reading:.2f} x"
            nothing, one = (1_000 * seconds for seconds in _again(desired, text, host))
            print(
                f"{count:6} {kind:<56} {reading:9.2f} {judging:10.2f} {ratio:>10}"
                f" {nothing:10.1f} {one:10.1f}"
            )


def _again(desired: Desired, text: str, host: HostView) -> tuple[float, float]:
    """CPU seconds of another look where nothing changed, and where a rule came or went."""
    known = _Memory()
    outlooks = Outlooks()
    outlooks.of(desired, known.read(text), host)
    one_more = text.replace(
        "-A PREROUTING -j LVSMARKD",
        f"-A PREROUTING -d {address(7)} -j DROP\n-A PREROUTING -j LVSMARKD",
    )
    nothing, one = [], []
    for listed in (one_more, text) * 3:
        ruleset = known.read(listed)
        one.append(cpu(partial(outlooks.of, desired, ruleset, host)))
        ruleset = known.read(listed)
        nothing.append(cpu(partial(outlooks.of, desired, ruleset, host)))
    return min(nothing), min(one)


class _Memory:
    """Reads listings as backends do: a text that was understood once is known."""

    def __init__(self) -> None:
        self._known: dict[str, RuleSpec] = {}

    def read(self, text: str) -> Ruleset:
        """The rules of a listing."""
        tables = read_saved(text, Lister.IPTABLES_NFT, "ip", self._understood)
        return Ruleset({TableKey(Lister.IPTABLES_NFT, "ip", n): t for n, t in tables.items()})

    def _understood(self, text: str) -> RuleSpec:
        if text not in self._known:
            self._known[text] = read_rule(text)
        return self._known[text]
