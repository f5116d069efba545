"""What is not done as it was asked for: by a file that cannot be followed, by the firewall."""

from collections.abc import Iterable, Iterator

from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.rule import Rule

STAYS = "what was in force before stays"


def refused_settings(problems: Iterable[Problem]) -> Iterator[Finding]:
    """Why a newer lvsmarkd.toml is not in force."""
    for problem in problems:
        yield Finding(
            Kind.REFUSED, problem.message, STAYS, origins=(problem.origin,), subject=problem
        )


def rejected_rules(rejected: Iterable[tuple[Rule, str]]) -> Iterator[Finding]:
    """The rules of ours that the firewall refused at their last try, each with its words."""
    for rule, reason in rejected:
        yield Finding(
            Kind.REJECTED,
            f"the rule “{rule}” was refused: {reason}",
            "it is tried again later",
            service=rule.service,
            family=rule.family,
            rule=rule,
        )
