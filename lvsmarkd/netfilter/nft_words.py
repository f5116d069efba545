"""What is not understood of a listing of ``nft -j``, in words that nft itself would take: for
people. Source: libnftables-json(5), nft(8).
"""

import json
from collections.abc import Mapping


def words_of(value: object) -> str:
    """A part of a listing, as nft writes it; where that is not known, as JSON."""
    match value:
        case bool() | None:
            return json.dumps(value)
        case str() | int():
            return str(value)
        case {"op": str(op), "left": left, "right": right}:
            between = " " if op in {"==", "in"} else f" {op} "
            return f"{words_of(left)}{between}{words_of(right)}"
        case {"rate": int(rate), "per": str(per), **more}:
            return _rate(rate, per, more)
        case {**one} if len(one) == 1:
            ((name, inside),) = one.items()
            return _named(str(name), inside, value)
        case _:
            return _json(value)


def _rate(rate: int, per: str, more: Mapping[object, object]) -> str:
    unit = more.get("rate_unit")
    over = "over " if more.get("inv") else ""
    return f"rate {over}{rate}{f' {unit}' if isinstance(unit, str) else ''}/{per}"


def _named(name: str, inside: object, whole: object) -> str:
    match name, inside:
        case "payload", {"protocol": str(protocol), "field": str(field)}:
            return f"{protocol} {field}"
        case (("meta" | "ct" | "rt" | "socket"), {"key": str(key), **more}):
            return " ".join([name, *map(str, more.values()), key])
        case "set", [*elements]:
            return f"{{ {', '.join(map(words_of, elements))} }}"
        case "concat", [*parts]:
            return " . ".join(map(words_of, parts))
        case "prefix", {"addr": str(address), "len": int(length)}:
            return f"{address}/{length}"
        case "range", [first, last]:
            return f"{words_of(first)}-{words_of(last)}"
        case (("&" | "|" | "^" | "<<" | ">>"), [left, right]):
            return f"{words_of(left)} {name} {words_of(right)}"
        case _:
            return _json(whole)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
