"""Native tables in the words of nft, in the idioms that people use."""

from collections.abc import Callable, Sequence

from lvsmarkd.model.service import Family
from tests.fuzz.judge.dice import MACS, MASKS, NETWORKS, V4, V6, Dice, Words
from tests.fuzz.judge.director import PREFIXES

_PRIORITIES = {
    "prerouting": (-400, -301, -300, -299, -199, -160, -150, -149, -140, -139, -110, -100, -90,
                   -10, 0, 5, 100),
    "input": (-200, -150, -100, -1, 0, 0, 5, 10, 50, 97, 98, 100, 110, 150),
}  # fmt: skip


def table(dice: Dice, number: int) -> list[str]:
    """The lines that make one table."""
    kind = dice.weighed(
        [(5, "inet"), (2, "ip" if dice.family is Family.INET else "ip6"), (0.6, "netdev")]
    )
    return _Native(dice, kind, f"t{number}").lines()


class _Native:
    """A table, while it is made."""

    def __init__(self, dice: Dice, family: str, name: str) -> None:
        self.dice = dice
        self.family = family
        self.name = f"{family} {name}"
        self.chains = [f"c{number}" for number in range(dice.times(3))]
        self.sets: list[str] = []
        self.maps: list[str] = []
        self.verdicts: list[str] = []
        self.filled = ""
        self.key = "ip" if dice.family is Family.INET else "ip6"

    def lines(self) -> list[str]:
        dice = self.dice
        dormant = " { flags dormant; }" if dice.likely(0.03) else ""
        found = [f"add table {self.name}{dormant}"]
        for number in range(dice.times(3)):
            words = dice.one(_SETS)(self)
            if words:
                key, described = words
                self.sets.append(f"{key} @s{number}")
                found.append(f"add set {self.name} s{number} {described}")
        if dice.likely(0.06):
            found.append(self._filled_set())
        found += [f"add chain {self.name} {chain}" for chain in self.chains]
        if dice.likely(0.25):
            found += self._named_maps()
        bases = [self._base() for _ in range(1 + dice.times(2))]
        for number, (base, _) in enumerate(bases):
            found.append(f"add chain {self.name} b{number} {{ {base} }}")
        for number, chain in enumerate(self.chains):
            later = self.chains[number + 1 :]
            found += [self._rule(chain, later, "") for _ in range(1 + dice.times(4))]
        for number, (_, kind) in enumerate(bases):
            found += [self._rule(f"b{number}", self.chains, kind) for _ in range(1 + dice.times(5))]
        return [f"nft '{line}'" for line in found]

    def _base(self) -> tuple[str, str]:
        """Where a base chain is registered, and what kind it is."""
        dice = self.dice
        policy = "policy drop;" if dice.likely(0.1) else ""
        if self.family == "netdev" or (self.family == "inet" and dice.likely(0.05)):
            device = dice.one(("eth0", "eth1"))
            priority = dice.one((-500, 0, 10))
            return f"type filter hook ingress device {device} priority {priority}; {policy}", "dev"
        hook = dice.one(("prerouting", "prerouting", "input"))
        if hook == "prerouting" and dice.likely(0.12) and not self.chains:
            priority = dice.one((-110, -100, -90))
            return f"type nat hook prerouting priority {priority};", "nat"
        priority = dice.one(_PRIORITIES[hook])
        return f"type filter hook {hook} priority {priority}; {policy}", hook

    def _rule(self, chain: str, chains: Sequence[str], kind: str) -> str:
        dice = self.dice
        words = [dice.weighed(_MATCHES)(dice) for _ in range(dice.times(3))]
        if dice.likely(0.5):
            words.append(_to(dice))
        if dice.likely(0.4):
            words.append(_port_is(dice))
        if self.sets and dice.likely(0.2):
            key, name = dice.one(self.sets).rsplit(" ", 1)
            words.append(f"{key} {dice.one(('', '', '!= '))}{name}")
        if self.filled and dice.likely(0.4):
            words.append(f"{self.key} saddr {_not(dice, 0.3)}@{self.filled}")
        if self.family == "netdev":
            words = [each for each in words if not each.startswith(_NOT_AT_INGRESS)]
        if dice.likely(0.015):
            words.append(dice.one(_OPAQUE))
        if dice.likely(0.2):
            words.append("counter")
        effect = self._effect(chains, kind)
        other = "tcp" if "udp" in effect or (dice.likely(0.3) and "tcp" not in effect) else "udp"
        words = [word for word in words if other not in word]
        if self.family != "inet":  # of such a family, nft would leave it out of its listing
            about_families = ("meta nfproto", "meta protocol")
            words = [word for word in words if not word.startswith(about_families)]
        return f"add rule {self.name} {chain} {' '.join([*words, effect])}"

    def _filled_set(self) -> str:
        """A set that packets are put into."""
        self.filled = "filled"
        kind = "ipv4_addr" if self.dice.family is Family.INET else "ipv6_addr"
        return (
            f"add set {self.name} filled {{ type {kind}; flags dynamic, timeout; timeout 1h;"
            " size 99; }"
        )

    def _effect(self, chains: Sequence[str], kind: str) -> str:
        dice = self.dice
        if kind == "nat" and dice.likely(0.6):
            return dice.one(_TRANSLATIONS[dice.family])
        if chains and dice.likely(0.35):
            return f"{dice.one(('jump', 'jump', 'goto'))} {dice.one(chains)}"
        if self.verdicts and kind != "" and dice.likely(0.2):
            return dice.one(self.verdicts)
        if self.maps and dice.likely(0.2):
            return f"meta mark set {dice.one(self.maps)}"
        if dice.likely(0.12):
            return self._verdicts(chains)
        if kind == "prerouting" and dice.likely(0.02):
            return f"tcp dport {dice.port()} tproxy {self.key} to :50080 meta mark set 1 accept"
        if self.filled and dice.likely(0.3):
            limit = dice.one(("", "", " limit rate over 5/second", " counter"))
            verb = dice.one(("add", "update"))
            then = dice.one(("", " drop", " accept", f" meta mark set {dice.mark()}"))
            return f"{verb} @filled {{ {self.key} saddr{limit} }}{then}"
        if self.family == "netdev":
            return dice.one(("accept", "drop", f"meta mark set {dice.mark()}", "return"))
        if kind == "prerouting" and dice.likely(0.04):
            return "notrack"
        if kind == "nat":
            return dice.one((_mark(dice), "accept", "return"))
        if kind == "input" and dice.likely(0.1):
            return "reject"
        effect = dice.weighed(_EFFECTS)(dice)
        if dice.likely(0.08) and "set" in effect:
            effect += dice.one(
                (" accept", " return", f" ct mark set {dice.mark()}", " counter accept")
            )
        return effect

    def _named_maps(self) -> list[str]:
        """A map of marks and one of verdicts."""
        dice = self.dice
        vips = V4 if dice.family is Family.INET else V6
        kind = "ipv4_addr" if dice.family is Family.INET else "ipv6_addr"
        self.maps.append(f"{self.key} daddr map @m")
        self.verdicts.append("th dport vmap @v")
        marks = ", ".join(f"{vip} : {dice.mark()}" for vip in dice.random.sample(vips, 2))
        verdicts = ("accept", "drop", "return", *(f"jump {each}" for each in self.chains))
        first, second = dice.random.sample(range(20, 20000), 2)
        ports = f"{first} : {dice.one(verdicts)}, {second} : {dice.one(verdicts)}"
        if dice.likely(0.5):
            ports = f"20-443 : {dice.one(verdicts)}, 8000-8999 : {dice.one(verdicts)}"
        interval = "flags interval; " if "-" in ports else ""
        return [
            f"add map {self.name} m {{ type {kind} : mark; elements = {{ {marks} }}; }}",
            f"add map {self.name} v {{ type inet_service : verdict; {interval}"
            f"elements = {{ {ports} }}; }}",
        ]

    def _verdicts(self, chains: Sequence[str]) -> str:
        """A map of verdicts."""
        dice = self.dice
        verdicts = ["accept", "drop", "return", "continue", *(f"jump {each}" for each in chains)]
        verdicts += [f"goto {each}" for each in chains]

        def pairs(keys: Sequence[str]) -> str:
            some = dice.random.sample(list(keys), min(len(keys), 1 + dice.times(3)))
            return ", ".join(f"{key} : {dice.one(verdicts)}" for key in some)

        vips = V4 if dice.family is Family.INET else V6
        concat = [f"{vip} . {port}" for vip in vips for port in dice.ports[:3]]
        maps = [
            f"{self.key} daddr vmap {{ {pairs(vips)} }}",
            f"tcp dport vmap {{ {pairs([str(port) for port in dict.fromkeys(dice.ports)])} }}",
            f"iifname vmap {{ {pairs(['eth0', 'eth1', 'lo'])} }}",
            f"{self.key} daddr . tcp dport vmap {{ {pairs(concat)} }}",
            f"meta l4proto vmap {{ {pairs(['tcp', 'udp', 'icmp'])} }}",
            f"meta mark vmap {{ {pairs([hex(m) for m in dict.fromkeys((*dice.marks, 0))])} }}",
        ]
        if self.family != "netdev":
            states = ["new", "established", "related", "invalid", "untracked"]
            maps.append(f"ct state vmap {{ {pairs(states)} }}")
        return dice.one(maps)


