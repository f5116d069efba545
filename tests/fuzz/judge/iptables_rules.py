"""Rules in iptables' words, in the idioms that people use."""

from lvsmarkd.model.service import Family
from tests.fuzz.judge.dice import MACS, MASKS, Dice, Words


def rules(dice: Dice, variant: str, sets: tuple[str, ...]) -> list[str]:
    """All rules of one variant, for the family of the dice. ``sets`` are those that may be named:
    ``NAME DIRECTIONS``, and with a mark for each element ``NAME DIRECTIONS marks``.
    """
    program = f"{'iptables' if dice.family is Family.INET else 'ip6tables'}-{variant}"
    lines: list[str] = []
    for table, weight in _TABLES.items():
        if dice.likely(weight):
            found = _Table(dice, table, sets).lines()
            lines += [f"{program} -t {table} {line}" for line in found]
    return lines


_TABLES = {"raw": 0.3, "mangle": 0.9, "nat": 0.35, "filter": 0.6, "security": 0.1}
_BASES = {
    "raw": ("PREROUTING",),
    "mangle": ("PREROUTING", "PREROUTING", "PREROUTING", "INPUT"),
    "nat": ("PREROUTING", "PREROUTING", "INPUT"),
    "filter": ("INPUT",),
    "security": ("INPUT",),
}


class _Table:
    """The rules of one table, while they are made."""

    def __init__(self, dice: Dice, table: str, sets: tuple[str, ...]) -> None:
        self.dice = dice
        self.table = table
        self.sets = sets
        self.fillable = sets if dice.likely(0.05) else ()
        bases = _BASES[table]
        self.bases = bases if dice.likely(0.5) else bases[:1]
        self.has_input = "INPUT" in self.bases
        self.chains = [f"{table[0].upper()}{number}" for number in range(dice.times(4))]

    def lines(self) -> list[str]:
        dice, bases = self.dice, self.bases
        found = [f"-N {chain}" for chain in self.chains]
        if self.table != "nat" and dice.likely(0.12):
            found.append(f"-P {dice.one(bases)} DROP")
        for number, chain in enumerate(self.chains):
            later = self.chains[number + 1 :]
            found += [self._rule(chain, later) for _ in range(1 + dice.times(5))]
        for _ in range(1 + dice.times(8)):
            found.append(self._rule(dice.one(bases), self.chains))
        return found

    def _rule(self, chain: str, chains: list[str]) -> str:
        """One rule in a chain, which may lead to others."""
        dice = self.dice
        if chains and dice.likely(0.4):
            how = "-g" if dice.likely(0.25) else "-j"
            return f"-A {chain} {self._matches()}{how} {dice.one(chains)}"
        target = self._target(chain)
        return f"-A {chain} {self._matches(with_ports=_needs_ports(target))}-j {target}"

    def _target(self, chain: str) -> str:
        dice = self.dice
        match self.table, chain:
            case "filter", "INPUT":
                return dice.weighed(_IN_FILTER)(dice)
            case "nat", "INPUT":
                return dice.weighed(_MARKS)(dice)
            case "nat", _:
                return dice.weighed(_IN_NAT)(dice)
            case "raw", _:
                return dice.weighed(_IN_RAW)(dice)
            case "mangle", _ if self.fillable and dice.likely(0.1):
                name, directions, *_ = dice.one(self.fillable).split()
                return f"SET {dice.one(('--add-set', '--del-set'))} {name} {directions}"
            case "mangle", _ if self.sets and dice.likely(0.1):
                name, directions, *marks = dice.one(self.sets).split()
                return f"SET --map-set {name} {directions} --map-mark" if marks else _mark(dice)
            case "mangle", "PREROUTING":
                return dice.weighed(_IN_MANGLE)(dice)
            case _:
                return dice.weighed(_ANYWHERE)(dice)

    def _matches(self, *, with_ports: bool = False) -> str:
        """The conditions of a rule, each with a blank behind it."""
        dice = self.dice
        found = [match(dice) for chance, match in _GENERAL if dice.likely(chance)]
        if with_ports:
            found.append(dice.one(("-p tcp", "-p udp", f"-p tcp --dport {dice.port()}")))
        elif dice.likely(0.5):
            found.append(_protocol(dice))
        found += [dice.weighed(_MATCHES)(dice) for _ in range(dice.times(2))]
        if self.table in {"raw", "mangle"} and not self.has_input and dice.likely(0.03):
            found.append(dice.one(("-m rpfilter", "-m rpfilter --invert")))
        while self.sets and dice.likely(0.1):
            name, directions, *_ = dice.one(self.sets).split()
            found.append(f"-m set {_not(dice, 0.3)}--match-set {name} {directions}")
        if dice.likely(0.02):
            found.append(dice.one(_OPAQUE))
        if dice.likely(0.05):
            found.append('-m comment --comment "for the -j web"')
        return "".join(f"{each} " for each in found)


def _needs_ports(target: str) -> bool:
    name, _, said = target.partition(" ")
    return (
        (name == "REDIRECT" and bool(said))
        or name == "TPROXY"
        or (name == "DNAT" and (":" in said.replace("::", "") if "[" not in said else True))
    )


