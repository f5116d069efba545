"""A plan: what was found and the exact changes that mend it. It prints itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from lvsmarkd.model.finding import Finding, Severity
from lvsmarkd.model.rule import Rule, Spot


@dataclass(frozen=True, slots=True)
class AddRule:
    """Put a rule into its chain."""

    spot: Spot
    rule: Rule

    def __str__(self) -> str:
        return f"+ {self.spot}: {self.rule}"


@dataclass(frozen=True, slots=True)
class RemoveRule:
    """Take one instance of a rule out of its chain."""

    spot: Spot
    rule: Rule

    def __str__(self) -> str:
        return f"- {self.spot}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Make the chain anew with just these rules: it holds what is not ours, or does not exist
    (``fresh``). ``holder`` names what holds the rules, if that is no chain.
    """

    spot: Spot
    rules: tuple[Rule, ...]
    fresh: bool = False
    holder: str = ""

    def __str__(self) -> str:
        count = f"{len(self.rules)} rule{'' if len(self.rules) == 1 else 's'}"
        what = f"{self.holder}, with just" if self.holder else "the chain anew, with"
        lines = [f"= {self.spot}: {what} {count}"]
        return "\n".join(lines + [f"+ {self.spot}: {rule}" for rule in self.rules])


@dataclass(frozen=True, slots=True)
class Anchor:
    """Have exactly one jump to the chain, where it belongs; ``surplus`` jumps go first.

    Or, where ``holder`` holds the rules: have it lead all packets there.
    """

    spot: Spot
    surplus: int = 0
    holder: str = ""

    def __str__(self) -> str:
        if self.holder:
            return f"+ {self.spot}: {self.holder}, as it should be"
        moved = f", instead of {self.surplus}" if self.surplus else ""
        return f"+ {self.spot}: one jump to our chain{moved}"


@dataclass(frozen=True, slots=True)
class Dissolve:
    """Remove the jumps and the chain with all that is in it: ``rules`` are those of ours.

    Of a ``holder`` that other spots share, only what is there for this spot.
    """

    spot: Spot
    anchors: int
    rules: tuple[Rule, ...] = ()
    holder: str = ""

    def __str__(self) -> str:
        lines = [f"- {self.spot}: {rule}" for rule in self.rules]
        if self.holder:
            return "\n".join(lines or [f"- {self.spot}: what is left in {self.holder}"])
        return "\n".join([*lines, f"- {self.spot}: our chain and {self.anchors} jump(s) to it"])


Step = AddRule | RemoveRule | Rewrite | Anchor | Dissolve


@dataclass(frozen=True, slots=True)
class Plan:
    """Findings and steps. ``str()`` is the dry run, the journal's detail and the diff."""

    findings: tuple[Finding, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def in_sync(self) -> bool:
        """Whether nothing is to be done and nothing worse than a note was found."""
        return not self.steps and all(f.severity is Severity.NOTE for f in self.findings)

    def by_spot(self) -> Mapping[Spot, tuple[Step, ...]]:
        """The steps of each spot, in order."""
        spots = dict.fromkeys(step.spot for step in self.steps)
        return {spot: tuple(s for s in self.steps if s.spot == spot) for spot in spots}

    def __str__(self) -> str:
        return "\n".join(str(step) for step in self.steps)
