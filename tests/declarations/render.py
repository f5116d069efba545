"""Declarations as text that an operator can paste; reading it gives the same declaration."""

import json
from collections.abc import Iterable

from lvsmarkd.model.declaration import Declaration, Ports
from lvsmarkd.model.service import Network


def annotation_text(declaration: Declaration) -> str:
    """The annotation, without the ``# lvsmarkd:`` that goes before it."""
    words = [f"fwmark {declaration.mark} to", ",".join(map(_target, declaration.to))]
    by_transport: dict[str, list[str]] = {}
    for each in declaration.ports:
        listed = by_transport.setdefault(str(each.transport), [])
        if each.ports is not None:
            listed.append(str(each.ports))
    for transport, listed in by_transport.items():
        words += [transport, ",".join(listed)] if listed else [transport]
    if declaration.accept:
        words.append("accept")
    if declaration.not_from_mac:
        words += ["not-from-mac", ",".join(declaration.not_from_mac)]
    if declaration.in_interface:
        words += ["in-interface", declaration.in_interface]
    return " ".join(words)


def toml_text(declaration: Declaration) -> str:
    """The ``[[mark]]`` table, with a newline at its end."""
    lines = [
        "[[mark]]",
        f"fwmark = {declaration.mark}",
        f"to = {_list(map(_target, declaration.to))}",
    ]
    if declaration.ports:
        lines.append(f"ports = {_list(map(_entry, declaration.ports))}")
    if declaration.accept:
        lines.append("accept = true")
    if declaration.not_from_mac:
        lines.append(f"not_from_mac = {_list(declaration.not_from_mac)}")
    if declaration.in_interface:
        lines.append(f"in_interface = {_string(declaration.in_interface)}")
    return "\n".join([*lines, ""])


def _target(target: Network | str) -> str:
    if isinstance(target, str):
        return target
    whole = target.prefixlen == target.max_prefixlen
    return str(target.network_address if whole else target)


def _entry(ports: Ports) -> str:
    return str(ports.transport) if ports.ports is None else f"{ports.transport}/{ports.ports}"


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_string, texts))}]"


def _string(text: str) -> str:
    """A basic string of TOML: for printable text that is what JSON has."""
    return json.dumps(text, ensure_ascii=False)
