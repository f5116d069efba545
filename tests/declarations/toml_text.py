"""Declarations as ``[[mark]]`` tables; reading one gives the same declaration."""

import json
from collections.abc import Iterable

from lvsmarkd.model.declaration import Declaration, Ports, target_text


def toml_text(declaration: Declaration) -> str:
    """The table, with a newline at its end."""
    lines = [
        "[[mark]]",
        f"fwmark = {declaration.mark}",
        f"to = {_list(map(target_text, declaration.to))}",
    ]
    if declaration.ports:
        lines.append(f"ports = {_list(map(_entry, declaration.ports))}")
    if declaration.accept:
        lines.append("accept = true")
    for each in declaration.qualifiers:
        value = _list(each.values) if each.listed else _string(each.values[0])
        lines.append(f"{each.key()} = {value}")
    return "\n".join([*lines, ""])


def _entry(ports: Ports) -> str:
    return str(ports.transport) if ports.ports is None else f"{ports.transport}/{ports.ports}"


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_string, texts))}]"


def _string(text: str) -> str:
    """A basic string of TOML: for printable text that is what JSON has."""
    return json.dumps(text, ensure_ascii=False)