def _not(dice: Dice, chance: float = 0.2) -> str:
    return "! " if dice.likely(chance) else ""


def _to(dice: Dice) -> str:
    network = dice.network("destination")
    return f"{'' if network.endswith('/0') else _not(dice, 0.15)}-d {network}"


def _from(dice: Dice) -> str:
    return f"{_not(dice)}-s {dice.network('source')}"


def _by(dice: Dice) -> str:
    return f"{_not(dice)}-i {dice.one(('eth0', 'eth1', 'eth+', 'lo', 'bond0', 'e+'))}"


_GENERAL: tuple[tuple[float, Words], ...] = ((0.5, _to), (0.12, _from), (0.12, _by))


def _protocol(dice: Dice) -> str:
    name = dice.one(("tcp", "tcp", "udp"))
    match dice.random.randrange(9):
        case 0 | 1 | 2:
            return f"-p {name} {_not(dice)}--dport {dice.port()}"
        case 3:
            first, last = dice.span()
            return f"-p {name} {_not(dice)}--dport {first}:{last}"
        case 4 | 5:
            ports = ",".join(map(str, sorted({dice.port() for _ in range(3)})))
            kind = dice.one(("--dports", "--dports", "--ports", "--sports"))
            return f"-p {name} -m multiport {_not(dice)}{kind} {ports}"
        case 6:
            first, last = dice.span()
            sport = dice.one(("53", "67:68", "1024:65535", f"{first}:{last}", ":1023"))
            return f"-p {name} {_not(dice)}--sport {sport}"
        case 7:
            return dice.one((f"-p {name}", "! -p tcp", "! -p udp", "-p icmp", "-p vrrp", "-p 6"))
        case _:
            return f"-p tcp {dice.one(_FLAGS)}"


_FLAGS = (
    *("--syn", "! --syn", "--tcp-flags ALL SYN", "--tcp-flags SYN,RST SYN"),
    *("--tcp-flags ALL NONE", "! --tcp-flags FIN,ACK NONE", "--tcp-flags RST RST"),
)


def _mark_is(dice: Dice) -> str:
    value = dice.one((0, 0, dice.mark()))
    masked = f"/{dice.one(MASKS):#x}" if dice.likely(0.3) else ""
    kind = dice.one(("mark", "mark", "connmark"))
    return f"-m {kind} {_not(dice, 0.35)}--mark {value:#x}{masked}"


def _state(dice: Dice) -> str:
    states = dice.one(
        ("NEW", "NEW", "ESTABLISHED,RELATED", "INVALID", "UNTRACKED", "NEW,ESTABLISHED",
         "INVALID,NEW,RELATED")
    )  # fmt: skip
    if dice.likely(0.25):
        return f"-m state {_not(dice, 0.15)}--state {states}"
    return f"-m conntrack {_not(dice, 0.15)}--ctstate {states}"


def _range(dice: Dice) -> str:
    side = dice.one(("--dst-range", "--dst-range", "--src-range"))
    return f"-m iprange {_not(dice, 0.3)}{side} {dice.network('range')}"


def _type(dice: Dice) -> str:
    kinds = ("LOCAL", "LOCAL", "UNICAST", "MULTICAST", "LOCAL,MULTICAST")
    side = dice.one(("--dst-type", "--dst-type", "--src-type"))
    return f"-m addrtype {_not(dice, 0.3)}{side} {dice.one(kinds)}"


def _mac(dice: Dice) -> str:
    return f"-m mac {_not(dice, 0.5)}--mac-source {dice.one(MACS)}"


def _length(dice: Dice) -> str:
    span = dice.one(("0:300", "40:1500", "1000:1500", "32", "0:30"))
    return f"-m length {_not(dice)}--length {span}"


def _other(dice: Dice) -> str:
    return dice.one(
        (
            "-m socket", "-m socket --transparent", "-m conntrack --ctstatus ASSURED",
            "-m pkttype --pkt-type unicast", "-m pkttype ! --pkt-type host",
            "-m pkttype --pkt-type broadcast", "-m conntrack --ctdir ORIGINAL",
            "-m conntrack --ctdir REPLY", "-m conntrack --ctstatus NONE",
            "-m conntrack --ctstate NEW --ctdir ORIGINAL", "-m conntrack ! --ctstate DNAT",
            "-m conntrack --ctstate DNAT", "-m conntrack --ctproto tcp",
            "-m addrtype --src-type UNICAST --dst-type LOCAL",
            "-m conntrack --ctstate NEW,UNTRACKED --ctdir ORIGINAL",
            "-m connmark --mark 0x0 -m mark --mark 0x0",
        )
    )  # fmt: skip


