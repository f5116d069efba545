"""Qualifiers in rich rules."""

from collections.abc import Callable

from msgspec import Struct

from lvsmarkd.backends.firewalld.rich.rich_rule import RichRule
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.qualifiers import NotFromMac, Qualifier, kinds


class RichElement(Struct, frozen=True):
    """How one qualifier is said: by a ``source``, of which a rule has one at most.

    ``words`` are what to write for one value. A rule can have ``most`` of these. ``read`` gives
    the qualifier that the source of a rule is, None where it is another one.
    """

    words: Callable[[str], str]
    read: Callable[[RichRule], Qualifier | None]
    most: int = 1


def _sender(rich: RichRule) -> NotFromMac | None:
    if rich.source is None or rich.source.mac is None or not rich.source.inverted:
        return None
    return NotFromMac.of(rich.source.mac)


ELEMENTS: dict[type[Qualifier], RichElement] = {
    NotFromMac: RichElement(lambda mac: f'source NOT mac="{mac.upper()}"', _sender),
}
"""All that a rich rule can say. It cannot name an interface: zones stand for these."""


def rich_rule_limits() -> Limits:
    """What rich rules can say: one port or one range of ports, and what is in the table."""
    return Limits(
        max_ports_per_rule=1,
        max_values={kind: _most(kind) for kind in kinds()},
    )


def _most(kind: type[Qualifier]) -> int:
    return ELEMENTS[kind].most if kind in ELEMENTS else 0


def element_words(qualifiers: tuple[Qualifier, ...]) -> list[str]:
    """What to write. Raises ValueError for what a rich rule cannot say, with what to do."""
    words: list[str] = []
    for each in qualifiers:
        if len(each.values) > (most := _most(type(each))):
            raise ValueError(f"{each.beyond(most)}, or use the iptables backend")
        words += map(ELEMENTS[type(each)].words, each.values)
    if len(words) > 1:
        raise ValueError(
            f"a rich rule has one source, not both of {' and '.join(map(str, qualifiers))}:"
            " use the iptables backend"
        )
    return words


def read_source(rich: RichRule) -> tuple[Qualifier, ...] | None:
    """The qualifiers that the source of a rule is; None where it is none of these."""
    if rich.source is None:
        return ()
    readings = (element.read(rich) for element in ELEMENTS.values())
    found = next((each for each in readings if each is not None), None)
    return None if found is None else (found,)