_NOT_AT_INGRESS = ("ct ", "fib ", "socket ", "limit ")


def _not(dice: Dice, chance: float = 0.2) -> str:
    return "!= " if dice.likely(chance) else ""


def _ip(dice: Dice) -> str:
    return "ip" if dice.family is Family.INET else "ip6"


def _to(dice: Dice) -> str:
    return f"{_ip(dice)} daddr {_not(dice, 0.15)}{_addresses(dice, 'destination')}"


def _from(dice: Dice) -> str:
    return f"{_ip(dice)} saddr {_not(dice)}{_addresses(dice, 'source')}"


def _addresses(dice: Dice, side: str) -> str:
    match dice.random.randrange(5):
        case 0:
            return dice.one(NETWORKS[dice.family]["range"])
        case 1 if side == "destination":
            vips = V4 if dice.family is Family.INET else V6
            return f"{{ {', '.join(dice.random.sample(vips, 2))} }}"
        case 2 if side == "destination":
            vips = V4 if dice.family is Family.INET else V6
            prefix = PREFIXES[dice.family is Family.INET6]
            return f"{{ {dice.one(vips)}, {prefix} }}"
        case _:
            found = dice.network(side)
            return found if not found.endswith("/0") else dice.network(side).replace("/0", "/1")


def _port_is(dice: Dice) -> str:
    name = dice.one(("tcp", "tcp", "udp", "th"))
    which = "dport" if dice.likely(0.9) else "sport"
    match dice.random.randrange(6):
        case 0:
            first, last = dice.span()
            return f"{name} {which} {_not(dice)}{first}-{last + 1}"
        case 1 | 2:
            several = ", ".join(map(str, dict.fromkeys(dice.port() for _ in range(3))))
            return f"{name} {which} {_not(dice)}{{ {several} }}"
        case 3:
            return f"{name} {which} {dice.one(('>=', '<=', '>', '<'))} {dice.port()}"
        case _:
            return f"{name} {which} {_not(dice)}{dice.port()}"


