"""What goes to ``iptables-restore --noflush``: built from values, but for a rule of ours that
somebody wrote otherwise than we do, which is removed as it is listed.

One text is about one table, and is one transaction: the legacy kernel replaces the table at
once, nf_tables commits one batch (measured with 10,000 rules). So a packet meets either all
of the old or all of the new. Of a text about two tables, the first could be in force and the
second refused.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from lvsmarkd.backends.iptables.chains import LOCATIONS
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.plan import AddRule, EnsureJump, RemoveChain, RemoveRule, ReplaceChain, Step
from lvsmarkd.model.rule import Accept, Rule, SetMark
from lvsmarkd.netfilter.iptables_qualifiers import option_of

AsListed = Mapping[RemoveRule, Iterator[str]]
"""For steps that remove a rule: the texts of the rules that are there and mean the same, as
iptables-save lists them behind the chain's name; each stands for one."""
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.:@%/+=,~^-]+")


def script(
    table: str,
    steps: Iterable[Step],
    *,
    jump_at_end: bool,
    as_listed: AsListed = MappingProxyType({}),
) -> str:
    """The input that carries out those steps of one family that are about a table, in order.

    ``jump_at_end`` puts our jump at the end of its hook instead of its head. Without steps it is a
    transaction that changes nothing. Rules that are removed are named as we write them, or
    ``as_listed``: what is not there any more then needs no line. Raises ValueError for a value
    that must not stand in such a text.
    """
    lines = [
        line
        for step in of_table(table, steps)
        for line in (
            _removal(step, as_listed[step])
            if isinstance(step, RemoveRule) and step in as_listed
            else _lines(step, jump_at_end=jump_at_end)
        )
    ]
    chains = [line for line in lines if line.startswith(":")]
    rest = [line for line in lines if not line.startswith(":")]
    return "\n".join([f"*{table}", *chains, *rest, "COMMIT\n"])


def of_table(table: str, steps: Iterable[Step]) -> list[Step]:
    """The steps that are about a table."""
    return [step for step in steps if LOCATIONS[step.chain_key.hook].table == table]


def deletion(step: RemoveChain) -> str:
    """The input that deletes a chain of ours, once it is empty. The kernel refuses it for as
    long as a rule of somebody else's jumps there.
    """
    location = LOCATIONS[step.chain_key.hook]
    return f"*{location.table}\n-X {location.chain}\nCOMMIT\n"


def _removal(step: RemoveRule, texts: Iterator[str]) -> Iterator[str]:
    text = next(texts, None)
    if text is not None:
        yield f"-D {LOCATIONS[step.chain_key.hook].chain} {text}"


def _lines(step: Step, *, jump_at_end: bool) -> Iterator[str]:
    location = LOCATIONS[step.chain_key.hook]
    match step:
        case AddRule(_, rule):
            yield f"-A {location.chain} {rule_text(rule)}"
        case RemoveRule(_, rule):
            yield f"-D {location.chain} {rule_text(rule)}"
        case ReplaceChain(_, rules):
            yield f":{location.chain} - [0:0]"  # under --noflush: creates the chain, or empties it
            for rule in rules:
                yield f"-A {location.chain} {rule_text(rule)}"
        case EnsureJump(_, surplus):
            for _ in range(surplus):
                yield f"-D {location.base_chain} -j {location.chain}"
            yield f"-{'A' if jump_at_end else 'I'} {location.base_chain} -j {location.chain}"
        case RemoveChain(_, jumps, _):
            for _ in range(jumps):
                yield f"-D {location.base_chain} -j {location.chain}"
            yield f"-F {location.chain}"


def rule_text(rule: Rule) -> str:
    """One rule as iptables takes it. Raises ValueError for a word that would not stay one."""
    return _text(rule, ["-m", "comment", "--comment", f'"{rule.name}"'])


def nameless_text(rule: Rule) -> str:
    """The same of a rule that bears no comment, as those that firewalld makes of ours."""
    return _text(rule, [])


def _text(rule: Rule, comment: list[str]) -> str:
    match = rule.match
    words: list[str] = []
    if match.destination is not None and match.destination.prefixlen:
        words += ["-d", str(match.destination)]
    words += _qualifiers(match, of_matches=False)
    if match.protocol is not None:
        words += ["-p", f"{match.protocol:d}"]
    ranges = [str(p.first) if p.first == p.last else f"{p.first}:{p.last}" for p in match.ports]
    if len(ranges) == 1:
        words += ["--dport", ranges[0]]
    elif ranges:
        words += ["-m", "multiport", "--dports", ",".join(ranges)]
    words += _qualifiers(match, of_matches=True)
    words += comment
    match rule.action:
        case SetMark(value, mask):
            words += ["-j", "MARK", "--set-xmark", f"{value:#x}/{mask:#x}"]
        case Accept():
            words += ["-j", "ACCEPT"]
    return " ".join(words)


def _qualifiers(packets: Packets, *, of_matches: bool) -> Iterator[str]:
    """The options of the rule itself, or those of matches. Raises ValueError for a qualifier that
    iptables cannot say.
    """
    for each in packets.qualifiers:
        option = option_of(each)
        if bool(option.module) is of_matches:
            for value in each.values:
                yield from option.words(_word(value))


def _word(text: str) -> str:
    if not _PLAIN_WORD.fullmatch(text) or text.startswith("-"):
        raise ValueError(f"not a word that iptables-restore takes as it is: {text!r}")
    return text
