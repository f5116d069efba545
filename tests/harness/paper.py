"""A firewall in memory: a whole backend, which fails when it is told to.

It passes the contract suite beside the real ones (tests/backends/test_contract.py) and the same
laws (tests/judge): what a plan says is what happens.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied
from lvsmarkd.backends.backup import Backup
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.notice import Notice
from lvsmarkd.model.plan import (
    AddRule,
    EnsureJump,
    Plan,
    RemoveChain,
    RemoveRule,
    ReplaceChain,
    Step,
)
from lvsmarkd.model.rule import OWN_HOOKS, ChainKey, Plane, Rule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, PreviousRules, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from tests.harness.whole import whole

CHAIN_KEYS = [ChainKey(Plane.RUNTIME, family, hook) for family in Family for hook in OWN_HOOKS]
PAPER = FirewallIdentity(Program.IPTABLES, "paper", "1")
OTHER_PAPER = FirewallIdentity(Program.FIREWALLD, "paper", "1")


@dataclass
class PaperFirewall:
    """As iptables: chains of ours, jumps to them at the head or at the end of their hooks, others'
    rules before and after the jumps, and counters.
    """

    limits: Limits = DEFAULT_LIMITS
    firewall: FirewallIdentity = PAPER
    chains: dict[ChainKey, Chain | Unknown] = field(
        default_factory=lambda: dict.fromkeys(CHAIN_KEYS, Chain())
    )
    ahead: str = ""
    """IPv4 rules of others before our jumps, as ``saved`` takes them."""
    behind: str = ""
    """The same after them."""
    notices: tuple[Notice, ...] = ()
    previous: tuple[PreviousRules, ...] = ()
    counters: Counter[tuple[ChainKey, Rule]] = field(default_factory=Counter)
    """Packets that each rule has matched."""
    backup: Backup | None = None
    """Where it is saved before the first write."""
    refuses: Callable[[Rule], bool] = lambda _rule: False
    fails: Mapping[Family, FirewallError] = field(default_factory=dict)
    """What hinders all writing of a family."""
    before_read: Callable[[], None] = lambda: None
    before_write: Callable[[], None] = lambda: None
    """These run first: they may change things, and the second may raise FirewallError."""
    writes: int = 0
    closed: bool = False

    def read(self) -> Snapshot:
        self.before_read()
        return whole(
            {key: self._counted(key, chain) for key, chain in self.chains.items()},
            self.ahead,
            self.behind,
            notices=self.notices,
            firewall=self.firewall,
            limits=self.limits,
            previous=self.previous,
        )

    def apply(self, plan: Plan) -> Applied:
        try:
            self.before_write()
            if self.backup is not None and plan.steps:
                self.backup.save_once("paper.rules", lambda: {"paper.rules": str(self).encode()})
        except FirewallError as error:
            return Applied(error=error)
        self.writes += 1
        rejected: list[tuple[Rule, str]] = []
        errors = []
        for family in Family:
            steps = [step for step in plan.steps if step.chain_key.family is family]
            if steps and family in self.fails:
                errors.append(self.fails[family])
                continue
            for step in steps:
                rejected += [(rule, "the paper refuses") for rule in self._carry_out(step)]
        return Applied(tuple(rejected), errors[0] if errors else None)

    def close(self) -> None:
        self.closed = True

    def script(self, plan: Plan) -> dict[str, str]:
        texts: dict[str, str] = {}
        for step in plan.steps:
            program = f"paper {step.chain_key.family}"
            texts[program] = f"{texts.get(program, '')}{step}\n"
        return texts

    def purge(self) -> Plan:
        steps = tuple(
            RemoveChain(chain_key, chain.jumps, chain.rules)
            for chain_key, chain in self.chains.items()
            if isinstance(chain, Chain)
            and (chain.rules or ((chain.exists or chain.jumps) and not chain.unknown_rules))
        )
        self.apply(Plan(steps=steps))
        return Plan(steps=steps)

    def damage(self, chain_key: ChainKey, **changes: object) -> None:
        """Somebody else's doing."""
        chain = self.chains[chain_key]
        assert isinstance(chain, Chain)
        self.chains[chain_key] = replace(chain, **changes)

    def _counted(self, key: ChainKey, chain: Chain | Unknown) -> Chain | Unknown:
        if isinstance(chain, Unknown) or not self.counters:
            return chain
        return replace(chain, packets=tuple(self.counters[key, rule] for rule in chain.rules))

    def _carry_out(self, step: Step) -> list[Rule]:
        """Do it; gives the rules that are refused."""
        key = replace(step.chain_key, previous=Program.NONE)
        chain = self.chains[key]
        assert isinstance(chain, Chain), f"{step} where nothing could be read"
        refused: list[Rule] = []
        match step:
            case AddRule(_, rule) if self.refuses(rule):
                refused.append(rule)
            case AddRule(_, rule):
                assert chain.exists, f"{step} without a chain"
                chain = replace(chain, rules=(*chain.rules, rule))
            case RemoveRule(_, rule):
                rules = list(chain.rules)
                rules.remove(rule)
                chain = replace(chain, rules=tuple(rules))
            case ReplaceChain(_, rules):
                refused += [rule for rule in rules if self.refuses(rule)]
                taken = tuple(rule for rule in rules if rule not in refused)
                chain = Chain(exists=True, jumps=chain.jumps, rules=taken)
            case EnsureJump(_, surplus):
                assert surplus == chain.jumps
                chain = replace(chain, jumps=1)
                self._pass_by()
            case RemoveChain(_, jumps, _):
                assert jumps == chain.jumps
                chain = Chain()
        self.chains[key] = chain
        return refused

    def _pass_by(self) -> None:
        """Our jumps are put to the head, or the end, of their hooks: others' rules are behind them
        now, or ahead.
        """
        rules = f"{self.ahead}\n{self.behind}"
        self.ahead, self.behind = (rules, "") if self.limits.jump_at_end else ("", rules)


def gone(trouble: str, message: str = "not now") -> Callable[[], None]:
    """For ``before_write``: fail in one way."""

    def fail() -> None:
        raise FirewallError(trouble, message)  # type: ignore[arg-type] # a Trouble's value

    return fail
