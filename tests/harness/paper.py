"""A firewall on paper: keeps its chains in memory, and fails when it is told to.

It passes the same laws as the real ones (see tests/judge): what a plan says is what
happens.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lvsmarkd.backends.backend import Applied
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.plan import (
    AddRule,
    EnsureJump,
    Plan,
    RemoveChain,
    RemoveRule,
    ReplaceChain,
    Step,
)
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, ForeignRule, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError

CHAIN_KEYS = [ChainKey(Plane.RUNTIME, family, hook) for family in Family for hook in Hook]


@dataclass
class PaperFirewall:
    """``before_read`` and ``before_write`` run first: they may raise, or change things."""

    limits: Limits = DEFAULT_LIMITS
    firewall: FirewallIdentity = FirewallIdentity(Program.IPTABLES, "paper", "1")  # noqa: RUF009 - frozen
    chains: dict[ChainKey, Chain | Unknown] = field(
        default_factory=lambda: dict.fromkeys(CHAIN_KEYS, Chain())
    )
    foreign: tuple[ForeignRule, ...] = ()
    refuses: Callable[[Rule], bool] = lambda _rule: False
    before_read: Callable[[], None] = lambda: None
    before_write: Callable[[], None] = lambda: None
    writes: int = 0

    def read(self) -> Snapshot:
        self.before_read()
        return Snapshot(dict(self.chains), self.foreign, firewall=self.firewall, limits=self.limits)

    def apply(self, plan: Plan) -> Applied:
        try:
            self.before_write()
        except FirewallError as error:
            return Applied(error=error)
        self.writes += 1
        rejected: list[Rule] = []
        for step in plan.steps:
            chain = self.chains[step.chain_key]
            assert isinstance(chain, Chain), f"{step} where nothing could be read"
            self.chains[step.chain_key] = self._carry_out(step, chain, rejected)
        return Applied(tuple((rule, "the paper refuses") for rule in rejected))

    def script(self, plan: Plan) -> dict[str, str]:
        return {"paper": str(plan)}

    def close(self) -> None:
        """Nothing is kept open on paper."""

    def purge(self) -> Plan:
        steps = tuple(
            RemoveChain(chain_key, chain.jumps, chain.rules)
            for chain_key, chain in self.chains.items()
            if isinstance(chain, Chain) and chain.exists
        )
        self.apply(Plan(steps=steps))
        return Plan(steps=steps)

    def damage(self, chain_key: ChainKey, **changes: object) -> None:
        """Somebody else's doing."""
        chain = self.chains[chain_key]
        assert isinstance(chain, Chain)
        self.chains[chain_key] = replace(chain, packets=(), **changes)  # type: ignore[arg-type] # passed on

    def _carry_out(self, step: Step, chain: Chain, rejected: list[Rule]) -> Chain:
        match step:
            case AddRule(_, rule) if self.refuses(rule):
                rejected.append(rule)
                return chain
            case AddRule(_, rule):
                assert chain.exists, f"{step} without a chain"
                return replace(chain, rules=(*chain.rules, rule), packets=())
            case RemoveRule(_, rule):
                rules = list(chain.rules)
                rules.remove(rule)
                return replace(chain, rules=tuple(rules), packets=())
            case ReplaceChain(_, rules):
                rejected += [rule for rule in rules if self.refuses(rule)]
                taken = tuple(rule for rule in rules if not self.refuses(rule))
                return Chain(True, chain.jumps, taken)
            case EnsureJump(_, surplus):
                assert surplus == chain.jumps
                return replace(chain, jumps=1)
            case RemoveChain(_, jumps, _):
                assert jumps == chain.jumps
                return Chain()


def gone(trouble: str, message: str = "not now") -> Callable[[], None]:
    """For ``before_write``: fail in one way."""

    def fail() -> None:
        raise FirewallError(trouble, message)  # type: ignore[arg-type] # a Trouble's value

    return fail
