"""Each firewall that rules can be kept in; ways to look at it past the backend, and to harm it.

The contract (test_contract.py) is the same for all of them.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.firewalld.backend import FirewalldBackend
from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.planes.reader import Choices
from lvsmarkd.backends.firewalld.reload.boot import Boot
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.backends.migration import MigratingBackend
from lvsmarkd.backends.nftables.own_rules import table_limits
from lvsmarkd.declarations.tables import Reload
from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run
from tests.harness.paper import PaperFirewall
from tests.harness.values import ONE_PORT, declare, flow, want

Damage = tuple[Callable[[], object], Kind]


class Ground(Protocol):
    """One firewall."""

    @property
    def backend(self) -> CommandBackend: ...

    policy: Options
    damages: dict[str, Damage]
    """Each by what it does, with a kind that must be found. The rule of mark 80 to
    192.0.2.10:80 is there."""

    def others(self) -> None:
        """Put in rules of somebody else's."""

    def foreign(self) -> object:
        """All that is not ours, as listed."""

    def ours(self) -> object:
        """All that is ours, as listed; empty where nothing is."""

    def both(self) -> tuple[object, object]:
        """All that is ours and all that is not, of one listing."""


def _iptables(command: str) -> Callable[[], object]:
    return lambda: run("sh", "-c", f"iptables -w 5 {command}")


def _nft(command: str) -> Callable[[], object]:
    return lambda: run("nft", command)


_FOREIGN_NFT = """
table inet site {
    set vips { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 } }
    chain pre { type filter hook prerouting priority -150; ip saddr @vips meta mark set 0x1000; }
    chain input { type filter hook input priority 0; tcp dport 22 accept; }
}
table ip lvsmarkd {
    chain c { ip daddr 192.0.2.10 counter; }
}
"""


_FOREIGN_IPTABLES = """*mangle
-A PREROUTING -s 198.51.100.0/24 -j MARK --set-xmark 0x1000/0xf000
-A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*filter
:CUSTOM - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j CUSTOM
-A CUSTOM -s 203.0.113.0/24 -j ACCEPT
COMMIT
"""


_MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)


class PaperGround:
    """A firewall in memory."""

    def __init__(self, state: Path) -> None:
        self.backend = PaperFirewall(backup=Backup(state / "backup"))
        self.policy = Options()

        def harm(**changes: object) -> Callable[[], object]:
            return lambda: self.backend.damage(_MARKS, **changes)

        self.damages: dict[str, Damage] = {
            "all of ours is flushed": (harm(rules=()), Kind.MISSING),
            "the jump is deleted": (harm(jumps=0), Kind.MISSING),
            "the jump is there twice": (harm(jumps=2), Kind.DUPLICATE),
            "a stranger moves in": (harm(unknown_rules=("-j DROP",)), Kind.ALTERED),
            "a rule is there twice": (self._double, Kind.DUPLICATE),
            "the chain is deleted": (
                harm(exists=False, jumps=0, rules=(), unknown_rules=()),
                Kind.MISSING,
            ),
        }

    def others(self) -> None:
        self.backend.ahead = (
            "pre -s 198.51.100.0/24 -j MARK --set-xmark 0x1000/0xf000\n"
            "in -s 203.0.113.0/24 -j ACCEPT"
        )

    def foreign(self) -> object:
        rules = f"{self.backend.ahead}\n{self.backend.behind}"
        return [line for line in rules.splitlines() if line]

    def ours(self) -> object:
        return [(key, chain) for key, chain in self.backend.chains.items() if chain != Chain()]

    def both(self) -> tuple[object, object]:
        return self.ours(), self.foreign()

    def _double(self) -> None:
        chain = self.backend.chains[_MARKS]
        assert isinstance(chain, Chain)
        self.backend.damage(_MARKS, rules=chain.rules * 2)


@dataclass
class IptablesGround:
    """iptables, one variant."""

    backend: CommandBackend
    policy: Options = field(default_factory=Options)
    damages: dict[str, Damage] = field(
        default_factory=lambda: {
            "a rule is deleted": (_iptables("-t mangle -D LVSMARKD 1"), Kind.MISSING),
            "all of ours is flushed": (_iptables("-t mangle -F LVSMARKD"), Kind.MISSING),
            "the jump is deleted": (
                _iptables("-t mangle -D PREROUTING -j LVSMARKD"),
                Kind.MISSING,
            ),
            "a stranger moves in": (_iptables("-t mangle -A LVSMARKD -j DROP"), Kind.ALTERED),
        }
    )

    def others(self) -> None:
        run("iptables-restore", "--noflush", stdin=_FOREIGN_IPTABLES)

    def foreign(self) -> object:
        return self.both()[1]

    def ours(self) -> object:
        return self.both()[0]

    def both(self) -> tuple[object, object]:
        text = run("iptables-save") + run("ip6tables-save")
        lines = [line for line in text.splitlines() if line.startswith("-A")]
        return _parted(lines, lambda line: "LVSMARKD" in line)


