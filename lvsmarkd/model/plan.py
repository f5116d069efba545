"""A plan: what was found and the exact changes that mend it. It prints itself."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from lvsmarkd.model.finding import Finding, Severity
from lvsmarkd.model.rule import ChainKey, Rule


class AddRule(Struct, frozen=True):
    """Put a rule into its chain."""

    chain_key: ChainKey
    rule: Rule

    def __str__(self) -> str:
        return f"+ {self.chain_key}: {self.rule}"


class RemoveRule(Struct, frozen=True):
    """Take one instance of a rule out of its chain."""

    chain_key: ChainKey
    rule: Rule

    def __str__(self) -> str:
        return f"- {self.chain_key}: {self.rule}"


class ReplaceChain(Struct, frozen=True):
    """Make the chain anew with just these rules: it holds what is not ours, or does not exist
    (``fresh``). ``container`` names what holds the rules, if that is no chain.
    """

    chain_key: ChainKey
    rules: tuple[Rule, ...]
    fresh: bool = False
    container: str = ""

    def __str__(self) -> str:
        count = f"{len(self.rules)} rule{'' if len(self.rules) == 1 else 's'}"
        what = self.container or ("our chain, new" if self.fresh else "our chain, emptied first")
        lines = [f"= {self.chain_key}: {what}, with just {count}"]
        return "\n".join(lines + [f"+ {self.chain_key}: {rule}" for rule in self.rules])


class EnsureJump(Struct, frozen=True):
    """Have exactly one jump to the chain, where it belongs; ``surplus`` jumps go first.

    Or, where ``container`` holds the rules: have it lead all packets there.
    """

    chain_key: ChainKey
    surplus: int = 0
    container: str = ""

    def __str__(self) -> str:
        if self.container:
            return f"+ {self.chain_key}: {_led_to(self.container)}"
        match self.surplus:
            case 0:
                what = "the jump to our chain"
            case 1:
                what = "the jump to our chain, moved to its place"
            case _:
                what = f"one jump to our chain, instead of {self.surplus}"
        return f"+ {self.chain_key}: {what}"


class RemoveChain(Struct, frozen=True):
    """Remove the jumps and the chain with all that is in it: ``rules`` are those of ours.

    Of a ``container`` that other chains share, only what is there for this chain.
    """

    chain_key: ChainKey
    jumps: int
    rules: tuple[Rule, ...] = ()
    container: str = ""

    def __str__(self) -> str:
        lines = [f"- {self.chain_key}: {rule}" for rule in self.rules]
        if self.container:
            return "\n".join(lines or [f"- {self.chain_key}: what is left in {self.container}"])
        jumps = {0: "", 1: " and the jump to it"}.get(self.jumps, f" and {self.jumps} jumps to it")
        return "\n".join([*lines, f"- {self.chain_key}: our chain{jumps}"])


def _led_to(container: str) -> str:
    return f"all packets led to {container}"


Step = AddRule | RemoveRule | ReplaceChain | EnsureJump | RemoveChain


class Part(Enum):
    """What of a chain of ours may be wrong besides its rules."""

    CHAIN = "the chain"
    JUMP = "the jump"
    CONTAINER = "what holds our rules"
    """Where that is no chain of their own."""


class Owned(Struct, frozen=True):
    """Names one thing of ours in a firewall: a rule in its chain, the chain, the jump to it."""

    chain_key: ChainKey
    part: Rule | Part

    def __str__(self) -> str:
        return f"{self.chain_key}: {self.part.value if isinstance(self.part, Part) else self.part}"


def owned_by(step: Step) -> tuple[Owned, ...]:
    """What a step is about, first of all the thing itself, the same for a step and the one that
    undoes its undoing. A chain that is made again has its rules made again.
    """
    match step:
        case AddRule(chain_key, rule) | RemoveRule(chain_key, rule):
            return (Owned(chain_key, rule),)
        case ReplaceChain(chain_key, rules):
            made = (Owned(chain_key, rule) for rule in rules)
            return (Owned(chain_key, Part.CHAIN), *made)
        case EnsureJump() | RemoveChain():
            part = Part.CONTAINER if step.container else Part.JUMP
            return (Owned(step.chain_key, part),)


class Plan(Struct, frozen=True):
    """Findings and steps. ``str()`` is the dry run, the journal's detail and the diff.

    ``requested``: a person asks for it now, so that what a backend has given up for a while is
    tried again.
    """

    findings: tuple[Finding, ...] = ()
    steps: tuple[Step, ...] = ()
    requested: bool = False

    @property
    def in_sync(self) -> bool:
        """Whether nothing is to be done and nothing worse than a note was found."""
        return not self.steps and all(f.severity is Severity.NOTE for f in self.findings)

    def by_chain(self) -> Mapping[ChainKey, tuple[Step, ...]]:
        """The steps of each chain, in order."""
        keys = dict.fromkeys(step.chain_key for step in self.steps)
        return {
            chain_key: tuple(s for s in self.steps if s.chain_key == chain_key)
            for chain_key in keys
        }

    def __str__(self) -> str:
        return "\n".join(dict.fromkeys(map(_line, self.steps)))


def _line(step: Step) -> str:
    """A step in a plan. What several chains share is led to once for all of them."""
    if isinstance(step, EnsureJump) and step.container:
        return f"+ {step.chain_key.plane_name}: {_led_to(step.container)}"
    return str(step)
