"""One bad rule must not keep the good ones out: find it, and write the rest."""

from collections.abc import Callable, Sequence

from lvsmarkd.firewall.backend import FirewallError, Trouble
from lvsmarkd.model.plan import AddRule, Rewrite, Step
from lvsmarkd.model.rule import Rule, Spot

Write = Callable[[list[Step]], None]


def settle(steps: Sequence[Step], write: Write) -> list[tuple[Rule, str]]:
    """Write all steps at once; if that is rejected, all of them but the rules at fault.

    ``write`` is one transaction: it does everything or raises FirewallError. The rules at
    fault are found by halving, so k bad ones among n cost about k·log n writes. Gives them
    with the reason. Raises FirewallError where something else than a rule is at fault.
    """
    try:
        write(list(steps))
    except FirewallError as error:
        if error.trouble is not Trouble.REJECTED:
            raise
        news = _new_rules(steps)
        if not news:
            raise
        if len(news) == 1 and len(steps) == 1 and isinstance(steps[0], AddRule):
            return [(news[0][1], str(error))]
        return _by_halves(steps, news, write)
    return []


def _new_rules(steps: Sequence[Step]) -> list[tuple[Spot, Rule]]:
    added = [(s.spot, s.rule) for s in steps if isinstance(s, AddRule)]
    return added + [(s.spot, rule) for s in steps if isinstance(s, Rewrite) for rule in s.rules]


def _by_halves(
    steps: Sequence[Step], news: list[tuple[Spot, Rule]], write: Write
) -> list[tuple[Rule, str]]:
    bad: list[tuple[Rule, str]] = []
    base = [_without_rules(step) for step in steps if not isinstance(step, AddRule)]

    def attempt(some: list[tuple[Spot, Rule]]) -> None:
        """Write some rules, with all that is no new rule the first time that it passes."""
        nonlocal base
        try:
            write(_first([*base], [AddRule(spot, rule) for spot, rule in some]))
        except FirewallError as error:
            if error.trouble is not Trouble.REJECTED:
                raise
            if len(some) == 1:
                bad.append((some[0][1], str(error)))
                return
            middle = len(some) // 2
            attempt(some[:middle])
            attempt(some[middle:])
        else:
            base = []

    attempt(news)
    if base:
        write(base)
    return bad


def _without_rules(step: Step) -> Step:
    return Rewrite(step.spot, ()) if isinstance(step, Rewrite) else step


def _first(base: list[Step], adds: list[AddRule]) -> list[Step]:
    """Order the steps so that chains come before rules, and rules before removals."""
    made = [step for step in base if isinstance(step, Rewrite)]
    return [*made, *adds, *(step for step in base if not isinstance(step, Rewrite))]