@dataclass
class NftablesGround:
    """A table of our own."""

    backend: CommandBackend
    policy: Options = field(default_factory=lambda: Options(limits=table_limits()))
    damages: dict[str, Damage] = field(
        default_factory=lambda: {
            "an element is deleted": (
                _nft("delete element inet lvsmarkd hosts4 { 192.0.2.10 . tcp . 80 }"),
                Kind.ALTERED,
            ),
            "an element has another mark": (
                lambda: (
                    _nft("delete element inet lvsmarkd hosts4 { 192.0.2.10 . tcp . 80 }")(),
                    _nft("add element inet lvsmarkd hosts4 { 192.0.2.10 . tcp . 80 : 1 }")(),
                ),
                Kind.ALTERED,
            ),
            "an element is there too much": (
                _nft("add element inet lvsmarkd hosts4 { 192.0.2.10 . tcp . 81 : 80 }"),
                Kind.ALTERED,
            ),
            "an element of a service that is gone": (
                _nft("add element inet lvsmarkd hosts4 { 192.0.2.19 . tcp . 99 : 99 }"),
                Kind.STALE,
            ),
            "the destination is not let through": (
                _nft("delete element inet lvsmarkd vips4 { 192.0.2.10 }"),
                Kind.MISSING,
            ),
            "all elements are flushed": (_nft("flush map inet lvsmarkd hosts4"), Kind.MISSING),
            "a chain is flushed": (_nft("flush chain inet lvsmarkd flows4"), Kind.MISSING),
            "the base chain is flushed": (
                _nft("flush chain inet lvsmarkd prerouting"),
                Kind.MISSING,
            ),
            "the table is deleted": (_nft("delete table inet lvsmarkd"), Kind.MISSING),
            "the table sleeps": (_nft("add table inet lvsmarkd { flags dormant; }"), Kind.MISSING),
            "a stranger moves in": (_nft("insert rule inet lvsmarkd flows4 drop"), Kind.ALTERED),
            "a stranger moves in, before all": (
                _nft("insert rule inet lvsmarkd prerouting return"),
                Kind.ALTERED,
            ),
            "a strange set moves in": (
                _nft("add set inet lvsmarkd other { type ipv4_addr; }"),
                Kind.ALTERED,
            ),
            "a strange chain moves in": (
                _nft("add chain inet lvsmarkd other { type filter hook input priority 0; }"),
                Kind.ALTERED,
            ),
        }
    )

    def others(self) -> None:
        run("nft", "-f", "-", stdin=_FOREIGN_NFT)

    def foreign(self) -> object:
        return self.both()[1]

    def ours(self) -> object:
        return self.both()[0]

    def both(self) -> tuple[object, object]:
        tables = {
            line: run("nft", "list", *line.split())
            for line in run("nft", "list", "tables").split("\n")
            if line
        }
        own = [uncounted(text) for line, text in tables.items() if line == "table inet lvsmarkd"]
        return own, [text for line, text in tables.items() if line != "table inet lvsmarkd"]


def uncounted(listing: str) -> list[str]:
    """Lines of a listing of nft's, whatever was counted."""
    return sorted(re.sub(r"packets \d+ bytes \d+", "", listing).splitlines())


MARK = 'rule family="ipv4" destination address="192.0.2.9" service name="http" mark set=0x9'
_MARKING = "-p tcp --dport 36161 -j MARK --set-mark 0x8"
OURS = (
    'rule priority="10965" family="ipv4" destination address="192.0.2.10" port port="80"'
    ' protocol="tcp" mark set=80'
)