def _by(dice: Dice) -> str:
    return dice.one(
        (f'iifname {_not(dice)}"eth0"', f'iifname {_not(dice)}"eth*"', f"iif {_not(dice)}eth1",
         'iifname { "eth1", "lo" }', f"iif {_not(dice)}lo", 'iifname != { "eth0", "bond0" }')
    )  # fmt: skip


def _mark_is(dice: Dice) -> str:
    value = dice.one((0, 0, dice.mark()))
    kind = dice.one(("meta mark", "meta mark", "ct mark"))
    mask = dice.one(MASKS)
    return dice.one(
        (f"{kind} {_not(dice, 0.3)}{value:#x}",
         f"{kind} & {mask:#x} {dice.one(('==', '!='))} {value & mask:#x}",
         f"{kind} {_not(dice, 0.3)}{{ 0x1, {max(value, 2):#x} }}",
         f"{kind} {value:#x}-{value + 5 if value < 0xFFFFFFF0 else value:#x}"
         if value != 0xFFFFFFFF else f"{kind} 0x5-0x55",
         f"{kind} {dice.one(('>', '<='))} 0x50")
    )  # fmt: skip


def _state(dice: Dice) -> str:
    return dice.one(
        ("ct state new", "ct state established,related", "ct state invalid", "ct state untracked",
         "ct state != new", "ct state { new, established }", "ct state new,untracked",
         "ct direction original", "ct direction reply", "ct status dnat", "ct state != invalid",
         "ct state & (new | established) != 0", "ct status & dnat != 0", "ct state != { new }",
         "ct direction != reply", "ct status != dnat")
    )  # fmt: skip


