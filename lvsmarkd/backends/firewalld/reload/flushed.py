"""What others have in iptables, and a reload of firewalld flushes, whichever backend it has."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from lvsmarkd.backends.firewalld.names import BUILT_IN_CHAINS, NFTABLES
from lvsmarkd.backends.firewalld.planes.direct import unwrapped
from lvsmarkd.backends.firewalld.planes.iptables_chains import FirewalldChains
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.backends.firewalld.rich.rich_rule import FAMILIES
from lvsmarkd.backends.iptables.chains import LOCATIONS
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.model.rule_spec import RuleSpec, Verdict
from lvsmarkd.model.ruleset import Lister, Table
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.iptables_save import ListingError, read_saved
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
_FAMILIES = {"ipv4": "ip", "ipv6": "ip6", EB: "bridge"}
"""Netfilter's names of the families."""


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
    own = FirewalldChains.of(runtime) if backend != NFTABLES else None
    left = Counter[ChainName]()
    for family, text in texts.items():
        tables = _tables(family, text)
        if tables is None:
            yield f"whatever is in iptables ({family}), which could not be read"
            continue
        left.update(_foreign(family, (t for t in tables if isinstance(t, Table)), own))
        yield from _besides(family, tables, backend)
    left.subtract(_direct(runtime, backend))
    for (family, table, chain), count in sorted(left.items()):
        if count > 0:
            yield f"{count} rule(s) in iptables' {table} {chain} ({family}), which it flushes"


def _tables(family: str, text: str | None) -> list[Table | Unknown] | None:
    if text is None:
        return None
    try:
        source = Lister.IPTABLES_NFT  # only where a base chain stands would tell the variants apart
        read = read_saved(text, source, _FAMILIES[family], ends=family != EB)
    except ListingError:
        return None
    return list(read.values())


def _flushes(version: str, backend: str, runtime: Listing) -> bool:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    spares = numbers >= SPARES_IPTABLES and backend == NFTABLES
    return not spares or bool(runtime.direct or runtime.passthroughs)


def _foreign(
    family: str, tables: Iterable[Table], own: FirewalldChains | None
) -> Iterator[ChainName]:
    """The chain of each rule that is neither ours nor, where it may have some, firewalld's."""
    for table in tables:
        once = set[tuple[str, RuleSpec]]()
        for chain in table.chains.values():
            for rule in chain.rules:
                if chain.name in _OURS or any(j.chain in _OURS for j in rule.spec.jumps()):
                    continue
                if own and own.has(chain.name, rule) and (chain.name, rule.spec) not in once:
                    once.add((chain.name, rule.spec))  # what is there twice, somebody has added
                    continue
                yield family, table.key.name, chain.name


def _besides(family: str, tables: Iterable[Table | Unknown], backend: str) -> Iterator[str]:
    """What is lost besides rules: policies of chains, and tables that only nft can list."""
    for table in tables:
        if isinstance(table, Unknown):
            yield f"a table that nft made ({family}: {table.reason})"
            continue
        if table.hidden:
            yield f"a table that nft made ({family}: {table.hidden})"
        for chain in table.chains.values():
            drops = chain.base is not None and chain.base.policy is Verdict.DROP
            if backend != NFTABLES and drops:
                yield f"the policy DROP of iptables' {chain.name} ({family})"


def _direct(runtime: Listing, backend: str) -> Iterator[ChainName]:
    """The chain of each of firewalld's direct rules: it puts these back. Those for built-in
    chains its iptables backend has in chains of its own.
    """
    for ipv, table, chain, _, _ in runtime.direct:
        if backend == NFTABLES or chain not in BUILT_IN_CHAINS:
            yield ipv, table, chain
    for ipv, arguments in runtime.passthroughs:
        table, chain, _ = unwrapped(arguments)
        yield ipv, table, chain