_MATCHES: tuple[tuple[float, Words], ...] = (
    (4, _mark_is),
    (3, _state),
    (1, _range),
    (1, _type),
    (1, _mac),
    (0.4, _length),
    (1.5, _other),
)
_OPAQUE = (
    *("-m limit --limit 5/sec", "-m limit --limit 3/min --limit-burst 10"),
    *(
        "-m statistic --mode random --probability 0.5",
        "-m statistic --mode nth --every 2 --packet 0",
    ),
    *("-m time --timestart 10:00 --timestop 11:00", "-m recent --name a --set"),
    *("-m recent --name a --rcheck --seconds 60", "-m connlimit --connlimit-above 5"),
    *("-m hashlimit --hashlimit-above 50/sec --hashlimit-name x --hashlimit-mode srcip",),
    *("-m quota --quota 1000", "-m string --string abc --algo bm", '-m u32 --u32 "0=0"'),
    *("-m cpu --cpu 0", "-m tos --tos 0", "-m dscp --dscp 0", "-m policy --pol none --dir in"),
    *("-m addrtype --dst-type LOCAL --limit-iface-in", "-m devgroup --src-group 0"),
)


def _mark(dice: Dice) -> str:
    mark = dice.mark()
    match dice.random.randrange(10):
        case 0:
            return f"MARK --or-mark {mark:#x}"
        case 1:
            return f"MARK --and-mark {dice.one(MASKS):#x}"
        case 2:
            return f"MARK --xor-mark {mark:#x}"
        case 3:
            return f"MARK --set-mark {mark:#x}/{dice.one(MASKS):#x}"
        case 4:
            return f"MARK --set-xmark {mark:#x}/{dice.one(MASKS):#x}"
        case _:
            return f"MARK --set-mark {mark}"


def _connmark(dice: Dice) -> str:
    mask = f" --mask {dice.one(MASKS):#x}" if dice.likely(0.25) else ""
    masks = f" --nfmask {dice.one(MASKS):#x} --ctmask {dice.one(MASKS):#x}"
    return "CONNMARK " + dice.one(
        (
            f"--save-mark{mask}", f"--restore-mark{mask}", f"--restore-mark{mask}",
            f"--set-mark {dice.mark()}", f"--set-xmark {dice.mark():#x}/{dice.one(MASKS):#x}",
            f"--or-mark {dice.mark():#x}", f"--save-mark{masks}", f"--restore-mark{masks}",
            f"--and-mark {dice.one(MASKS):#x}",
        )
    )  # fmt: skip


def _word(*words: str) -> Words:
    return lambda dice: dice.one(words)


def _elsewhere(dice: Dice) -> str:
    """DNAT, to this host or another."""
    four = ("192.0.2.11", "10.7.0.9", "192.0.2.12:8080", "192.0.2.10-192.0.2.11", "198.18.7.3:80",
            "10.7.0.9:80", "192.0.2.14:8000-8010", ":8080")  # fmt: skip
    if dice.likely(0.1):
        return f"NETMAP --to {'192.0.2.8/29' if dice.family is Family.INET else 'fd00:7::/64'}"
    six = ("2001:db8:10::11", "fd00:7::9", "[2001:db8:10::12]:8080", "[fd00:7::9]:80")
    return f"DNAT --to-destination {dice.one(four if dice.family is Family.INET else six)}"


def _redirect(dice: Dice) -> str:
    return dice.one(
        ("REDIRECT", f"REDIRECT --to-ports {dice.port()}", "REDIRECT --to-ports 8080-8090")
    )


_HARMLESS = _word(
    *("NFLOG", "TOS --set-tos 0x10", "DSCP --set-dscp 1", "CHECKSUM --checksum-fill"),
)
_NOTHING = _word("NFLOG --nflog-prefix ACCEPT")
_MARKS: tuple[tuple[float, Words], ...] = (
    (6, _mark),
    (1.5, _connmark),
    (0.5, _NOTHING),
    (1.5, _word("ACCEPT")),
    (1, _word("RETURN")),
)
_ANYWHERE: tuple[tuple[float, Words], ...] = (*_MARKS, (0.7, _word("DROP")))
_IN_MANGLE: tuple[tuple[float, Words], ...] = (
    *_ANYWHERE,
    (0.2, _HARMLESS),
    (0.1, _word("TPROXY --on-port 50080", "TPROXY --on-port 50080 --tproxy-mark 0x1/0x1")),
    (0.05, _word("NFQUEUE --queue-num 7", "NFQUEUE --queue-num 7 --queue-bypass")),
    (0.03, _word("HMARK --hmark-tuple src,dst --hmark-mod 8 --hmark-rnd 1 --hmark-offset 1")),
)
_IN_RAW: tuple[tuple[float, Words], ...] = (
    *_ANYWHERE,
    (1.5, _word("CT --notrack", "NOTRACK")),
    (0.2, _word("CT --zone 5")),
)
_IN_NAT: tuple[tuple[float, Words], ...] = (*_MARKS, (1.5, _redirect), (1.5, _elsewhere))
_IN_FILTER: tuple[tuple[float, Words], ...] = (
    (4, _word("ACCEPT")),
    (2, _word("DROP")),
    (0.7, _word("REJECT")),
    (0.7, _mark),
    (0.7, _word("RETURN")),
    (0.5, _NOTHING),
)
