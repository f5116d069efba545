"""What iptables' rules mark before our table is met."""

from pathlib import Path

from msgspec.structs import replace

from lvsmarkd.kernel.nf_tables import named_tables
from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_spec import SetConnmark, SetsUnknownMark
from lvsmarkd.model.snapshot import ForeignRule, Side, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.iptables_save import is_iptables

_LEGACY = (Path("/proc/self/net/ip_tables_names"), Path("/proc/self/net/ip6_tables_names"))


def has_iptables() -> bool:
    """Whether there may be a table of iptables, of either variant, in our network namespace."""
    if any(map(_names, _LEGACY)):
        return True
    there = named_tables()
    return isinstance(there, Unknown) or any(
        is_iptables(each.family, each.name) for each in there.tables
    )


def _names(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except OSError:
        return "unknown"


def foreign_marks(iptables: Snapshot | None) -> tuple[ForeignRule, ...]:
    """The rules there that mark: all of PREROUTING come before ours, and what ends the way through
    a table of iptables does not end the way to ours.
    """
    if iptables is None:
        return ()
    return tuple(
        replace(rule, side=Side.AFTER if rule.later else Side.BEFORE)
        for rule in iptables.foreign
        if rule.chain_key.hook is not Hook.INPUT
        and isinstance(rule.effect, SetMark | SetConnmark | SetsUnknownMark)
    )
