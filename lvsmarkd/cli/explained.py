"""An explanation as people read it."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from lvsmarkd.cli.output import paint

Form = dict[str, Any]
_COLOURS = {"right": "32", "unknown": "33"}
_LOST = "31"
_TROUBLE_FIRST = ("dropped", "elsewhere", "wrong", "unmarked", "unknown", "right")
_MANY = 4
_LONG = 120
"""Characters: what is longer is cut, and whole in JSON."""
_HEXADECIMAL_FROM = 10
"""Rules list marks in hexadecimal: from here on it looks different."""


class _Told(Struct):
    """Packets that meet the same rules, and come to the same end."""

    part: Form
    packets: list[str] = field(default_factory=list)
    declared: dict[str, None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Which packets, in one line."""
        more = f" and {len(self.packets) - _MANY} more" if len(self.packets) > _MANY else ""
        return f"{shorten('; '.join(self.packets[:_MANY]), _LONG)}{more}"


def shorten(text: str, most: int) -> str:
    """A text cut to a length, and seen to be cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def lines(forms: Iterable[Form]) -> Iterator[str]:
    """The lines of an answer."""
    for number, form in enumerate(forms):
        if number:
            yield ""
        yield from _explanation(form)


def _explanation(form: Form) -> Iterator[str]:
    if form["mark"] is not None:
        title = paint(f"fwmark {form['mark']} {form['family']}", "1")
        yield "  ".join([title, *form["origins"]])
    for remark in form["remarks"]:
        yield f"{paint('note', '36')}: {remark}"
    for reason in form["unread"]:
        yield f"{paint('could not be read', '33')}: {reason}"
    if not form.get("services_known", True):  # a daemon from before an upgrade does not say
        yield (
            f"{paint('note', '36')}: keepalived.conf could not be read as a whole: there may be"
            " more services than are known (see lvsmarkd marks)"
        )
    ways = _ways(form)
    for flow in form["flows"]:
        if not flow["parts"]:
            yield f"{flow['packets']}: comes by no interface that is up on this host"
    yield from _summary(ways, form)
    senders = dict.fromkeys(
        f"from any client, as {flow['from']}" if flow["any_client"] else f"from {flow['from']}"
        for flow in form["flows"]
    )
    head = form["mark"] is not None or len(ways) > 1
    for way in ways:
        declared = f"  declared at {', '.join(way.declared)}" if way.declared else ""
        if head:
            yield ""
        head = True
        yield f"{paint(way.title, '1')}  {', '.join(senders)}{declared}"
        yield from _steps(way.part)
        yield f"  → {_painted(way.part, form)}"
        hidden = way.part["hidden_by"]
        if hidden and not any(step["rule"] == hidden for step in way.part["steps"]):
            yield f"    {_where(hidden)}: {hidden['text']}"


def _ways(form: Form) -> list[_Told]:
    """The parts of all flows, those together that go the same way; trouble first, of a service."""
    found: dict[str, _Told] = {}
    for flow in form["flows"]:
        for part in flow["parts"]:
            apart = {key: part[key] for key in part if key not in {"packets", "interfaces"}}
            way = found.setdefault(repr(apart), _Told(part))
            by = _interfaces(part["interfaces"] or ([flow["in"]] if flow["in"] else None))
            way.packets.append(part["packets"] + by)
            if flow["declared"] is not None:
                way.declared[flow["declared"]] = None
    ways = list(found.values())
    if form["mark"] is not None:
        ways.sort(key=lambda way: _TROUBLE_FIRST.index(way.part["fate"]))
    return ways


def _interfaces(names: list[str] | None) -> str:
    if names is None:
        return ""
    said = [name or "any other" for name in names]
    more = f" and {len(said) - _MANY} more" if len(said) > _MANY else ""
    return f" in {', '.join(said[:_MANY])}{more}"


def _summary(ways: list[_Told], form: Form) -> Iterator[str]:
    """What becomes of all, on the first screen: where there are several ways."""
    if len(ways) == 1:
        return
    width = min(max((len(way.title) for way in ways), default=0), 50)
    for way in ways:
        yield f"  {way.title:<{width}}  {_painted(way.part, form)}"


def _steps(part: Form) -> Iterator[str]:
    """A line for each rule: where it is registered, where it stands, the mark, what it says."""
    shown = _shown(part["steps"])
    rows = []
    hook = None
    for step in shown:
        at = (step["hook"], step["priority"], step["rule"]["table"])
        head = "" if at == hook or at[0] is None else f"{at[0]} {at[1]}"
        hook = at
        rows.append((head, _where(step["rule"], step["depth"]), _mark(step), _text(step, part)))
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(3)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))
        yield f"    {'  '.join([*cells, row[3]])}".rstrip()
    left_out = len(part["steps"]) - len(shown)
    if left_out:
        said = f"({left_out} more only lead to chains where no rule is about them)"
        yield paint(f"    {said}", "2")


def _shown(steps: list[Form]) -> list[Form]:
    """The steps without those that lead to a chain in which no rule matches."""
    shown: list[Form] = []
    below = -1
    for step in reversed(steps):
        if step["leads"] and below <= step["depth"] and step["before"] == step["after"]:
            continue
        shown.append(step)
        below = step["depth"]
    return shown[::-1]


def _where(rule: Form, depth: int = 0) -> str:
    line = f" rule {rule['line']}" if rule["line"] else " policy"
    table = "" if depth else f"{rule['table']} "
    return f"{'  ' * depth}{table}{rule['chain']}{line}"


def _text(step: Form, part: Form) -> str:
    rule = step["rule"]
    if not rule["line"]:
        return "drop: no rule of the chain decides about it"
    hides = part["hidden_by"] == rule
    return f"{rule['text']}{paint('   ← does it match?', '33') if hides else ''}"


def _mark(step: Form) -> str:
    before, after = (_number(step[key]) for key in ("before", "after"))
    return f"mark {after}" if before == after else f"mark {before} → {after}"


def _number(mark: int | None) -> str:
    return "?" if mark is None else str(mark)


def _painted(part: Form, form: Form) -> str:
    fate = part["fate"]
    more = "; who sends too much is refused" if part["limited"] else ""
    return paint(f"{_end(part, form)}{more}", _COLOURS.get(fate, _LOST))


def _end(part: Form, form: Form) -> str:
    last = f" by {_where(part['steps'][-1]['rule'])}" if part["steps"] else ""
    match part["fate"]:
        case "dropped":
            return f"dropped{last}: IPVS does not see it"
        case "elsewhere":
            return f"sent elsewhere{last}: IPVS does not see it"
        case "unknown":
            hidden = part["hidden_by"]
            return f"not known: {part['reason']}{f', {_where(hidden)}' if hidden else ''}"
        case _:
            return _arrived(part, "" if form.get("services_known", True) else "known ")


def _arrived(part: Form, known: str) -> str:
    mark = part["mark"]
    if part["serves"] is not None:
        at = ", ".join(part["serves_origins"])
        return f"comes to IPVS with mark {mark}: virtual_server fwmark {mark}, {at}"
    if mark:
        hexadecimal = f" ({mark:#x})" if mark >= _HEXADECIMAL_FROM else ""
        which = f"which no {known}service of its family has"
        return f"comes to IPVS with mark {mark}{hexadecimal}, {which}"
    return "comes to IPVS without a mark: no service by mark gets it"
