"""What others have in iptables, and a reload of firewalld flushes, whichever backend it has."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lvsmarkd.backends.firewalld.direct import FAMILIES, unwrapped
from lvsmarkd.backends.firewalld.kernel import NFTABLES
from lvsmarkd.backends.firewalld.listing import Listing
from lvsmarkd.backends.iptables.chains import LOCATIONS
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.program import run, search_path

SPARES_IPTABLES = (2, 0)
"""The first version that flushes iptables only where it has something in it itself: its nftables
backend without direct rules has not (fw.py, may_skip_flush_direct_backends)."""
EB = "eb"
"""What firewalld calls ebtables' family."""
ChainName = tuple[str, str, str]
"""A chain: its family in firewalld's words, its table, its name."""
Saved = Callable[[], Mapping[str, str | None]]
"""What each program saves, by family in firewalld's words; None where it could not be read."""

_OURS = frozenset(location.chain for location in LOCATIONS.values())
_JUMP = re.compile(r"(?:^|.* )-[jg] (\S+)$")
_BUILT_IN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_STAGE = "(?:_(?:pre|log|deny|allow|post))?"
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


def saved_rules() -> Mapping[str, str | None]:
    """All tables of iptables and ebtables. Raises FirewallError where there is no iptables."""
    commands = {
        family: detect().tools[known].save
        for family, known in FAMILIES.items()
        if known in detect().tools
    }
    ebtables = shutil.which("ebtables-save", path=search_path())
    if ebtables is not None:
        commands[EB] = ebtables
    return {family: _saved(command) for family, command in commands.items()}


def _saved(command: str) -> str | None:
    try:
        answer = run([command])
    except FirewallError:
        return None
    return answer.output if answer.status == 0 else None


def wiped(saved: Saved, version: str, backend: str, runtime: Listing) -> Iterator[str]:
    """What a reload of this version takes from others, in a few words each."""
    if not _flushes(version, backend, runtime):
        return
    try:
        texts = saved()
    except FirewallError:
        return  # no iptables here: nobody has rules in it
    own = _Own.of(runtime) if backend != NFTABLES else None
    left = Counter[ChainName]()
    for family, text in texts.items():
        if text is None:
            yield f"whatever is in iptables ({family}), which could not be read"
            continue
        left.update(_foreign(family, text, own))
        yield from _besides(family, text, backend)
    left.subtract(_direct(runtime, backend))
    for (family, table, chain), count in sorted(left.items()):
        if count > 0:
            yield f"{count} rule(s) in iptables' {table} {chain} ({family}), which it flushes"


def _flushes(version: str, backend: str, runtime: Listing) -> bool:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    spares = numbers >= SPARES_IPTABLES and backend == NFTABLES
    return not spares or bool(runtime.direct or runtime.passthroughs)


@dataclass(frozen=True, slots=True)
class _Own:
    """What firewalld's iptables backend calls its chains."""

    chains: re.Pattern[str]

    @classmethod
    def of(cls, runtime: Listing) -> "_Own":
        names = "|".join(map(re.escape, sorted({*runtime.zones, *runtime.policies})))
        return cls(
            re.compile(
                rf"(?:{'|'.join((*_BUILT_IN, 'BROUTING'))})_"
                r"(?:direct|ZONES|ZONES_SOURCE|POLICIES_pre|POLICIES_post)"
                rf"|(?:PRE|IN|FWD|FWDI|FWDO|POST|OUT)_(?:zone_|policy_)?(?:{names})(?:_[A-Z]+)?{_STAGE}"
                rf"|(?:PRE|IN|FWD|FWDI|FWDO|POST|OUT)_(?:{names})_POLICIES_(?:pre|post)"
                r"|RFC3964_IPv4"
            )
        )

    def has(self, chain: str, target: str, rule: str) -> bool:
        """Whether it is firewalld's: a rule in, or to, a chain of its own, or one it always has."""
        return bool(
            self.chains.fullmatch(chain)
            or self.chains.fullmatch(target)
            or any(known.fullmatch(rule) for known in _OWN_RULES)
        )


def _foreign(family: str, text: str, own: _Own | None) -> Iterator[ChainName]:
    """The chain of each rule that is neither ours nor, where it may have some, firewalld's."""
    table, once = "", set[tuple[str, str, str]]()
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
        if own and own.has(chain, target, rule) and (table, chain, rule) not in once:
            once.add((table, chain, rule))  # what is there twice, somebody else has added
            continue
        yield family, table, chain


def _besides(family: str, text: str, backend: str) -> Iterator[str]:
    """What is lost besides rules: policies of chains, and tables that only nft can list."""
    for line in text.splitlines():
        if line.startswith("#") and "incompatible" in line:
            yield f"a table that nft made ({family}: {line.strip('# ')})"
        chain, _, policy = line.removeprefix(":").partition(" ")
        if backend != NFTABLES and line.startswith(":") and policy.startswith("DROP"):
            yield f"the policy DROP of iptables' {chain} ({family})"


def _direct(runtime: Listing, backend: str) -> Iterator[ChainName]:
    """The chain of each of firewalld's direct rules: it puts these back. Those for built-in
    chains its iptables backend has in chains of its own.
    """
    for ipv, table, chain, _, _ in runtime.direct:
        if backend == NFTABLES or chain not in _BUILT_IN:
            yield ipv, table, chain
    for ipv, arguments in runtime.passthroughs:
        table, chain, _ = unwrapped(arguments)
        yield ipv, table, chain