@dataclass
class FirewalldGround:
    """firewalld, in one placement."""

    bed: RealFirewalld
    backend: CommandBackend
    placement: str
    policy: Options = field(default_factory=lambda: Options(limits=ONE_PORT))
    damages: dict[str, Damage] = field(init=False)

    def __post_init__(self) -> None:
        where = "--policy=lvsmarkd" if self.placement == "policy" else "--zone=public"
        cmd = self.bed.cmd
        self.damages = {
            "a rule is removed at runtime": (
                lambda: cmd(where, f"--remove-rich-rule={OURS}"),
                Kind.MISSING,
            ),
            "a rule is removed for good": (
                lambda: cmd("--permanent", where, f"--remove-rich-rule={OURS}"),
                Kind.MISSING,
            ),
            "removed for good, and reloaded": (
                lambda: (
                    cmd("--permanent", where, f"--remove-rich-rule={OURS}"),
                    cmd("--reload"),
                ),
                Kind.MISSING,
            ),
            "a rule has another mark": (
                lambda: (
                    cmd(where, f"--remove-rich-rule={OURS}"),
                    cmd(where, f"--add-rich-rule={OURS.replace('set=80', 'set=1')}"),
                ),
                Kind.ALTERED,
            ),
            "a rule is there twice": (
                lambda: cmd(where, f"--add-rich-rule={OURS.replace('set=80', 'set=0x50')}"),
                Kind.DUPLICATE,
            ),
            "a rule is there twice, for good": (
                lambda: cmd(
                    "--permanent", where, f"--add-rich-rule={OURS.replace('.10', '.10/32')}"
                ),
                Kind.DUPLICATE,
            ),
            "a rule of a service that is gone": (
                lambda: cmd(where, f"--add-rich-rule={OURS.replace('80', '99')}"),
                Kind.STALE,
            ),
            "a rule is deleted behind firewalld's back": (self.delete_in_kernel, Kind.MISSING),
        }
        if self.placement == "policy":
            self.damages |= {
                "the policy is deleted": (
                    lambda: (cmd("--permanent", "--delete-policy=lvsmarkd"), cmd("--reload")),
                    Kind.MISSING,
                ),
                "the policy has another target": (
                    lambda: cmd("--permanent", where, "--set-target=DROP"),
                    Kind.MISSING,
                ),
                "the policy begins elsewhere": (
                    lambda: (
                        cmd("--permanent", where, "--remove-ingress-zone=ANY"),
                        cmd("--permanent", where, "--add-ingress-zone=dmz"),
                        cmd("--reload"),
                    ),
                    Kind.MISSING,
                ),
                "a stranger moves in": (
                    lambda: cmd("--permanent", where, f"--add-rich-rule={MARK}"),
                    Kind.ALTERED,
                ),
            }

    def delete_in_kernel(self, container: str = "", number: int = 0) -> None:
        """One of ours, by its place, with the tools of firewalld's own backend."""
        container = container or ("policy_lvsmarkd" if self.placement == "policy" else "public")
        if self.bed.backend == "nftables":
            chain = f"mangle_PRE_{container}_post"
            rules = json.loads(run("nft", "-j", "list", "chain", "inet", "firewalld", chain))
            handles = [r["rule"]["handle"] for r in rules["nftables"] if "rule" in r]
            deletion = ("inet", "firewalld", chain, "handle", str(handles[number]))
            run("nft", "delete", "rule", *deletion)
        else:
            chain = f"PRE_{container.removeprefix('policy_')}_post"
            run("iptables", "-t", "mangle", "-D", chain, str(number + 1))

    def others(self) -> None:
        for options in ((), ("--permanent",)):
            for arguments in (
                ("--zone=public", f"--add-rich-rule={MARK}"),
                ("--zone=public", "--add-rich-rule=rule priority=-7 protocol value=vrrp accept"),
                ("--zone=internal", "--add-port=8080/tcp"),
                ("--zone=internal", "--add-source=10.9.0.0/16"),
                *(
                    tuple(f"--direct --add-rule {ipv} mangle PREROUTING 0 {_MARKING}".split())
                    for ipv in ("ipv4", "ipv6")
                ),
            ):
                self.bed.cmd(*options, *arguments)

    def foreign(self) -> object:
        return _parted(self._lines(), _is_ours)[1]

    def ours(self) -> object:
        return self.both()[0]

    def both(self) -> tuple[object, object]:
        ours, foreign = _parted(self._lines(), _is_ours)
        policies = self.bed.cmd("--permanent", "--get-policies").split()
        return [*ours, *(name for name in policies if name == "lvsmarkd")], foreign

    def _lines(self) -> list[str]:
        """All zones, policies and direct rules of both planes, each line with its section."""
        lines = []
        for options in ((), ("--permanent",)):
            for listing in ("--list-all-zones", "--list-all-policies"):
                section = ""
                for line in self.bed.cmd(*options, listing).splitlines():
                    section = line if line[:1].strip() else section
                    rich = line.strip()
                    if section.startswith("lvsmarkd"):
                        if rich.startswith("rule "):
                            lines.append(f"{options} {section}: {rich}")
                    elif rich and rich != section:
                        lines.append(f"{options} {section}: {rich}")
            lines += self.bed.cmd(*options, "--direct", "--get-all-rules").splitlines()
        return sorted(lines)


def _is_ours(line: str) -> bool:
    return 'priority="10965"' in line or " lvsmarkd" in line


def _parted(lines: list[str], is_ours: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Ours, and the others."""
    return (
        [line for line in lines if is_ours(line)],
        [line for line in lines if not is_ours(line)],
    )


@contextmanager
def firewalld_ground(
    bed: RealFirewalld,
    state: Path,
    placement: str,
    reload: Reload = Reload.WHEN_SAFE,
    zones: tuple[str, ...] = (),
) -> Iterator[FirewalldGround]:
    """A firewalld that runs, and a backend for it."""

    def iptables() -> CommandBackend:
        return IptablesBackend(detect(), Backup(state / "backup"))

    with BusFirewalld() as firewalld:
        backend = FirewalldBackend.open(
            firewalld,
            Backup(state / "backup"),
            Choices(by_policy=placement == "policy", zones=zones, reload=reload, etc=bed.etc),
            iptables=iptables,
            boot=Boot(lambda: "enabled"),
        )
        yield FirewalldGround(bed, MigratingBackend(backend, iptables), placement)


def web(ground: FirewalldGround) -> Desired:
    """One service of one port is declared."""
    return want(declare(80, flow("192.0.2.10", 80)), policy=ground.policy)


def plan(ground: FirewalldGround) -> Plan:
    """What is to be done for it."""
    return judge(web(ground), ground.backend.read())
