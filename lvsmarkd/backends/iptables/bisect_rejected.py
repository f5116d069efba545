"""One bad rule must not keep the good ones out: find it, and write the rest."""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied
from lvsmarkd.model.plan import AddRule, ReplaceChain, Step
from lvsmarkd.model.rule import Rule
from lvsmarkd.netfilter.errors import FirewallError, Trouble

Write = Callable[[Sequence[Step]], None]


def bisect_rejected(steps: Sequence[Step], write: Write) -> Applied:
    """Write all steps at once; if that is rejected, all of them but the rules at fault.

    ``write`` is one transaction, also of no steps: it does everything or raises
    FirewallError. The rules at fault are found by halving, so k bad ones among n cost about
    k·log n writes; meanwhile nothing that is in force is taken away. Gives them with the
    reason, and the error where something else than a rule is at fault: what was found until
    then is known all the same.
    """
    bad: list[tuple[Rule, str]] = []
    try:
        _write(steps, write, bad)
    except FirewallError as error:
        return Applied(tuple(bad), error)
    return Applied(tuple(bad))


def _write(steps: Sequence[Step], write: Write, bad: list[tuple[Rule, str]]) -> None:
    """Write them; the rules at fault are put into ``bad`` as they are found."""
    try:
        write(steps)
    except FirewallError as error:
        if error.trouble is not Trouble.REJECTED:
            raise
        write([])  # what refuses even this has no quarrel with a rule
        news = _new_rules(steps)
        if not news:
            raise
        _by_halves(steps, news, write, bad)


def _new_rules(steps: Sequence[Step]) -> list[AddRule]:
    rewritten = [
        (s.chain_key, rule) for s in steps if isinstance(s, ReplaceChain) for rule in s.rules
    ]
    added = [step for step in steps if isinstance(step, AddRule)]
    return added + [AddRule(chain_key, rule) for chain_key, rule in rewritten]


def _by_halves(
    steps: Sequence[Step], news: Sequence[AddRule], write: Write, bad: list[tuple[Rule, str]]
) -> None:
    """Try the new rules behind those that are there; then do all else in one transaction."""
    made = [replace(s, rules=()) for s in steps if isinstance(s, ReplaceChain) and s.fresh]
    if made:
        write(made)

    def attempt(some: Sequence[AddRule]) -> None:
        try:
            write(some)
        except FirewallError as error:
            if error.trouble is not Trouble.REJECTED:
                raise
            if len(some) == 1:
                bad.append((some[0].rule, str(error)))
                return
            middle = len(some) // 2
            attempt(some[:middle])
            attempt(some[middle:])

    attempt(news)
    rest = list(_without(dict(bad), steps))
    if rest:
        write(rest)


def _without(bad: dict[Rule, str], steps: Iterable[Step]) -> Iterable[Step]:
    """The steps that are left to do: the good rules are in their chains by now."""
    for step in steps:
        match step:
            case AddRule() | ReplaceChain(fresh=True):
                continue
            case ReplaceChain(_, rules):
                yield replace(step, rules=tuple(rule for rule in rules if rule not in bad))
            case _:
                yield step
