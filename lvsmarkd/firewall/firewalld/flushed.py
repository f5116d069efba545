"""What others have in iptables, and a reload of firewalld flushes, whichever backend it has."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from lvsmarkd.firewall.backend import FirewallError
from lvsmarkd.firewall.firewalld.direct import FAMILIES, unwrapped
from lvsmarkd.firewall.firewalld.kernel import NFTABLES
from lvsmarkd.firewall.firewalld.listing import Listing
from lvsmarkd.firewall.iptables.chains import SEATS
from lvsmarkd.firewall.iptables.toolset import detect
from lvsmarkd.firewall.program import run
from lvsmarkd.model.service import Family

SPARES_IPTABLES = (2, 0)
"""The first version that flushes iptables only where it has something in it itself: its nftables
backend without direct rules has not (fw.py, may_skip_flush_direct_backends)."""
Seat = tuple[Family, str, str]
"""A chain: its family, its table, its name."""
Saved = Callable[[], Mapping[Family, str]]

_OURS = frozenset(seat.chain for seat in SEATS.values())
_JUMP = re.compile(r"(?:^|.* )-[jg] (\S+)$")
_BUILT_IN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_OWN_CHAIN = re.compile(
    rf"(?:{'|'.join(_BUILT_IN)})_(?:direct|ZONES|ZONES_SOURCE|POLICIES_pre|POLICIES_post)"
    r"|(?:PRE|IN|FWD|FWDI|FWDO|POST|OUT)_.+|RFC3964_IPv4"
)
"""What the iptables backend calls its chains."""
_OWN_RULES = tuple(
    map(
        re.compile,
        (
            r"-m conntrack --ctstate [A-Z,]+ -j (?:ACCEPT|DROP|LOG .*)",
            r"-[io] lo -j ACCEPT",
            r"-j REJECT --reject-with icmp6?-(?:host|adm)-prohibited",
            r'.*-j LOG --log-prefix "FINAL_REJECT: "',
            r"-m rpfilter --validmark --invert -j (?:DROP|LOG .*)",
            r"-p ipv6-icmp -m icmp6 --icmpv6-type (?:134|135) -j ACCEPT",
        ),
    )
)
"""What it has in the built-in chains besides jumps (ipXtables.py, build_default_rules)."""


def saved_rules() -> Mapping[Family, str]:
    """All tables of iptables, as it saves them. Raises FirewallError."""
    texts = {}
    for family, tools in detect().tools.items():
        answer = run([tools.save])
        if answer.status == 0:
            texts[family] = answer.output
    return texts


def wiped(saved: Saved, version: str, backend: str, runtime: Listing) -> Iterator[str]:
    """The rules that a reload of this version takes from others, in a few words."""
    if not _flushes(version, backend, runtime):
        return
    try:
        texts = saved()
    except FirewallError:
        return  # no iptables here: nobody has rules in it
    left = Counter[Seat]()
    for family, text in texts.items():
        left.update(_foreign(family, text, own=backend != NFTABLES))
    left.subtract(_direct(runtime, backend))
    for (family, table, chain), count in sorted(left.items()):
        if count > 0:
            yield f"{count} rule(s) in iptables' {table} {chain} ({family}), which it flushes"


def _flushes(version: str, backend: str, runtime: Listing) -> bool:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    spares = numbers >= SPARES_IPTABLES and backend == NFTABLES
    return not spares or bool(runtime.direct or runtime.passthroughs)


def _foreign(family: Family, text: str, *, own: bool) -> Iterator[Seat]:
    """The chain of each rule that is neither ours nor, where it may have some, firewalld's."""
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        if not line.startswith("-A "):
            continue
        _, chain, rule = [*line.split(" ", 2), ""][:3]
        jump = _JUMP.match(rule)
        target = jump[1] if jump else ""
        if chain in _OURS or target in _OURS:
            continue
        if own and (
            _OWN_CHAIN.fullmatch(chain)
            or _OWN_CHAIN.fullmatch(target)
            or any(known.fullmatch(rule) for known in _OWN_RULES)
        ):
            continue
        yield family, table, chain


def _direct(runtime: Listing, backend: str) -> Iterator[Seat]:
    """The chain of each of firewalld's direct rules: it puts these back. Those for built-in
    chains its iptables backend has in chains of its own.
    """
    for ipv, table, chain, _, _ in runtime.direct:
        if ipv in FAMILIES and (backend == NFTABLES or chain not in _BUILT_IN):
            yield FAMILIES[ipv], table, chain
    for ipv, arguments in runtime.passthroughs:
        if ipv in FAMILIES:
            table, chain, _ = unwrapped(arguments)
            yield FAMILIES[ipv], table, chain
