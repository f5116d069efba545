"""Qualifiers in iptables' words, as rules are written and as iptables-save lists them."""

from collections.abc import Callable

from msgspec import Struct

from lvsmarkd.model.qualifiers import InInterface, NotFromMac, Qualifier, kinds


class IptablesOption(Struct, frozen=True):
    """How one qualifier is said. Each of its values is an option ``name`` of the match
    ``module``; without a module it is one of the rule itself. ``read`` takes the value of a
    listed one, and gives None, or raises ValueError, where that means something else.
    """

    name: str
    read: Callable[[str], Qualifier | None]
    module: str = ""
    negated: bool = False

    def words(self, value: str) -> tuple[str, ...]:
        """What to write for one value, which must be a word that stays one."""
        of_match = ("-m", self.module) if self.module else ()
        return (*of_match, *(("!",) if self.negated else ()), self.name, value)


def _interface(value: str) -> InInterface | None:
    return None if value.endswith("+") else InInterface.of(value)


def _sender(value: str) -> NotFromMac:
    return NotFromMac.of(value.lower())


OPTIONS: dict[type[Qualifier], IptablesOption] = {
    InInterface: IptablesOption("-i", _interface),
    NotFromMac: IptablesOption("--mac-source", _sender, module="mac", negated=True),
}
"""All that iptables can say. A kind that is not here can be held by no rule of iptables'."""


def max_values() -> dict[type[Qualifier], int]:
    """For the limits of iptables: no rule of its can say what is not in the table."""
    return {kind: 0 for kind in kinds() if kind not in OPTIONS}


def option_of(qualifier: Qualifier) -> IptablesOption:
    """How a qualifier is said. Raises ValueError where iptables cannot."""
    option = OPTIONS.get(type(qualifier))
    if option is None:
        raise ValueError(f"iptables has no words for {qualifier}")
    return option


def read_option(
    name: str, value: str, *, negated: bool, module: str | None = None
) -> Qualifier | None:
    """The qualifier that a listed option with this value is; None where it is none. ``module``
    is the match that the option belongs to, "" the rule itself; None: it is not looked at.

    Raises ValueError where the value is none of that option.
    """
    for option in OPTIONS.values():
        if (option.name, option.negated) == (name, negated) and module in {None, option.module}:
            return option.read(value)
    return None
