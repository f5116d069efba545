"""Rulesets in files: a title, and the commands that make it; what is said often is short."""

import re
from itertools import product
from pathlib import Path

from msgspec import Struct

from tests.fuzz.judge.script import Script

_SHORT = {
    r"^pre ": "iptables-nft -t mangle -A PREROUTING ",
    r"^in ": "iptables-nft -A INPUT ",
    r"(?<![-\w])mark (\w+)$": r"-j MARK --set-mark \1",
}
_OWN = """
iptables-nft -t mangle -N LVSMARKD
iptables-nft -t mangle -A LVSMARKD -d 192.0.2.10/32 -p tcp -m multiport --dports 80,443 mark 80
iptables-nft -t mangle -A LVSMARKD -d 192.0.2.11/32 -p tcp -m multiport --dports 20:21,10000:20000 mark 21
iptables-nft -t mangle -A LVSMARKD -d 192.0.2.12/32 -p {tcp,udp} --dport 53 mark 53
iptables-nft -t mangle -A LVSMARKD -d 192.0.2.13/32 mark 5
iptables-nft -t mangle -A PREROUTING -j LVSMARKD
"""  # noqa: E501 - as it is typed
_SEVERAL = re.compile(r"\{([^{}]*)\}")


class Idiom(Struct, frozen=True):
    """``is_certain`` says that the rules tell of every packet what becomes of it."""

    title: str
    is_certain: bool
    rules: Script


def idioms(path: Path) -> list[Idiom]:
    """All of a file."""
    found: list[Idiom] = []
    for line in path.read_text().splitlines():
        match line[:2]:
            case "==" | "? ":
                found.append(Idiom(line[2:].strip(), line[:2] == "==", ()))
            case "" | "# ":
                continue
            case _:
                at = found[-1]
                said = _OWN.strip().splitlines() if line == "own" else [line]
                rules = (each for one in said for each in _expanded(one))
                found[-1] = Idiom(at.title, at.is_certain, (*at.rules, *rules))
    return found


def _expanded(line: str) -> list[str]:
    if line.startswith("nft "):
        return [line]
    for short, long in _SHORT.items():
        line = re.sub(short, long, line)
    parts = _SEVERAL.split(line)
    choices = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
    return ["".join(each) for each in product(*choices)]