def _other(dice: Dice) -> str:
    return dice.one(
        ("meta l4proto 6", "meta l4proto { 6, 17 }", "meta l4proto != 17",
         f"meta nfproto {'ipv4' if dice.family is Family.INET else 'ipv6'}",
         "fib daddr type local", "fib daddr type != local",
         "fib daddr type { local, broadcast }", "fib saddr . iif oif missing",
         "fib saddr . iif oif exists", "fib saddr . iif oif != 0", "fib saddr type unicast",
         f"ether saddr {_not(dice, 0.5)}{dice.one(MACS)}",
         f"ether saddr {{ {MACS[0]}, {MACS[2]} }}",
         "tcp flags syn", "tcp flags & (fin | syn | rst | ack) == syn", "tcp flags syn / syn,ack",
         "tcp flags & (syn | ack) != 0", "tcp flags != syn", "tcp flags { syn, ack }",
         "tcp flags & (fin | syn) == 0", "tcp flags & syn == syn", "tcp flags ! ack",
         "meta pkttype host", "meta pkttype != { broadcast, multicast }", "meta length < 400",
         "meta length 40-1500", "socket transparent 1",
         f"meta protocol {_ip(dice)}",
         "meta protocol { ip, ip6 }", "ct direction original",
         "ip6 nexthdr 6" if dice.family is Family.INET6 else "ip protocol 6")
    )  # fmt: skip


def _of_family(dice: Dice) -> str:
    if dice.family is Family.INET:
        return dice.one(
            ("ip protocol 6", "ip protocol { 6, 17 }", "ip protocol != 17",
             "ip frag-off & 0x1fff == 0", "ip frag-off & 0x1fff != 0", "ip length < 1000",
             "ip saddr & 255.0.0.0 == 10.0.0.0",
             "ip daddr & 255.255.255.248 == 192.0.2.8")
        )  # fmt: skip
    return dice.one(("ip6 nexthdr 6", "ip6 nexthdr { 6, 17 }"))


_MATCHES: tuple[tuple[float, Words], ...] = (
    (1, _from),
    (1, _by),
    (3, _mark_is),
    (2.5, _state),
    (2, _other),
    (0.5, _of_family),
)
_OPAQUE = (
    "limit rate 5/second", "limit rate over 5/second", "numgen inc mod 2 0",
    "numgen random mod 2 1",
    "quota over 5 mbytes", "meta cpu 0", 'meta hour "10:00"-"11:00"', "@th,16,16 80",
    *("jhash ip saddr mod 2 0", "meta iifgroup 0", "tcp option maxseg exists", "ip dscp 0"),
    *("ip ttl > 5", "ip6 hoplimit > 5"),
)  # fmt: skip


def _mark(dice: Dice) -> str:
    mark, mask = dice.mark(), dice.one(MASKS)
    match dice.random.randrange(9):
        case 0:
            return f"meta mark set meta mark or {mark:#x}"
        case 1:
            return f"meta mark set meta mark and {mask:#x}"
        case 2:
            return f"meta mark set meta mark and {~mask & 0xFFFFFFFF:#x} or {mark & mask or 1:#x}"
        case 3:
            return f"meta mark set mark xor {mark:#x}"
        case 4:
            return f"meta mark set {_map(dice)}"
        case _:
            return f"meta mark set {mark}"


def _map(dice: Dice) -> str:
    vips = dice.random.sample(V4 if dice.family is Family.INET else V6, 2)
    by_vip = ", ".join(f"{vip} : {dice.mark()}" for vip in vips)
    ports = ", ".join(f"{port} : {dice.mark()}" for port in dict.fromkeys(dice.ports[:3]))
    first, second = sorted(dict.fromkeys((*dice.ports[:2], 30000)))[:2]
    both = ", ".join(f"{vip} . {dice.port()} : {dice.mark()}" for vip in vips)
    return dice.one(
        (
            f"{_ip(dice)} daddr map {{ {by_vip} }}",
            f"tcp dport map {{ {ports} }}",
            f"th dport map {{ {first}-{second - 1} : {dice.mark()}, {second} : {dice.mark()} }}",
            f"{_ip(dice)} daddr . th dport map {{ {both} }}",
            f"iifname map {{ eth0 : {dice.mark()}, eth1 : {dice.mark()} }}",
        )
    )


