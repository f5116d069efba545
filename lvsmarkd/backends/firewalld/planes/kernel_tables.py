"""What the kernel has of firewalld's rules: it is believed over firewalld.

firewalld lists what it was told. Who deletes a rule with nft, or flushes everything, is not
noticed by it: it goes on listing the rule, refuses to add it again (ALREADY_ENABLED), and says
nothing to anybody (measured).
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from lvsmarkd.backends.firewalld.names import (
    CHAIN_PREFIXES,
    DISPATCHING,
    DROPPING_KEY,
    NFTABLES,
    OF_POLICIES,
    OUR_CHAIN,
    TABLE_KEY,
)
from lvsmarkd.backends.firewalld.planes.own_rules import Container, ContainerKind
from lvsmarkd.backends.iptables.chains import source_of
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Accept, Action, Hook, Rule, SetMark
from lvsmarkd.model.rule_spec import Jump, RuleSpec, Verdict
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableChain, TableKey
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.iptables_save import FAMILY_NAMES, save
from lvsmarkd.netfilter.nft_json import read_native

_HOOKS = (Hook.PREROUTING, Hook.INPUT)
_TABLES = {"mangle": "PREROUTING", "filter": "INPUT"}
"""The tables of iptables that firewalld keeps rules like ours in, and where packets come in."""


class Kernel(Struct, frozen=True):
    """What was seen. ``done`` is what rules do in the chains that packets can get to.

    ``whole`` says that firewalld's tables are there at all, ``dropping`` that it left the host
    dropping every new connection. ``of_policies`` is what the names of policies' chains have
    and those of zones have not. ``ruleset`` is all that was read, ``ours`` what is in the chain
    of our policy's marks in firewalld's native table.
    """

    done: Mapping[tuple[Family, str], frozenset[tuple[Packets, Action]]] = field(
        default_factory=dict
    )
    whole: bool = False
    dropping: bool = False
    of_policies: str = OF_POLICIES
    ruleset: Ruleset = field(default_factory=Ruleset)
    ours: tuple[RuleSpec, ...] = ()

    def meets(self, container: Container, rule: Rule) -> bool:
        """Whether packets meet a rule of ours, in the chain that firewalld keeps it in."""
        infix = self.of_policies if container.kind is ContainerKind.POLICY else ""
        name = f"{CHAIN_PREFIXES[rule.hook]}_{infix}{container.name}_post"
        if name == OUR_CHAIN and _keeps_from(self.ours, rule):
            return False
        return (rule.match, rule.action) in self.done.get((rule.family, name), frozenset())


def done_by(
    chains: Mapping[tuple[Family, str], Iterable[RuleSpec]],
) -> dict[tuple[Family, str], frozenset[tuple[Packets, Action]]]:
    """What each chain does to which packets, as far as it is what a rule of ours does."""
    return {
        (family, name): frozenset(
            (spec.packets, action)
            for spec in specs
            if not spec.conditions and spec.family in {family, None} and (action := _action(spec))
        )
        for (family, name), specs in chains.items()
    }


def _action(spec: RuleSpec) -> Action | None:
    match spec.only_effect:
        case Verdict.ACCEPT:
            return Accept()
        case SetMark(_, mask) as action if mask == MAX_MARK:
            return action
        case _:
            return None


def read_kernel(backend: str) -> Kernel | Unknown:
    """Look. ``backend`` is firewalld's own: nftables or iptables."""
    if backend == NFTABLES:
        return kernel_of(read_native())
    try:
        return _iptables()
    except FirewallError as error:
        return Unknown(str(error))


def is_in_kernel() -> bool:
    """Whether rules of either backend of firewalld's are there, or that cannot be seen."""
    seen = [read_kernel(NFTABLES), read_kernel("iptables")]
    return any(isinstance(each, Unknown) or each.whole for each in seen)


def kernel_of(ruleset: Ruleset) -> Kernel | Unknown:
    """The kernel's state of firewalld's native table, as far as that could be read."""
    if Lister.NFT in ruleset.unread:
        return ruleset.unread[Lister.NFT]
    dropping = DROPPING_KEY in ruleset.tables
    table = ruleset.tables.get(TABLE_KEY)
    if isinstance(table, Unknown):
        return table
    if table is None:
        return Kernel(dropping=dropping, ruleset=ruleset)
    met = {
        name: [rule.spec for rule in chain.rules]
        for hook in _HOOKS
        for name, chain in _reached_from(table, hook).items()
    }
    return Kernel(
        done_by({(family, name): specs for name, specs in met.items() for family in Family}),
        whole=True,
        dropping=dropping,
        ruleset=ruleset,
        ours=tuple(met.get(OUR_CHAIN, ())),
    )


def _iptables() -> Kernel | Unknown:
    """Read as the iptables backend does; firewalld calls the same programs."""
    toolset = detect()
    source = source_of(toolset.variant)
    met: dict[tuple[Family, str], list[RuleSpec]] = {}
    ruleset, whole = Ruleset(), False
    for family, tools in toolset.tools.items():
        saved = save(tools.save, source, FAMILY_NAMES[family], tables=_TABLES)
        ruleset |= Ruleset({TableKey(source, FAMILY_NAMES[family], n): t for n, t in saved.items()})
        for name, base in _TABLES.items():
            table = saved[name]
            if isinstance(table, Unknown):
                return table
            reached = table.reached(base)
            whole = whole or any(f"{base}_{name}" in reached for name in DISPATCHING)
            for chain in reached.values():
                met[family, f"{name}_{chain.name}"] = [rule.spec for rule in chain.rules]
    return Kernel(done_by(met), whole, of_policies="", ruleset=ruleset)


def _keeps_from(rules: Sequence[RuleSpec], rule: Rule) -> bool:
    """Whether somebody's verdict in our chain certainly takes all packets of a rule of ours before
    they get to it.
    """
    for each in rules:
        if each.family not in {rule.family, None} or each.conditions:
            continue
        if (each.packets, each.effects) == (rule.match, (rule.action,)):
            return False
        if any(map(_ends, each.effects)) and each.packets.covers(rule.match):
            return True
    return False


def _ends(effect: object) -> bool:
    return isinstance(effect, Verdict) or (isinstance(effect, Jump) and effect.goto)


def _reached_from(table: Table, hook: Hook) -> dict[str, TableChain]:
    """The chains that a packet can get to from the table's base chains at a hook."""
    found: dict[str, TableChain] = {}
    for chain in table.chains.values():
        if chain.base is not None and chain.base.hook is hook:
            found |= table.reached(chain.name)
    return found