def _connmark(dice: Dice) -> str:
    return dice.one(
        ("ct mark set meta mark", "meta mark set ct mark", "meta mark set ct mark",
         f"ct mark set {dice.mark()}", f"ct mark set ct mark or {dice.mark():#x}",
         f"meta mark set ct mark and {dice.one(MASKS):#x}",
         f"ct mark set meta mark and {dice.one(MASKS):#x}")
    )  # fmt: skip


def _word(*words: str) -> Words:
    return lambda dice: dice.one(words)


_EFFECTS: tuple[tuple[float, Words], ...] = (
    (6, _mark),
    (1.5, _connmark),
    (2, _word("accept")),
    (0.7, _word("drop")),
    (1, _word("return")),
    (0.3, _word("log group 5", "counter", "continue")),
)
_TRANSLATIONS = {
    Family.INET: ("redirect", "tcp dport 80 redirect to :8080", "dnat ip to 192.0.2.11",
                  "dnat ip to 10.7.0.9", "tcp dport 443 dnat ip to 192.0.2.12:8080",
                  "tcp dport 80 dnat ip to 192.0.2.10-192.0.2.11"),
    Family.INET6: ("redirect", "tcp dport 80 redirect to :8080", "dnat ip6 to 2001:db8:10::11",
                   "dnat ip6 to fd00:7::9", "tcp dport 80 dnat ip6 to [2001:db8:10::12]:8080"),
}  # fmt: skip


def _vips(native: _Native) -> tuple[str, str]:
    vips = V4 if native.dice.family is Family.INET else V6
    some = ", ".join(native.dice.random.sample(vips, 3))
    kind = "ipv4_addr" if native.dice.family is Family.INET else "ipv6_addr"
    return f"{native.key} daddr", f"{{ type {kind}; elements = {{ {some} }}; }}"


def _networks(native: _Native) -> tuple[str, str]:
    six = native.dice.family is Family.INET6
    kind = "ipv6_addr" if six else "ipv4_addr"
    pools = ("2a00::/16", "fd00::/8") if six else ("10.0.0.0/8", "172.16.5.5", "8.8.0.0-8.8.4.9")
    some = ", ".join(native.dice.random.sample(pools, 2))
    return f"{native.key} saddr", f"{{ type {kind}; flags interval; elements = {{ {some} }}; }}"


def _ports(native: _Native) -> tuple[str, str]:
    ports = ", ".join(map(str, dict.fromkeys(native.dice.ports[:3])))
    return native.dice.one(("tcp dport", "udp dport", "th dport")), (
        f"{{ type inet_service; elements = {{ {ports} }}; }}"
    )


def _port_ranges(native: _Native) -> tuple[str, str]:
    return (
        "th dport",
        "{ type inet_service; flags interval; elements = { 20-25, 80, 8000-20000 }; }",
    )


def _concat(native: _Native) -> tuple[str, str]:
    dice = native.dice
    vips = V4 if dice.family is Family.INET else V6
    some = dict.fromkeys(f"{dice.one(vips)} . {dice.port()}" for _ in range(4))
    kind = "ipv4_addr" if dice.family is Family.INET else "ipv6_addr"
    return f"{native.key} daddr . tcp dport", (
        f"{{ type {kind} . inet_service; elements = {{ {', '.join(some)} }}; }}"
    )


def _concat_ranges(native: _Native) -> tuple[str, str]:
    dice = native.dice
    vip = dice.one(V4 if dice.family is Family.INET else V6)
    prefix = PREFIXES[dice.family is Family.INET6]
    kind = "ipv4_addr" if dice.family is Family.INET else "ipv6_addr"
    return f"{native.key} daddr . th dport", (
        f"{{ type {kind} . inet_service; flags interval;"
        f" elements = {{ {prefix} . 8000-20000, {vip} . {dice.port()} }}; }}"
    )


def _names(native: _Native) -> tuple[str, str]:
    return (
        "iifname",
        f'{{ type ifname; elements = {{ "eth0", "{native.dice.one(("eth1", "bond0"))}" }}; }}',
    )


def _marks(native: _Native) -> tuple[str, str]:
    marks = ", ".join(map(hex, dict.fromkeys((0, *native.dice.marks))))
    return "meta mark", f"{{ type mark; elements = {{ {marks} }}; }}"


_SETS: tuple[Callable[[_Native], tuple[str, str]], ...] = (
    *(_vips, _networks, _ports, _port_ranges, _concat, _concat_ranges, _names, _marks),
)
